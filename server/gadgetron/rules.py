"""What a rule of the table can say about a class of Gadgetron and about its properties."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from server.errors import ChainError

Read: TypeAlias = Callable[[str], Any] | Mapping[str, Any]
"""How a value is read: a function, or a table of the values that there are."""


@dataclass(frozen=True, kw_only=True)
class Sets:
    """The property is a parameter here: ``Gadget.field``, of a step of this rule or of an earlier one."""

    where: str
    read: Read
    """A value that reads as None leaves the parameter as it is."""

    index: int | None = None
    """Which element, where the parameter is a list."""

    default: tuple[Any, ...] = ()
    """The list before anything is set."""


@dataclass(frozen=True, kw_only=True)
class Only:
    """The property has one meaning here; any other value is refused."""

    values: tuple[str, ...]
    why: str


@dataclass(frozen=True, kw_only=True)
class Idle:
    """The property changes no image here."""

    why: str


Property: TypeAlias = Sets | Only | Idle


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a class of Gadgetron becomes."""

    steps: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Our gadgets with their parameters, in order; none where others do its work."""

    properties: Mapping[str, Property] = field(default_factory=dict)

    behind: tuple[str, ...] = ()
    """The classes of which one must have come before; none: it may stand anywhere."""

    instead: Mapping[tuple[str, str], "Rule"] = field(default_factory=dict)
    """By property and value: the rule that counts when the property has this value."""

    differs: str = ""
    """What is not as in Gadgetron, in a sentence for the document."""


def number(text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise ChainError(f"{text!r} is not a number") from None


def whole(text: str) -> int:
    """A whole number."""
    value = number(text)
    if value != int(value):
        raise ChainError(f"{text!r} is not a whole number")
    return int(value)


def fraction(text: str) -> float:
    """A part of one; Gadgetron's -1 stands for none."""
    return max(number(text), 0.0)


def some(text: str) -> int | None:
    """How many; 0 does not say."""
    return whole(text) or None


BOOLEAN = {"true": True, "1": True, "false": False, "0": False}


def value_of(read: Read, text: str) -> Any:  # noqa: ANN401 - whatever the parameter takes
    """The value that a property's text means.

    Raises ChainError for a text that means none.
    """
    if not isinstance(read, Mapping):
        return read(text)
    if text.lower() not in read:
        raise ChainError(f"{text!r} is none of {', '.join(repr(each) for each in read)}")
    return read[text.lower()]


def same(text: str, other: str) -> bool:
    """Whether two texts of a property mean the same: in any case, numbers by value."""
    try:
        return float(text) == float(other)
    except ValueError:
        return text.lower() == other.lower()


PLAIN = "for developers"
REPORTS: Mapping[str, Property] = {
    name: Idle(why=PLAIN)
    for name in ("verbose", "verboseMode", "perform_timing", "debug_folder", "time_tick", "print_iter")
}
"""Properties of every generic gadget."""
