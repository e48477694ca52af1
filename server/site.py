"""What only this site may say: paths, addresses, hosts and commands never come over the wire."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import PurePath
from typing import Any, get_args, get_type_hints
from urllib.parse import ParseResult

from pydantic import AnyUrl
from pydantic.fields import FieldInfo
from pydantic_core import Url

from gadgets.gadget import Gadget, Site
from server.errors import AccessError
from server.parameters import apply
from server.registry import find
from server.step import AnyStep, Step, flat

TYPES = (PurePath, Url, AnyUrl, ParseResult)
"""Types that are a path or an address by themselves."""

TELLING = re.compile(
    r"(^|_)(path|file|filename|folder|directory|dir|url|uri|host|hostname|address|port|command|cmd|executable"
    r"|program|script|module|library|endpoint|socket)s?$"
)
"""Names of fields that are a path or an address, whatever their type."""


def site_fields(kind: type[Gadget]) -> frozenset[str]:
    """The fields of a gadget that the wire may not set: marked ``Site``, or such by type or by name."""
    return marked_fields(kind) | frozenset(each.name for each in fields(kind) if TELLING.search(each.name))


def marked_fields(kind: type[Gadget]) -> frozenset[str]:
    """The fields whose annotation holds ``Site``, at any depth, or a type that is a path or an address."""
    hints = get_type_hints(kind, include_extras=True)
    return frozenset(
        each.name for each in fields(kind) if any(_telling(part) for part in _parts(hints[each.name]))
    )


def wire_safe(steps: Iterable[AnyStep]) -> None:
    """Let the steps of a chain that a peer wrote out pass.

    Raises AccessError for a field that only this site may set, by its name, and for a program that the site
    does not allow to peers.
    """
    for step in flat(steps):
        kind = find(step.name)
        if admit := getattr(kind, "admit", None):
            admit(step.parameters)
        names = {alias: name for name in site_fields(kind) for alias in (name, *_aliases(kind, name))}
        for given in step.parameters:
            if given in names:
                raise AccessError(
                    f"{step.name}.{given} names something of this site (a path, an address, a command); it"
                    " can be set only in a chain that is installed here"
                )


def wire_safe_parameters(steps: Sequence[AnyStep], parameters: Mapping[str, Any]) -> None:
    """Let parameters that a peer sent for a chain pass, however their names are written.

    Raises AccessError as ``wire_safe``, and ChainError as ``server.parameters.apply``.
    """
    bare = [Step(step.name, {}) for step in flat(steps)]
    changed, _ = apply(bare, parameters)
    wire_safe(changed)


def _telling(part: object) -> bool:
    """Whether this part of an annotation says that the field is the site's."""
    if isinstance(part, Site) or part is Site:
        return True
    return isinstance(part, type) and issubclass(part, TYPES)


def _parts(hint: Any) -> Iterator[Any]:  # noqa: ANN401 - any annotation
    """An annotation and all that it is made of, the fields of dataclasses too."""
    yield hint
    for part in (*get_args(hint), *getattr(hint, "__metadata__", ())):
        yield from _parts(part)
    if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        for part in get_type_hints(hint, include_extras=True).values():
            yield from _parts(part)


def _aliases(kind: type[Gadget], name: str) -> Iterator[str]:
    """Other names by which pydantic takes the field."""
    for part in _parts(get_type_hints(kind, include_extras=True)[name]):
        if isinstance(part, FieldInfo):
            yield from (each for each in (part.alias, part.validation_alias) if isinstance(each, str))
