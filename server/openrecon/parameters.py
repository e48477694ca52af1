"""The parameters of a chain as Open Recon's console shows them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import yaml

from gadgets.gadget import AnyGadget, flat
from server.registry import adapter, find
from server.settings import SettingsError
from server.site import site_fields

LIMIT = 14
"""How many parameters a label bears, the choice of the chain among them."""

RANGE = 1_000_000
"""Ends of a range that a declaration leaves open."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One field of one gadget of a chain, with the value that it has there."""

    gadget: str
    field: str
    value: Any
    schema: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``Gadget.field``, as the command line takes it."""
        return f"{self.gadget}.{self.field}"

    def plain(self, alone: bool) -> str:
        """The name in letters and digits alone: that of the field, or of the gadget and the field."""
        field = "".join(part.capitalize() for part in self.field.split("_"))
        return field[0].lower() + field[1:] if alone else f"{self.gadget}{field}"


def declared(chain: Sequence[AnyGadget]) -> list[Declared]:
    """Every parameter of a chain that may be set over the wire, in the order of the chain."""
    found: dict[str, Declared] = {}
    for gadget in flat(chain):
        kind = type(gadget).__name__
        schemas = adapter(kind).json_schema().get("properties", {})
        local = site_fields(find(kind))
        for name in (each.name for each in fields(gadget) if each.name not in local):
            one = Declared(gadget=kind, field=name, value=getattr(gadget, name), schema=schemas.get(name, {}))
            found.setdefault(one.name, one)
    return list(found.values())


def entries(chain: Sequence[AnyGadget], chosen: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The chain's parameters as entries of a label: all, or the ``chosen`` ones (``Gadget.field``).

    Raises SettingsError for a chosen one that the chain does not have, and for more than a label bears.
    """
    known = {each.name: each for each in declared(chain)}
    if unknown := [name for name in chosen if name not in known]:
        raise SettingsError(f"the chain has no parameter {', '.join(unknown)}; it has {', '.join(known)}")
    taken = [known[name] for name in chosen] or list(known.values())
    if len(taken) >= LIMIT:
        raise SettingsError(
            f"a label bears {LIMIT - 1} parameters beside the choice of the chain, here are {len(taken)}; "
            f"choose with --parameter among {', '.join(known)}"
        )
    times = [each.field for each in known.values()]
    return [_entry(each, each.plain(times.count(each.field) == 1)) for each in taken]


def _entry(one: Declared, name: str) -> dict[str, Any]:
    text = " ".join(str(one.schema.get("description", "")).replace("``", "").split())
    shown: dict[str, Any] = {"id": name, "label": {"en": one.name}, **dict(_typed(one))}
    return shown | ({"information": {"en": text}} if text else {})


def _typed(one: Declared) -> Iterator[tuple[str, Any]]:
    """Type, default and range. What no type of the label can hold is a text, read as in a chain's file."""
    kind = one.schema.get("type")
    if "enum" in one.schema:
        values = [str(each) for each in one.schema["enum"]]
        yield "type", "choice"
        yield "values", [{"id": each, "name": {"en": each}} for each in values]
        yield "default", str(one.value)
    elif kind == "boolean":
        yield from (("type", "boolean"), ("default", bool(one.value)))
    elif kind == "integer" and one.value is not None:
        yield "type", "int"
        yield from _range(one, 1)
    elif kind == "number" and _tenths(one.value) and all(map(_tenths, _limits(one))):
        yield "type", "double"
        yield from _range(one, 0.1)
    else:
        yield from (("type", "string"), ("default", _text(one.value)))


def _limits(one: Declared) -> list[float]:
    names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    return [one.schema[each] for each in names if each in one.schema]


def _range(one: Declared, step: float) -> Iterator[tuple[str, Any]]:
    low, high = one.schema.get("minimum"), one.schema.get("maximum")
    if low is None:
        low = one.schema["exclusiveMinimum"] + step if "exclusiveMinimum" in one.schema else -RANGE
    if high is None:
        high = one.schema["exclusiveMaximum"] - step if "exclusiveMaximum" in one.schema else RANGE
    kind = int if step == 1 else float
    yield from (("minimum", kind(low)), ("maximum", kind(high)), ("default", kind(one.value)))


def _tenths(value: object) -> bool:
    """Whether a number is a multiple of 0.1, as the label asks of a double."""
    return isinstance(value, int | float) and abs(10 * value - round(10 * value)) < 1e-9


def _text(value: object) -> str:
    """The value as a chain's file writes it; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True).removesuffix("...\n").strip()
