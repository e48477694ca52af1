"""Readouts in, readouts out: noise, echo position, oversampling."""
