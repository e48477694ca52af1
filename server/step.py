"""The steps of a chain, still unmade: names and parameters, as a file or a peer wrote them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Step:
    """One gadget of a chain, still unmade: its name and its parameters."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Fork:
    """Chains side by side, still unmade, by name, in the order in which what they give is merged."""

    branches: Mapping[str, Sequence["AnyStep"]]


AnyStep: TypeAlias = Step | Fork


def flat(steps: Iterable[AnyStep]) -> Iterator[Step]:
    """Every gadget's step, in the order in which they are written, those of branches too."""
    for step in steps:
        if isinstance(step, Fork):
            for branch in step.branches.values():
                yield from flat(branch)
        else:
            yield step
