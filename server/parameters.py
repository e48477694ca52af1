"""Parameters from outside a chain's file: ``--param Gadget.field=value`` and FIRE's parameter text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import yaml

from server.chain import override
from server.errors import ChainError
from server.registry import find
from server.step import AnyStep, flat

CHOICE = ("config", "customconfig")
"""Parameters of FIRE that name the chain itself."""


def from_text(text: str) -> dict[str, Any] | None:
    """The parameters in a text of FIRE, ``{"parameters": {...}, ...}``; None for any other text."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    parameters = content.get("parameters") if isinstance(content, dict) else None
    return parameters if isinstance(parameters, dict) else None


def to_text(parameters: Mapping[str, Any]) -> str:
    """The text that carries parameters, as FIRE writes it."""
    return json.dumps({"version": "1.1.0", "parameters": dict(parameters)})


def chosen(parameters: Mapping[str, Any]) -> str | None:
    """The chain that the parameters name, when they do."""
    for key in CHOICE[::-1]:
        value = parameters.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def apply(steps: Sequence[AnyStep], parameters: Mapping[str, Any]) -> tuple[list[AnyStep], list[str]]:
    """The steps with their parameters replaced, and the names that belong to no gadget of the chain.

    ``Gadget.field`` must be met. A name without a dot, as consoles send it (``[A-Za-z0-9]+``), is a field of
    the chain's gadgets, or gadget and field run together, in any case.
    Raises ChainError for a ``Gadget.field`` that the chain does not have.
    """
    plain = _plain_names(steps)
    values: dict[str, Any] = {}
    ignored = []
    for name, value in parameters.items():
        if name in CHOICE:
            continue
        target = name if "." in name else plain.get(name.lower())
        if target is None:
            ignored.append(name)
        else:
            values[target] = _value(value)
    return override(steps, values), ignored


def _plain_names(steps: Sequence[AnyStep]) -> dict[str, str]:
    """``Gadget.field`` by its lower-case name without punctuation; ambiguous fields are left out."""
    found: dict[str, str] = {}
    owners: dict[str, set[str]] = {}
    for step in flat(steps):
        for name in (each.name for each in fields(find(step.name))):
            plain = name.replace("_", "").lower()
            found[step.name.lower() + plain] = f"{step.name}.{name}"
            owners.setdefault(plain, set()).add(f"{step.name}.{name}")
    return {plain: min(names) for plain, names in owners.items() if len(names) == 1} | found


def _value(value: object) -> object:
    """A value as its text means it: consoles and command lines send ``"[5, 4]"``, ``"0.5"``, ``"True"``."""
    if not isinstance(value, str):
        return value
    if len(value) > 4096 or any(mark in value for mark in "&*"):
        raise ChainError("a parameter's text is too long, or uses YAML anchors")
    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, RecursionError):
        return value
