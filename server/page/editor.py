"""Chains as forms: what can be set, and whether what was set would run."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic_core import to_jsonable_python

from gadgets.gadget import flat
from server.chain import build, chains, describe, named
from server.parameters import apply
from server.site import wire_safe_parameters


def names() -> list[str]:
    """The installed chains."""
    return sorted(chains())


def form(name: str) -> list[dict[str, Any]]:
    """The gadgets of a chain in order, each with what it does and its parameters: value, schema, text.

    Raises ChainError for an unknown chain.
    """
    return [
        {
            "gadget": type(gadget).__name__,
            "does": describe(type(gadget))["does"],
            "parameters": [
                {
                    "name": each.name,
                    "value": to_jsonable_python(getattr(gadget, each.name)),
                    "schema": describe(type(gadget))["parameters"].get(each.name, {}),
                }
                for each in fields(gadget)
            ],
        }
        for gadget in flat(build(named(name)))
    ]


def check(name: str, parameters: Mapping[str, str]) -> list[str]:
    """The gadgets of the chain as they would run, each as text.

    Raises ScansideError that names the parameter that is wrong, or that only the site may set.
    """
    steps = named(name)
    wire_safe_parameters(steps, parameters)
    changed, ignored = apply(steps, parameters)
    return [*map(str, flat(build(changed))), *(f"{each} belongs to no gadget" for each in ignored)]
