"""Bytes, sockets and processes: receives a scan, runs a chain of gadgets on it, sends images back."""

__version__ = "0.1.0"
