"""What an image went through, as its meta attributes say it."""

from collections.abc import Mapping

from gadgets.data import Notes, Value

HISTORY = "ScansideHistory"
"""Name of the list of steps behind the combination of the coils, the last one at the end."""


def noted(meta: Notes, step: str, values: Mapping[str, Value] | None = None) -> Notes:
    """The meta with one more step in its history, and other values of it set."""
    history = meta.get(HISTORY, ())
    steps = (
        (history,)
        if isinstance(history, str)
        else tuple(map(str, history if isinstance(history, tuple) else ()))
    )
    return {**meta, **(values or {}), HISTORY: (*steps, step)}
