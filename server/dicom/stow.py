"""Objects to an archive by DICOMweb: STOW-RS (PS3.18, 10.5), a request for each few objects of a series."""

import http.client
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from server.dicom.association import context
from server.dicom.destination import Archive
from server.dicom.outbox import Entry, Outbox
from server.dicom.verdict import Verdict, settle, verdict
from server.errors import ScansideError

PATIENCE = 30.0
"""Seconds that an archive may take for an answer."""

MOST = 32 << 20
"""Bytes of objects in one request, unless one alone is larger."""

LATER = {408, 425, 429, 500, 502, 503, 504}
"""Answers after which the same request may pass."""

JSON = "application/dicom+json"


def stow(outbox: Outbox, archive: Archive, entries: Sequence[Entry]) -> None:
    """Send the objects of one series."""
    for some in _portions(entries):
        there = [each for each in some if each.file.exists()]
        settle(outbox, archive, [e for e in some if e not in there], Verdict("failed", "its file is gone"))
        if not there:
            continue
        for entry, found in zip(there, _posted(archive, there), strict=True):
            settle(outbox, archive, [entry], found)


def _portions(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    held: list[Entry] = []
    size = 0
    for each in entries:
        more = each.file.stat().st_size if each.file.exists() else 0
        if held and size + more > MOST:
            yield held
            held, size = [], 0
        held.append(each)
        size += more
    if held:
        yield held


def _posted(archive: Archive, entries: Sequence[Entry]) -> list[Verdict]:
    place = urlsplit(archive.url)
    boundary = uuid.uuid4().hex
    body = _body([each.file for each in entries], boundary)
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    link: http.client.HTTPConnection | None = None
    try:
        link = _link(archive, place)
        headers = {"Content-Type": kind, "Accept": JSON, **_authorization(archive)}
        link.request("POST", place.path.rstrip("/") + "/studies", body, headers)
        answer = link.getresponse()
        return _verdicts(entries, answer.status, answer.read(8 << 20))
    except (OSError, http.client.HTTPException, ScansideError) as error:
        return [Verdict("later", f"{place.netloc} cannot be reached: {error}"[:200])] * len(entries)
    finally:
        if link:
            link.close()


def _link(archive: Archive, place: SplitResult) -> http.client.HTTPConnection:
    host = str(place.hostname)
    if place.scheme == "https":
        return http.client.HTTPSConnection(host, place.port, timeout=PATIENCE, context=context(archive))
    return http.client.HTTPConnection(host, place.port, timeout=PATIENCE)


def _authorization(archive: Archive) -> dict[str, str]:
    return {"Authorization": archive.authorization.read_text().strip()} if archive.authorization else {}


def _body(files: Sequence[Path], boundary: str) -> bytes:
    parts = []
    for each in files:
        parts.append(f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode())
        parts += [each.read_bytes(), b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _verdicts(entries: Sequence[Entry], status: int, body: bytes) -> list[Verdict]:
    """What became of each object: what the answer lists as failed has, by its reason; else by the status.

    An answer that stored some (202) or none (409) says which, and why (PS3.18, table 10.5.3-2).
    """
    if status in LATER:
        return [Verdict("later", f"not taken now (HTTP {status})")] * len(entries)
    failed = _failed(body) if status in (200, 202, 409) else {}
    rest = Verdict("sent", "") if status in (200, 202) else Verdict("failed", f"refused (HTTP {status})")
    return [failed.get(each.object, rest) for each in entries]


def _failed(body: bytes) -> dict[str, Verdict]:
    try:
        said = json.loads(body or b"{}")
    except ValueError:
        return {}
    said = said[0] if isinstance(said, list) and said else said
    items = said.get("00081198", {}).get("Value", []) if isinstance(said, dict) else []
    return {_value(each, "00081155"): verdict(_number(_value(each, "00081197"))) for each in items}


def _value(item: Mapping[str, Any], tag: str) -> str:
    values = item.get(tag, {}).get("Value", [""])
    return str(values[0]) if values else ""


def _number(text: str) -> int:
    """A failure reason; what is none counts as a refusal for good, so that it is seen."""
    return int(text) if text.isdigit() else 0xC000
