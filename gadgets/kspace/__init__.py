"""Readouts in, k-space out: accumulate and trigger, reference lines."""
