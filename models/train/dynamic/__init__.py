"""Training of dynamic networks: series of frames, each with a few lines of its own."""
