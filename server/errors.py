"""The error tree as the server sees it: the peer's faults beside those of chains, data and models."""

from gadgets.errors import ChainError, DataError, Interrupted, ModelError, ScansideError

__all__ = [
    "AccessError",
    "ChainError",
    "ControlError",
    "DataError",
    "DicomError",
    "ExternalError",
    "Interrupted",
    "ModelError",
    "ProtocolError",
    "ScansideError",
]


class ProtocolError(ScansideError):
    """The peer said something that it may not say, or not now."""


class AccessError(ScansideError):
    """The peer may not connect, or may not ask for this."""


class ControlError(ScansideError):
    """A server cannot be asked or told: none runs, or its runtime folder is not usable."""


class ExternalError(ScansideError):
    """Another program that is a step of the chain failed, or does not answer."""


class DicomError(ScansideError):
    """An object cannot be made, or cannot reach the archive."""
