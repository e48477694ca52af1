"""The gadget contract: what a step of a chain is, and what it takes and gives."""

import functools
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict

from gadgets.errors import ChainError
from gadgets.scan import Scan

Types = tuple[type, ...]


class Site:
    """Marks a field that is a path, a host, an address or a command: ``Annotated[str, Site]``.

    It can be set in a chain that is installed, and never over the wire.
    """


@dataclass(frozen=True, kw_only=True)
class Gadget:
    """A step of a chain: its fields are its parameters, the frame of ``process`` is its state.

    Code after the loop over ``stream`` is the flush; it runs only when the scan ended with CLOSE. A ``with``
    around the loop holds a resource and is left in every case.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    open_ended: ClassVar[bool] = False
    """It may give any of the types that it names, and nobody knows which: a chain may end with it."""

    def process(self, stream: Iterable[Any], scan: Scan) -> Iterator[Any]:
        """Turn the items of the stream into others. The annotations of the subclass say which."""
        raise NotImplementedError(f"{type(self).__name__} has no process")

    def joined(self, before: "Gadget") -> "Gadget | None":
        """One gadget that does at less cost what ``before`` and then this one do; None: they stay two."""
        return None

    @classmethod
    def signature(cls) -> tuple[Types, Types]:
        """Types taken and types given, read from the annotations of ``process``."""
        hints = _hints(cls.process)
        return _members(get_args(hints["stream"])[0]), _members(get_args(hints["return"])[0])


@dataclass(frozen=True, kw_only=True)
class Map(Gadget):
    """A gadget without memory: one item in, one item out. Only these may be spread over workers."""

    def one(self, item: Any, scan: Scan) -> Any:  # noqa: ANN401 - the subclass narrows it
        """The answer to one item. The annotations of the subclass say which types."""
        raise NotImplementedError(f"{type(self).__name__} has no one")

    def process(self, stream: Iterable[Any], scan: Scan) -> Iterator[Any]:
        """Answer each item in turn."""
        return (self.one(item, scan) for item in stream)

    @classmethod
    def signature(cls) -> tuple[Types, Types]:
        """Types taken and types given, read from the annotations of ``one``."""
        hints = _hints(cls.one)
        return _members(hints["item"]), _members(hints["return"])


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Chains side by side. Each gets the items that one of its gadgets takes; a chain without gadgets, those
    that any other one takes. An item that none takes passes once. What they give is merged in their order.
    """

    branches: Mapping[str, tuple["AnyGadget", ...]]
    """By name, in the order in which what they give is merged."""


AnyGadget: TypeAlias = Gadget | Parallel


def flat(chain: Iterable[AnyGadget]) -> Iterator[Gadget]:
    """Every gadget of a chain, in the order in which they are written, those of branches too."""
    for each in chain:
        if isinstance(each, Parallel):
            for branch in each.branches.values():
                yield from flat(branch)
        else:
            yield each


def takes(chain: Iterable[AnyGadget], kind: type) -> bool:
    """Whether a gadget of the chain takes items of this type, as they enter the chain."""
    return any(issubclass(kind, gadget.signature()[0]) for gadget in flat(chain))


@functools.cache
def _hints(method: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a method, read once: it costs a scan's first image some milliseconds otherwise."""
    return get_type_hints(method)


def _members(hint: Any) -> Types:  # noqa: ANN401 - any annotation
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(member for member in get_args(hint) if member is not type(None))
    return (hint,)


def check(chain: Iterable[AnyGadget], source: Iterable[type]) -> set[type]:
    """The types that leave the chain when ``source`` enters it: flow' = (flow - taken) + given.

    Raises ChainError where a gadget takes nothing that reaches it.
    """
    flow = set(source)
    for gadget in chain:
        if isinstance(gadget, Parallel):
            flow = _check_branches(gadget, flow)
            continue
        taken, given = gadget.signature()
        met = {kind for kind in flow if issubclass(kind, taken)}
        if not met:
            raise ChainError(f"{gadget} takes {_names(taken)}, but here the stream carries {_names(flow)}")
        flow = (flow - met) | set(given)
    return flow


def _check_branches(fork: Parallel, flow: set[type]) -> set[type]:
    """The types behind branches: what none takes, and what each gives for what it takes."""
    if any(gadget.open_ended for gadget in flat([fork])):
        raise ChainError("External may not stand in a branch: when it answers is its own affair")
    taken = {name: {kind for kind in flow if takes(branch, kind)} for name, branch in fork.branches.items()}
    every = set().union(*taken.values())
    if not every:
        raise ChainError(
            f"no branch of {', '.join(fork.branches)} takes anything; the stream carries {_names(flow)}"
        )
    after = flow - every
    for name, branch in fork.branches.items():
        try:
            after |= check(branch, (taken[name] or flow) if branch else every)
        except ChainError as error:
            raise ChainError(f"branch {name}: {error}") from None
    return after


def _names(kinds: Iterable[type]) -> str:
    return " | ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
