"""The steps of a chain, still unmade: names and parameters, as a file or a peer wrote them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """One gadget of a chain, still unmade: its name and its parameters."""

    name: str
    parameters: Mapping[str, Any]


def each(steps: Iterable[Step]) -> Iterator[Step]:
    """Every gadget's step, in the order in which they are written."""
    yield from steps
