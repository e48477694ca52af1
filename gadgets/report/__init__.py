"""Numbers to report images, text and structured values."""
