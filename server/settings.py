"""The server's settings: by flag, environment variable, file, default, in this order."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from server import paths
from server.dicom.destination import Archive, Worklist
from server.errors import ScansideError
from server.external.programs import Programs
from server.peers import Folders, Networks, Peer
from server.wire.kinds import Limits, Profile

PREFIX = "SCANSIDE_"


class SettingsError(ScansideError):
    """A setting is unknown or has no valid value."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the server listens and what it bears."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    """The address to listen on."""

    port: Annotated[int, Field(ge=0, le=65535)] = 9002
    """The port to listen on; 0 picks a free one."""

    http: bool = True
    """Answer ``/livez``, ``/readyz`` and ``/metrics`` over HTTP; ``scanside status`` says where."""

    http_host: str = "127.0.0.1"
    """The address for these; beyond loopback with ``allow``, which holds for them too, or ``insecure``."""

    http_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """The port for these; 0 picks a free one."""

    traces: Annotated[str, Field(pattern=r"^(https?://.+)?$")] = ""
    """Where a trace of each scan goes (OpenTelemetry), `http://127.0.0.1:4318/v1/traces`; with `http`."""

    log: Literal["text", "json"] = "text"
    """How log lines are written: as text, or as one JSON object each."""

    insecure: bool = False
    """Listen beyond loopback although anyone there may connect."""

    allow: Networks = ()
    """Networks from which peers may connect, ``["10.1.0.0/16"]``; none: everyone who reaches the port."""

    tls_cert: Path | None = None
    """The server's certificate (PEM); with it every connection is under TLS 1.2 or newer."""

    tls_key: Path | None = None
    """Its key, for this user alone to read; in the certificate's file when None."""

    tls_ca: Path | None = None
    """Authorities of which every peer must have a certificate (mutual TLS)."""

    peers: tuple[Peer, ...] = ()
    """What single scanners may do; the first entry that fits counts."""

    strangers: bool = True
    """Peers without an entry are admitted."""

    config_text: bool = True
    """Peers may write chains out, where their entry does not say otherwise."""

    plugins: Folders = ()
    """Folders of modules with gadgets of this site; nobody else may be able to write there."""

    configs: Folders = ()
    """Folders of this site's chains; they come before the installed ones of the same name."""

    sessions: int = 16
    """Scans at the same time; one more is received and spooled only, and its peer is told."""

    threads: int = 0
    """Threads of one operation; 0: one for each core."""

    idle: float = 300.0
    """Seconds without a byte before a session is given up."""

    memory: int = 8 << 30
    """Memory that one scan's worker may have [bytes]; 0: no limit."""

    wall: float = 4 * 3600.0
    """Seconds that one scan may take in all."""

    finish: float = 600.0
    """Seconds that the reconstruction may take behind the scan's end, its wait for a worker included."""

    grace: float = 60.0
    """Seconds that running scans have when the server is told to stop."""

    patience: float = 300.0
    """Seconds after which a peer is given up that takes none of its last replies."""

    replies: int = 2 << 30
    """Bytes of replies that may wait for a peer that does not read, most of them on the disk."""

    external: Programs = ()
    """Programs that chains may use as a step, ``[[external]]``; from the environment as JSON."""

    expiry: float = 48 * 3600.0
    """Seconds that noise, coil measurements and flow are kept for the scans that depend on them."""

    nul: bool = False
    """Write strings with a trailing NUL, as FIRE does."""

    spool: Path = field(default_factory=paths.spool)
    """The folder in which every received byte is kept."""

    spool_mode: Literal["none", "buffered", "fsync"] = "buffered"
    """``buffered`` survives the death of every process, ``fsync`` a power cut up to the last trigger."""

    spool_full: Literal["refuse", "continue"] = "refuse"
    """What a disk without room means: no new scans, or scans that are not kept; said aloud either way."""

    spool_room: int = 1 << 30
    """Below so many free bytes no entry begins."""

    spool_days: float | None = None
    """Spooled scans that succeeded are removed after so many days."""

    spool_size: int | None = 50 << 30
    """The oldest that succeeded are removed when the spool holds more bytes than this."""

    spool_keep_failed: bool = True
    """Scans that did not succeed are never removed by themselves."""

    archives: tuple[Archive, ...] = ()
    """Where images go beside the scanner; none: to the scanner only."""

    worklist: Worklist | None = None
    """The modality worklist that is asked for what a header lacks of patient and study; none: nobody is."""

    limits: Limits = field(default_factory=Limits)
    """The largest messages that are believed [bytes], by kind."""

    @property
    def profile(self) -> Profile:
        """How peers are spoken to."""
        return Profile(nul=self.nul, prefix=self.nul)


def sources(flags: Mapping[str, Any], file: Path | None = None) -> dict[str, tuple[str, Any]]:
    """Where each setting that was given comes from, and its raw value; the last source that has it counts.

    ``flags`` with the value None were not given.
    """
    names = {each.name for each in fields(Settings)}
    given: dict[str, tuple[str, Any]] = {}
    if file is not None:
        given |= {name: (str(file), value) for name, value in tomllib.loads(file.read_text()).items()}
    for name in names:
        variable = PREFIX + name.upper()
        if variable in os.environ:
            given[name] = (variable, os.environ[variable])
        if flags.get(name) is not None:
            given[name] = ("flag", flags[name])
    return given


def read_settings(flags: Mapping[str, Any], file: Path | None = None) -> Settings:
    """The effective settings.

    Raises SettingsError for an unknown name or a wrong value.
    """
    given = {name: value for name, (_, value) in sources(flags, file).items()}
    try:
        return TypeAdapter(Settings).validate_python(given)
    except ValidationError as error:
        raise SettingsError(
            "; ".join(f"setting {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        ) from None
