"""Digital objects, coils, sampling and noise with a known truth."""
