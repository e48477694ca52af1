"""Where objects go: an archive that takes them by C-STORE, or a folder; ``[[archives]]`` in the settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

Title = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f]+$")]
"""An application entity's title."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One destination of all images of every scan."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    """What it is called in lists and logs."""

    folder: Path | None = None
    """Write the objects there, as STUDY/SERIES/OBJECT.dcm by their UIDs; then nothing is sent."""

    host: str = ""
    """Where it listens."""

    port: Annotated[int, Field(ge=1, le=65535)] = 104
    """On which port."""

    title: Title = "ARCHIVE"
    """Its application entity title."""

    own_title: Title = "SCANSIDE"
    """Ours, as it knows us."""

    commitment: bool = False
    """Ask it to confirm that it will keep what it got (storage commitment)."""

    commitment_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where it answers, on our host; 0: on the connection that asked."""

    tls_ca: Path | None = None
    """Authority of its certificate; with it the connection is under TLS."""

    tls_cert: Path | None = None
    """Our own certificate, where it wants to know who we are."""

    tls_key: Path | None = None
    """Its key; in the certificate's file when None."""

    attempts: Annotated[int, Field(ge=1)] = 30
    """How often an object is tried before it counts as expired."""

    def __post_init__(self) -> None:
        """Refuse an entry that names no place, or two."""
        if (self.folder is None) == (not self.host):
            raise ValueError(f"archive {self.name!r} needs a folder or a host, and not both")
