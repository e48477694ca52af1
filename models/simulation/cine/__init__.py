"""Cine of the heart: short-axis slices, gated or in real time."""
