"""The programs that this site lets chains use, by name: ``[[external]]`` in the settings."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from server.errors import AccessError, ChainError
from server.peers import Folders, Names

VARIABLE = "SCANSIDE_EXTERNAL"
"""Environment variable with the programs as JSON: how the server hands them to its workers."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that chains may name; ``[[external]]`` in the settings."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    """What chains call it; for one that is started, the Python module."""

    python: Path | None = None
    """The interpreter that runs ``-m gadgetron``, in an environment of its own."""

    path: Folders = ()
    """Folders in which modules are looked for (PYTHONPATH)."""

    address: str = ""
    """``HOST:PORT`` of a program that runs already and is connected to."""

    wire: Names = ()
    """Targets in it that chains off the wire may name, ``["recon_buffers"]``."""

    def __post_init__(self) -> None:
        """Refuse a program that is neither started nor connected to, or both."""
        if (self.python is None) == (not self.address):
            raise ValueError(f"the program {self.name!r} has either python or address")


def _listed(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("programs in the environment are a list as JSON") from None


Programs = Annotated[tuple[Program, ...], BeforeValidator(_listed)]


def install(programs: tuple[Program, ...]) -> None:
    """Let this process and those that it starts know the programs."""
    os.environ[VARIABLE] = TypeAdapter(Programs).dump_json(programs).decode()


def known() -> dict[str, Program]:
    """The programs of this site by name.

    Raises ChainError when the environment does not say them properly.
    """
    try:
        found = TypeAdapter(Programs).validate_python(os.environ.get(VARIABLE) or "[]")
    except ValidationError as error:
        raise ChainError(f"{VARIABLE}: {error.errors()[0]['msg']}") from None
    return {program.name: program for program in found}


def admit(parameters: Mapping[str, Any]) -> None:
    """Let a step pass that a peer wrote out: a program and a target in it that the settings allow to peers.

    Raises AccessError otherwise.
    """
    name, target = parameters.get("name"), parameters.get("target", "")
    program = known().get(name) if isinstance(name, str) else None
    if parameters and (program is None or target not in program.wire):
        raise AccessError(
            "External: a chain off the wire may use no program that the settings do not allow to it by name"
            " and target"
        )
