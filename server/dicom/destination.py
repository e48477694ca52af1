"""Where objects go, and where identities come from; ``[[archives]]`` and ``[worklist]`` in the settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

Title = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f]+$")]
"""An application entity's title."""

Port = Annotated[int, Field(ge=1, le=65535)]


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One destination of all images of every scan."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    """What it is called in lists and logs."""

    folder: Path | None = None
    """Write the objects there, as STUDY/SERIES/OBJECT.dcm by their UIDs; then nothing is sent."""

    url: str = ""
    """Send them by DICOMweb (STOW-RS) to this address, `https://pacs.site/dicom-web`."""

    authorization: Path | None = None
    """A file with the Authorization header for it, for this user alone to read."""

    host: str = ""
    """Send them by C-STORE: where it listens."""

    port: Port = 104
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

    deidentify: bool = False
    """It gets objects without identity (PS3.15, basic profile), patients and UIDs named by the site's key."""

    chains: tuple[str, ...] = ()
    """It gets the images of these chains only, `["perfusion"]`; none: of every chain."""

    attempts: Annotated[int, Field(ge=1)] = 30
    """How often an object is tried before it counts as expired."""

    def __post_init__(self) -> None:
        """Refuse an entry that names no place or two, or asks for what there is not."""
        if sum(map(bool, (self.folder, self.url, self.host))) != 1:
            raise ValueError(f"archive {self.name!r} needs a folder, a url or a host, and only one of them")
        if self.commitment and not self.host:
            raise ValueError(f"archive {self.name!r}: storage commitment needs a host")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"archive {self.name!r}: the url must begin with http:// or https://")

    @property
    def identified(self) -> bool:
        """It takes only objects that belong to a patient and a study."""
        return self.folder is None and not self.deidentify


@dataclass(frozen=True, kw_only=True)
class Worklist:
    """A modality worklist (C-FIND), which knows what a scan's header does not say."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    host: str
    """Where it listens."""

    port: Port = 104
    """On which port."""

    title: Title = "WORKLIST"
    """Its application entity title."""

    own_title: Title = "SCANSIDE"
    """Ours, as it knows us."""

    tls_ca: Path | None = None
    """Authority of its certificate; with it the connection is under TLS."""

    tls_cert: Path | None = None
    """Our own certificate, where it wants to know who we are."""

    tls_key: Path | None = None
    """Its key; in the certificate's file when None."""

    patience: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Seconds that it may take to answer; later images of the scan wait so long."""
