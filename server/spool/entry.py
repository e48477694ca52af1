"""One scan in the spool: its bytes as they came, who writes it, and how it ended.

An entry is a folder with ``stream.mrd`` (the bytes), ``writer.json`` (who receives it, locked for as long as
that process lives) and, at the end, ``outcome.json``. An entry without an outcome whose lock is free was left
by a process that died.
"""

import fcntl
import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from server.spool.patient import patient
from server.spool.room import FULL, SpoolError, SpoolFull, claim

STREAM, WRITER, OUTCOME, DRAFT = "stream.mrd", "writer.json", "outcome.json", "outcome.part"

NEW = ".new-"
"""How the folder of an entry is called until its writer is known."""

REMOVED = ".removed-"
"""How it is called while its files are removed."""

STEP = 64 << 20
"""Bytes of disk that are claimed at once."""

RESERVE = 16 << 10
"""Bytes claimed for the outcome when an entry is made, so that a full disk can still say so."""

Mode = Literal["none", "buffered", "fsync"]
Policy = Literal["refuse", "continue"]


class Unspooled:
    """Stands in for an entry where nothing is kept: mode ``none``, or a full disk under ``continue``."""

    name = ""
    path: Path | None = None
    length = 0

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        """Why nothing is kept; empty when nobody asked for it."""

    @property
    def lost(self) -> bool:
        """Whether bytes that should be kept are not."""
        return bool(self.fault)

    def write(self, view: memoryview) -> None:
        """Keep nothing."""

    def sync(self) -> None:
        """Do nothing."""

    def fileno(self) -> int:
        """-1: there is no file."""
        return -1

    def close(self, outcome: Mapping[str, Any]) -> None:
        """Keep nothing."""

    def discard(self) -> None:
        """Do nothing."""


