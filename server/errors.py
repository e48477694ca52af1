"""The error tree as the server sees it: the peer's faults beside those of chains, data and models."""

from gadgets.errors import ChainError, DataError, Interrupted, ModelError, ScansideError

__all__ = ["ChainError", "DataError", "Interrupted", "ModelError", "ProtocolError", "ScansideError"]


class ProtocolError(ScansideError):
    """The peer said something that it may not say, or not now."""
