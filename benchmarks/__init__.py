"""Every claim about speed, memory, latency and image quality, each a program here that measures it."""
