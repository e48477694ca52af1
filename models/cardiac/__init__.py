"""The heart on arrays: segments of the myocardium, segmentation, function."""