class Entry:
    """A scan while it is received. What ``write`` has returned for survives the death of every process."""

    def __init__(self, folder: Path, peer: str, mode: Mode, policy: Policy, key: bytes) -> None:
        """Make the entry; it can be seen in ``folder`` from the moment on that its writer is known.

        Raises OSError when it cannot be made.
        """
        self._mode, self._policy, self._key, self._peer = mode, policy, key, peer
        self._begun = datetime.now(UTC)
        self.name = f"{self._begun:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(4)}"
        """UTC time and chance: nothing of the scan."""
        self.length = 0
        """Bytes that were kept so far, which any process can read from ``path``."""
        self.fault = ""
        """Why the bytes behind ``length`` are not kept; empty while all are."""
        self._claimed = 0
        self._closed = False
        self._open: list[int] = []
        draft = folder / f"{NEW}{self.name}"
        draft.mkdir(mode=0o700)
        try:
            self._stream = self._begin(draft)
        except OSError:
            self._release()
            shutil.rmtree(draft, ignore_errors=True)
            raise
        draft.rename(folder / self.name)
        self.path = folder / self.name / STREAM
        if mode == "fsync":
            flush(folder / self.name)
            flush(folder)

    @property
    def lost(self) -> bool:
        """Whether bytes that should be kept are not."""
        return bool(self.fault)

    def fileno(self) -> int:
        """The stream's descriptor, for ``os.pread`` (its position belongs to the writer)."""
        return self._stream

    def write(self, view: memoryview) -> None:
        """Append bytes; they are in the page cache when it returns.

        When the disk takes no more, ``lost`` becomes true, and the bytes behind ``length`` and all later ones
        are not kept; under the policy ``refuse`` this raises SpoolFull or SpoolError, once.
        """
        if self.fault:
            return
        try:
            self._claim(len(view))
            while view:
                count = os.write(self._stream, view)
                self.length += count
                view = view[count:]
        except OSError as error:
            self._lose(error)

    def sync(self) -> None:
        """Bring all bytes to the disk in mode ``fsync``; nothing in the others. Raises as ``write`` does."""
        if self._mode != "fsync" or self.fault:
            return
        try:
            os.fdatasync(self._stream)
        except OSError as error:
            self._lose(error)

    def close(self, outcome: Mapping[str, Any]) -> None:
        """End the entry: with this the outcome is final. A second call does nothing.

        To the outcome come ``name``, ``peer``, ``begun``, ``ended``, ``bytes``, ``kept`` (whether all
        that came is), ``spool`` (the mode, or what was lost) and ``patient`` (the pseudonym, or empty).
        Raises SpoolError when the outcome cannot be written; the entry then counts as interrupted.
        """
        if self._closed:
            return
        self._closed = True
        known = {
            "name": self.name,
            "peer": self._peer,
            "begun": stamp(self._begun),
            "ended": stamp(datetime.now(UTC)),
            "bytes": self.length,
            "kept": not self.fault,
            "spool": self.fault or self._mode,
        }
        try:
            with suppress(OSError):
                os.ftruncate(self._stream, self.length)
            if self._mode == "fsync":
                os.fsync(self._stream)
            conclude(self.path.parent, {**outcome, **known, "patient": patient(self.path, self._key)})
        except OSError as error:
            raise SpoolError(
                f"the outcome of spool entry {self.name} is not kept: {error.strerror}"
            ) from None
        finally:
            self._release()

    def discard(self) -> None:
        """Remove an entry in which no scan began: a probe, a question to the server."""
        if self._closed:
            return
        self._closed = True
        erase(self.path.parent)
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._closed:
            self.close({"state": "failed", "error": "the session ended without an outcome"})

    def _begin(self, draft: Path) -> int:
        """Make and lock the files; the stream's descriptor."""
        writer, reserved = create(draft / WRITER), create(draft / DRAFT)
        self._open += [writer, reserved]
        fcntl.flock(writer, fcntl.LOCK_EX)
        known = {"pid": os.getpid(), "peer": self._peer, "begun": stamp(self._begun)}
        os.write(writer, json.dumps(known).encode())
        claim(reserved, 0, RESERVE)
        stream = create(draft / STREAM)
        self._open.append(stream)
        return stream

    def _claim(self, size: int) -> None:
        """Claim room in steps; where the disk has none for a step, bytes are written while it takes them."""
        if self.length + size <= self._claimed:
            return
        ahead = max(STEP, size)
        try:
            able = claim(self._stream, self.length, ahead)
            self._claimed = self.length + ahead if able else sys.maxsize
        except OSError as error:
            if error.errno not in FULL:
                raise
            os.ftruncate(self._stream, self.length)
            self._claimed = sys.maxsize

    def _lose(self, error: OSError) -> None:
        full = error.errno in FULL
        self.fault = (
            f"full at byte {self.length}" if full else f"failed at byte {self.length}: {error.strerror}"
        )
        if self._policy == "refuse":
            kind = SpoolFull if full else SpoolError
            raise kind(f"the spool is {self.fault}; what follows is not kept") from None

    def _release(self) -> None:
        while self._open:
            os.close(self._open.pop())


def create(file: Path) -> int:
    """Descriptor of a new file that only we may read."""
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)


def conclude(entry: Path, outcome: Mapping[str, Any]) -> None:
    """Write an entry's outcome: all of it or nothing, and on the disk when this returns."""
    text = json.dumps(outcome, indent=1).encode()
    draft = entry / DRAFT
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, text)
        os.ftruncate(descriptor, len(text))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(entry / OUTCOME)
    flush(entry)


def erase(entry: Path) -> None:
    """Remove an entry: at once from every listing, then from the disk."""
    gone = entry.with_name(REMOVED + entry.name)
    with suppress(FileNotFoundError):
        entry.rename(gone)
        shutil.rmtree(gone)


def flush(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stamp(time: datetime) -> str:
    """A UTC time as text."""
    return time.isoformat(timespec="milliseconds")
