"""The state folder in one file, and back: outbox, audit record, stored measurements, the site's key."""

import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from server import __version__
from server.errors import ScansideError

MANIFEST = "manifest.json"

KEPT = ("site.key", "audit.jsonl", "audit.head", "qa.jsonl", "dependencies", "outbox")
"""What is backed up. The spool is not: it is large, its entries are plain files, and rules remove them."""

PASSING = ("drafts",)
"""Folders of the outbox that hold only what running scans make."""


class UpkeepError(ScansideError):
    """The state cannot be backed up, restored or moved."""


def backup(state: Path, target: Path) -> int:
    """Write what a state folder holds into a file for this user alone; how many files that are.

    A running server may go on: the outbox's table is copied as of one moment. Raises UpkeepError when the
    file is there already, OSError when it cannot be written.
    """
    if target.exists():
        raise UpkeepError(f"{target} is there already")
    draft = target.with_name(target.name + ".part")
    with tempfile.TemporaryDirectory() as scratch:
        files = list(_files(state, Path(scratch)))
        digests: dict[str, str] = {}
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
            with tarfile.open(fileobj=raw, mode="w") as out:
                for name, file in files:
                    _add(out, name, file.read_bytes(), digests)
                manifest = {"scanside": __version__, "files": digests}
                _add(out, MANIFEST, json.dumps(manifest).encode(), {})
            raw.flush()
            os.fsync(raw.fileno())
    draft.replace(target)
    return len(files)


def restore(source: Path, state: Path) -> int:
    """Put a backup into a state folder that holds nothing of it yet; how many files that are.

    All or nothing: every file is compared with its digest first. Raises UpkeepError when something is there
    already, or the backup is damaged.
    """
    there = [name for name in KEPT if (state / name).exists()]
    if there:
        raise UpkeepError(f"{state} holds {', '.join(there)} already: a backup is restored into an empty one")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".restore-", dir=state))
    try:
        names = _unpacked(source, draft)
        for name in KEPT:
            if (draft / name).exists():
                (draft / name).replace(state / name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return len(names)


def _files(state: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Names and files; the table as a copy."""
    table = state / "outbox" / "outbox.db"
    if table.exists():
        import sqlite3
        from contextlib import closing

        from server.dicom.schema import kept

        with closing(sqlite3.connect(table)) as base:
            kept(base, scratch / "outbox.db")
        yield "outbox/outbox.db", scratch / "outbox.db"
    for name in KEPT:
        for file in sorted([state / name] if (state / name).is_file() else (state / name).rglob("*")):
            parts = file.relative_to(state).parts
            if file.is_file() and "outbox.db" not in parts[-1] and not set(PASSING) & set(parts):
                yield file.relative_to(state).as_posix(), file


def _add(out: tarfile.TarFile, name: str, data: bytes, digests: dict[str, str]) -> None:
    head = tarfile.TarInfo(name)
    head.size, head.mode = len(data), 0o600
    out.addfile(head, io.BytesIO(data))
    digests[name] = hashlib.sha256(data).hexdigest()


def _unpacked(source: Path, folder: Path) -> list[str]:
    """The files of a backup, each compared with its digest, written below a folder."""
    try:
        with tarfile.open(source, "r:") as held:
            data = {each.name: _read(held, each) for each in held.getmembers()}
        manifest: dict[str, Any] = json.loads(data.pop(MANIFEST))
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise UpkeepError(f"{source} is no backup: {type(error).__name__}") from None
    found = {name: hashlib.sha256(each).hexdigest() for name, each in data.items()}
    if found != manifest.get("files"):
        raise UpkeepError(f"{source} is damaged: its files are not those that were backed up")
    for name, each in data.items():
        file = folder / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:
            out.write(each)
    return list(data)


def _read(held: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """A plain file of a known name; anything else is none of ours."""
    path = PurePosixPath(member.name)
    known = path.parts[0] in KEPT or member.name == MANIFEST
    if not member.isreg() or path.is_absolute() or ".." in path.parts or not known:
        raise UpkeepError(f"{member.name!r} has no place in a backup")
    file = held.extractfile(member)
    assert file is not None
    return file.read()
