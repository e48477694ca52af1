"""Labelled short-axis slices, drawn fast and more varied than patients: what segmentation learns from."""
