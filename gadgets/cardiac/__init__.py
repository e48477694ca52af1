"""The heart: perfusion, segmentation, function."""
