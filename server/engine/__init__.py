"""Runs a chain: channels with two ends, one thread a gadget."""
