"""Who did what on this server: an append-only file of lines, each with the digest of the one before.

A byte that changes, a line that goes or comes between breaks the chain. Lines at the end could be cut off by
somebody who also writes ``audit.head``, the last digest: note it elsewhere, ``verify`` compares.
"""

import fcntl
import hashlib
import json
import logging
import os
import pwd
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from server import paths
from server.errors import ScansideError

log = logging.getLogger(__name__)

NAME, HEAD = "audit.jsonl", "audit.head"

BEGINNING = "0" * 64
"""Stands for the digest before the first line."""


class AuditError(ScansideError):
    """The record of who did what has been changed."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A record that is whole."""

    lines: int
    head: str
    """Digest of the last line."""


def record(did: str, who: str = "", folder: Path | None = None, **facts: Any) -> None:  # noqa: ANN401 - JSON
    """Add a line, on the disk when this returns. ``facts`` hold no identifier of a patient.

    ``did``: a word such as ``viewed``, ``re-ran``, ``exported``, ``changed``; ``who``: the user of this
    process when empty. Several processes may record at once. Raises OSError when it cannot be written.
    """
    with _held(folder or paths.state()) as (file, place):
        before, number, torn = _end(file)
        body = {
            "number": number + 1,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "who": who or person(),
            "did": did,
            "facts": facts | ({"torn_bytes_removed": torn} if torn else {}),
            "before": before,
        }
        digest = _digest(body)
        file.write(_line(body | {"hash": digest}))
        file.flush()
        os.fsync(file.fileno())
        _mark(place, number + 1, digest)


def note(did: str, **facts: Any) -> None:  # noqa: ANN401 - JSON
    """Record what a command did; a disk that is full keeps nobody from making room, and is said."""
    try:
        record(did, **facts)
    except OSError as error:
        log.warning("the audit record cannot be written: %s", error)


def begun(version: str, settings: Mapping[str, object]) -> None:
    """Record that a server begins, and which settings differ from those of the last that did."""
    digests = {name: hashlib.sha256(repr(value).encode()).hexdigest()[:8] for name, value in settings.items()}
    last = next((each["facts"] for each in reversed(list(lines())) if each["did"] == "started"), None)
    before = last["settings"] if last else digests
    changed = sorted(name for name in digests if digests[name] != before.get(name))
    if changed:
        note("changed", settings=changed)
    note("started", version=version, settings=digests)


def person() -> str:
    """The user of this process, as the machine knows them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def lines(folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """What was recorded, oldest first, unverified."""
    file = (folder or paths.state()) / NAME
    if file.exists():
        with file.open("rb") as held:
            yield from (json.loads(each) for each in held if each.endswith(b"\n"))


def verify(folder: Path | None = None, head: str = "") -> Chain:
    """Check every line; ``head``: a digest noted earlier, which must be one of them.

    Raises AuditError that names the first line that is not as it was written, or says what is missing.
    """
    place = folder or paths.state()
    before, number, known = BEGINNING, 0, {BEGINNING}
    for number, line in enumerate(_raw(place / NAME), start=1):
        before = _checked(line, number, before)
        known.add(before)
    marked = _marked(place)
    for digest, where in ((marked, HEAD), (head, "the digest that was noted")):
        if digest and digest not in known:
            raise AuditError(f"the audit record ends after line {number}, {where} names a line that is gone")
    return Chain(lines=number, head=before)


def _raw(file: Path) -> Iterator[bytes]:
    if file.exists():
        with file.open("rb") as held:
            yield from held


def _checked(line: bytes, number: int, before: str) -> str:
    """The digest of a line that is whole and follows the one before."""
    try:
        body = json.loads(line)
        digest = body.pop("hash")
    except (ValueError, KeyError, AttributeError):
        raise AuditError(f"line {number} of the audit record is no entry") from None
    whole = line == _line(body | {"hash": digest}) and digest == _digest(body)
    if not whole or body.get("before") != before or body.get("number") != number:
        raise AuditError(f"line {number} of the audit record is not as it was written")
    return str(digest)


@contextmanager
def _held(place: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """The file, ours alone for a moment."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(place / NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file, place


def _end(file: BinaryIO) -> tuple[str, int, int]:
    """Digest and number of the last line, and how many bytes of an unfinished one were removed."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return BEGINNING, 0, 0
    step = min(size, 1 << 20)
    file.seek(size - step)
    tail = file.read(step)
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn:
        file.truncate(size - torn)
    whole = tail[: len(tail) - torn].splitlines()
    if not whole:
        return BEGINNING, 0, torn
    last = json.loads(whole[-1])
    return str(last["hash"]), int(last["number"]), torn


def _mark(place: Path, number: int, digest: str) -> None:
    draft = place / f"{HEAD}.part"
    draft.write_text(f"{number} {digest}\n")
    draft.replace(place / HEAD)


def _marked(place: Path) -> str:
    file = place / HEAD
    words = file.read_text().split() if file.exists() else []
    return words[1] if len(words) == 2 else ""


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(_line(body)).hexdigest()


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n"
