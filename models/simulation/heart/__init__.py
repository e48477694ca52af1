"""A beating heart with known volumes."""
