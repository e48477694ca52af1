"""The root of every error raised on purpose, and the errors of models."""


class ScansideError(Exception):
    """Root of all errors that this project raises on purpose; anything else is a bug of ours."""


class ModelError(ScansideError):
    """A model cannot be used: unknown, damaged, or outside its envelope."""


class SimulationError(ScansideError):
    """The scan that is asked for cannot be simulated."""
