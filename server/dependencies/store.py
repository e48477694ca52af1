"""Measurements as small files under pseudonyms, forgotten when they expire."""

import io
import logging
import os
import re
import secrets
import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from server import paths
from server.errors import ScansideError
from server.pseudonym import pseudonym, site_key

log = logging.getLogger(__name__)

Kind: TypeAlias = Literal["noise", "coil", "flow"]
"""What was measured: the noise of the channels, what coil sensitivities are made of, or blood flow."""

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
"""A measurement, as named arrays."""

EXPIRY = 48 * 3600.0
"""Seconds that a measurement is kept by default, as Gadgetron keeps it."""

LARGEST = 64 << 20
"""The largest measurement that is kept, or read again [bytes]."""

MOST = 1000
"""Files that are kept at most; the oldest go first."""

ABANDONED = 3600.0
"""Seconds after which an unfinished file is taken for what a killed process left."""

UNKNOWN = "0" * 16
"""Stands for an identifier that the header did not give."""

NAME = re.compile(
    r"(noise|coil|flow)-([0-9a-f]{16})-([0-9a-f]{16})-([0-9a-f]{16})-([0-9a-f]{16})[0-9a-f]{4}\.npz"
)
"""Kind, measurement, patient and device as pseudonyms, and when it was made [ns], in hexadecimal digits."""

