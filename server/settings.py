"""The server's settings: by flag, environment variable, file, default, in this order."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from server.errors import ScansideError
from server.wire.kinds import Limits, Profile

PREFIX = "SCANSIDE_"


class SettingsError(ScansideError):
    """A setting is unknown or has no valid value."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the server listens and what it bears."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    port: int = 9002
    insecure: bool = False
    """Listen beyond loopback although anyone there may connect."""

    sessions: int = 16
    """Scans at the same time; one more is refused with a TEXT."""

    threads: int = 0
    """Threads of one operation; 0: one for each core."""

    idle: float = 300.0
    """Seconds without a byte before a session is given up."""

    patience: float = 60.0
    """Seconds that a peer has to take its last replies."""

    nul: bool = False
    """Write strings with a trailing NUL, as FIRE does."""

    limits: Limits = field(default_factory=Limits)

    @property
    def profile(self) -> Profile:
        """How peers are spoken to."""
        return Profile(nul=self.nul, prefix=self.nul)


def read_settings(flags: Mapping[str, Any], file: Path | None = None) -> Settings:
    """The effective settings; ``flags`` with the value None were not given.

    Raises SettingsError for an unknown name or a wrong value.
    """
    names = {each.name for each in fields(Settings)}
    given: dict[str, Any] = {}
    if file is not None:
        given |= tomllib.loads(file.read_text())
    given |= {
        name: os.environ[PREFIX + name.upper()] for name in names if PREFIX + name.upper() in os.environ
    }
    given |= {name: value for name, value in flags.items() if value is not None and name in names}
    try:
        return TypeAdapter(Settings).validate_python(given)
    except ValidationError as error:
        raise SettingsError(
            "; ".join(f"setting {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        ) from None
