"""Whose fault it is: the scan's data or the chain's configuration."""

from models.errors import ModelError, ScansideError

__all__ = ["ChainError", "DataError", "Interrupted", "ModelError", "ScansideError"]


class ChainError(ScansideError):
    """The chain cannot be built: unknown gadget, bad parameter, or types that do not meet."""


class DataError(ScansideError):
    """The scan's data or header cannot be reconstructed as the chain says."""


class Interrupted(BaseException):
    """The stream ended without a CLOSE: raised inside a gadget, so that its flush does not run.

    Derived from BaseException, so that a gadget's own ``except Exception`` cannot turn it into a normal end.
    """