DAMAGED = (OSError, ValueError, EOFError, KeyError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged file can raise."""


@dataclass(frozen=True)
class Owner:
    """Whose measurement it is, and where it was made; empty where the header does not say."""

    patient: str = field(default="", repr=False)
    device: str = field(default="", repr=False)


NOBODY = Owner()
"""An owner of whom nothing is known."""


@dataclass(frozen=True)
class Entry:
    """One file of the store."""

    path: Path
    kind: str
    measurement: str
    owner: tuple[str, str]
    made: int
    """When [ns]."""

    def belongs(self, owner: tuple[str, str]) -> bool:
        """Whether nothing that is known of both owners differs."""
        return all(UNKNOWN in pair or pair[0] == pair[1] for pair in zip(self.owner, owner, strict=True))


@dataclass(frozen=True)
class Found:
    """A measurement out of the store."""

    measurement: str
    """Its pseudonym."""

    age: float
    """Since it was made [s]."""

    same_device: bool
    """Whether it was made on the owner's scanner, as far as both are known."""

    arrays: Arrays = field(repr=False)


@dataclass(frozen=True)
class Store:
    """A folder of measurements that several processes may read and write at once.

    A file is written beside its name and then put there, and is never changed: a reader sees all of it or
    none. The folder is for its owner alone, and so are the files.
    """

    folder: Path
    key: bytes = field(repr=False)
    expiry: float = EXPIRY
    """Seconds after which a measurement is gone."""

    clock: Callable[[], float] = time.time

    def name(self, identifier: str) -> str:
        """The pseudonym of an identifier, which may be shown; empty for an empty one."""
        return pseudonym(identifier, self.key) if identifier else ""

    def put(self, kind: Kind, owner: Owner, measurement_id: str, arrays: Arrays) -> str:
        """Keep a measurement; the answer is its pseudonym.

        Raises ScansideError for an empty measurement id, for more than ``LARGEST`` bytes, and when the disk
        does not take it.
        """
        if not measurement_id:
            raise ScansideError(f"the header has no measurement id: its {kind} measurement cannot be kept")
        raw = _packed(arrays)
        name = "-".join((kind, self.name(measurement_id), *self._masked(owner), self._stamp()))
        try:
            self._write(f"{name}.npz", raw)
            self.sweep()
        except OSError as error:
            raise ScansideError(f"the {kind} measurement could not be kept: {error.strerror}") from None
        return self.name(measurement_id)

    def latest(self, kind: Kind, owner: Owner, measurement_id: str) -> dict[str, NDArray[Any]] | None:
        """The newest measurement of this id that has not expired; None when there is none.

        Patient and device only guard: where both scans have one and they differ, it is another's.
        """
        if not measurement_id:
            return None
        wanted, masked = self.name(measurement_id), self._masked(owner)
        found = [each for each in self._entries() if (each.kind, each.measurement) == (kind, wanted)]
        for entry in sorted(found, key=lambda each: each.made, reverse=True):
            if not entry.belongs(masked):
                log.warning("%s measurement %s is kept, but of another patient or device", kind, wanted)
            elif not self._expired(entry) and (arrays := _read(entry.path)) is not None:
                return arrays
        return None

    def of_patient(self, kind: Kind, owner: Owner) -> Iterator[Found]:
        """The patient's measurements of a kind that have not expired, the newest first.

        Nothing is found without a patient id, and nothing that was kept without one: here it is what finds.
        """
        patient, device = self._masked(owner)
        if patient == UNKNOWN:
            return
        own = [e for e in self._entries() if e.kind == kind and e.owner[0] == patient]
        for entry in sorted(own, key=lambda each: each.made, reverse=True):
            if not self._expired(entry) and (arrays := _read(entry.path)) is not None:
                age = max(0.0, self.clock() - entry.made / 1e9)
                yield Found(entry.measurement, age, entry.belongs((patient, device)), arrays)

    def sweep(self) -> None:
        """Remove what has expired, what is too much, and what a killed process left unfinished."""
        entries = sorted(self._entries(), key=lambda entry: entry.made)
        surplus = len(entries) - MOST
        for index, entry in enumerate(entries):
            if index < surplus or self._expired(entry):
                entry.path.unlink(missing_ok=True)
        for draft in self.folder.glob(".draft-*"):
            try:
                if time.time() - draft.stat().st_mtime > ABANDONED:
                    draft.unlink()
            except FileNotFoundError:
                continue

    def _entries(self) -> Iterator[Entry]:
        for path in self.folder.glob("*.npz"):
            if met := NAME.fullmatch(path.name):
                kind, measurement, patient, device, made = met.groups()
                yield Entry(path, kind, measurement, (patient, device), int(made, 16))

    def _expired(self, entry: Entry) -> bool:
        """Too old; or from a future that only a clock set back explains."""
        return abs(self.clock() - entry.made / 1e9) > self.expiry

    def _masked(self, owner: Owner) -> tuple[str, str]:
        return self.name(owner.patient) or UNKNOWN, self.name(owner.device) or UNKNOWN

    def _stamp(self) -> str:
        return f"{int(self.clock() * 1e9):016x}{secrets.token_hex(2)}"

    def _write(self, name: str, raw: bytes) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        draft = self.folder / f".draft-{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.folder / name)
        finally:
            draft.unlink(missing_ok=True)


def site_store(expiry: float = EXPIRY) -> Store:
    """The store in the state folder, under the site's key."""
    return Store(paths.state() / "dependencies", site_key(), expiry)


def _packed(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    raw = file.getvalue()
    if len(raw) > LARGEST:
        raise ScansideError(f"a measurement of {len(raw)} bytes is not kept, expected at most {LARGEST}")
    return raw


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays of a file; None when it is gone, or damaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                raise ValueError("no file of a measurement")
            return dict(_members(zipfile.ZipFile(file)))
    except FileNotFoundError:
        return None
    except DAMAGED as error:
        log.warning("measurement %s is damaged (%s) and is not used", path.name, type(error).__name__)
        return None


def _members(archive: zipfile.ZipFile) -> Iterator[tuple[str, NDArray[Any]]]:
    members = archive.infolist()
    if sum(member.file_size for member in members) > LARGEST:
        raise ValueError("more than a measurement holds")
    for member in members:
        yield (
            member.filename.removesuffix(".npy"),
            np.lib.format.read_array(io.BytesIO(archive.read(member)), allow_pickle=False),
        )
