"""What the operator says about single scanners: who they are, and what they may do."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict

from server.wire.kinds import Kind


def _listed(value: object, mark: str) -> object:
    """A list that was written as one text, as in an environment variable."""
    return [each.strip() for each in value.split(mark) if each.strip()] if isinstance(value, str) else value


def _kind(value: object) -> object:
    return Kind[value.upper()] if isinstance(value, str) and value.upper() in Kind.__members__ else value


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Networks = Annotated[tuple[Network, ...], BeforeValidator(lambda value: _listed(value, ","))]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: _listed(value, ","))]
Folders = Annotated[tuple[Path, ...], BeforeValidator(lambda value: _listed(value, os.pathsep))]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One scanner, or some of a kind; ``[[peers]]`` in the settings. What is None is as for anyone."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    addresses: Networks = ()
    """Where it connects from; none: from anywhere."""

    subject: Mapping[str, str] = field(default_factory=dict)
    """What the subject of its certificate holds: ``{commonName = "scanner-1"}``; needs mutual TLS."""

    nul: bool | None = None
    """Write strings with a trailing NUL, as FIRE does."""

    prefix: bool | None = None
    """Begin texts with their level, padded to eight characters, as FIRE colours them."""

    kinds: tuple[Annotated[Kind, BeforeValidator(_kind)], ...] | None = None
    """The messages that it bears: ``["IMAGE", "TEXT", "RESPONSE", "CLOSE"]`` by default."""

    chains: Names | None = None
    """The chains that it may name; every one by default."""

    config_text: bool | None = None
    """Whether it may write chains out."""

    def __post_init__(self) -> None:
        """Refuse an entry that fits everybody."""
        if not self.addresses and not self.subject:
            raise ValueError(
                "a peer is known by its addresses, by the subject of its certificate, or by both"
            )
