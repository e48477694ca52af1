"""The MRD protocol without input or output of its own: bytes in, items out, and back."""
