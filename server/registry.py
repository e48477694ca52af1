"""The gadgets by name: made once, at start; a name off the wire is looked up here and never imported."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points

from pydantic import TypeAdapter

import gadgets
from gadgets.errors import ChainError
from gadgets.gadget import Gadget
from server.folders import plugged

GROUP = "scanside.gadgets"
"""The entry-point group through which an installed package adds gadgets."""


@cache
def registry() -> Mapping[str, type[Gadget]]:
    """Every gadget by its class name: built in, from installed packages, and from the site's folders.

    Raises ChainError when two have one name.
    """
    found: dict[str, type[Gadget]] = {}
    for kind in (*_built_in(), *_installed(), *_plugged()):
        if found.setdefault(kind.__name__, kind) is not kind:
            raise ChainError(
                f"two gadgets are called {kind.__name__}: in {found[kind.__name__].__module__} and "
                f"in {kind.__module__}"
            )
    return dict(sorted(found.items()))


@cache
def adapter(name: str) -> TypeAdapter[Gadget]:
    """What makes a gadget of plain values, by its declarations. Made once: it reads the gadget's source."""
    return TypeAdapter(find(name))


def warm() -> None:
    """Make all that later look-ups need; sessions in several threads then only read."""
    for name in registry():
        adapter(name)


def find(name: str) -> type[Gadget]:
    """The gadget called ``name``.

    Raises ChainError that names the nearest known ones.
    """
    kinds = registry()
    if name not in kinds:
        near = get_close_matches(name, kinds, n=2)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ChainError(f"no gadget is called {name!r}{hint}")
    return kinds[name]


def _built_in() -> Iterator[type[Gadget]]:
    for module in pkgutil.walk_packages(gadgets.__path__, "gadgets."):
        yield from _members(module.name)
    yield from _members("server.external.gadget")


def _plugged() -> Iterator[type[Gadget]]:
    for module in pkgutil.walk_packages([str(each) for each in plugged()]):
        yield from _members(module.name)


def _members(name: str) -> Iterator[type[Gadget]]:
    """The gadgets that a module defines itself."""
    for _, kind in inspect.getmembers(importlib.import_module(name), _concrete):
        if kind.__module__ == name:
            yield kind


def _installed() -> Iterator[type[Gadget]]:
    for entry in entry_points(group=GROUP):
        kind = entry.load()
        if not _concrete(kind):
            raise ChainError(f"entry point {entry.name} of {GROUP} is no gadget: {entry.value}")
        yield kind


def _concrete(thing: object) -> bool:
    """Whether this is a gadget of its own: not one of the contract's two roots, and public."""
    return (
        inspect.isclass(thing)
        and issubclass(thing, Gadget)
        and thing.__module__ != Gadget.__module__
        and not thing.__name__.startswith("_")
    )
