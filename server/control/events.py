"""The events of a session: a fixed set of kinds and fields, so that no identifier can travel with them."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Check = Callable[[object], bool]

LIMIT = 1 << 16
"""The longest event [bytes]; a preview of 128 x 128 pixels fits."""

EDGE = 128
"""The largest width and height of a preview [pixel]."""

ERROR = 1000
"""Characters of an error."""

GADGETS = 64
"""Gadgets of one chain that are shown."""

SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")
"""What a session's id looks like."""

WORD = re.compile(r"[A-Za-z0-9_.:%()\[\]-]{1,80}")

TEMPLATES: Mapping[str, str] = {
    "gadget": "{gadget} warned the console",
    "noise_missing": "the noise scan that the header names is missing",
    "unwhitened": "the scan goes on without prewhitening",
    "no_spool": "the scan is not spooled",
    "spool_full": "the disk of the spool is full",
    "spool_only": "above the limit of {limit} scans: received and spooled, not reconstructed",
    "lag": "the chain is {seconds} s behind the scanner",
    "slow_peer": "the console has read nothing for {seconds} s",
    "replies_full": "the console did not read: {bytes} bytes of replies were dropped",
    "memory": "the worker holds {bytes} bytes, at most {limit} are allowed",
    "time": "the scan has run for {seconds} s, at most {limit} s are allowed",
    "worker_died": "the worker died by signal {signal}",
    "dropped": "{count} items reached the end of the chain and were not sent",
    "parameter": "{count} parameters belong to no gadget of the chain",
}
"""The warnings that there are; their values are numbers, or the name of a gadget."""

STATES = ("waiting", "running", "receiving", "complete", "failed", "cut", "refused", "spooled", "lost")
"""``receiving``: the reconstruction has ended, the reception has not. From ``complete`` on they are final."""


VIEWS = ("kspace", "noise", "trace")
"""Pictures of what comes in; ``server.incoming`` says what they show."""

KINDS = (
    *("protocol", "chain", "data", "model", "access", "bug", "memory"),
    *("connection", "death", "limit", "busy", "gadgets", "stopped", "spool", "console"),
)
"""Kinds of errors: those of the reconstruction, then those that its keeper sees."""


@dataclass(frozen=True)
class Event:
    """One thing that a session said."""

    session: str
    kind: str
    fields: Mapping[str, Any]


def pack(session: str, kind: str, fields: Mapping[str, Any]) -> bytes:
    """The event as JSON on one line.

    Raises ValueError or TypeError for a kind or a field that there is not, or for a value that it may not
    have.
    """
    _check(session, kind, fields)
    data = json.dumps([session, kind, fields], allow_nan=False, separators=(",", ":")).encode()
    if len(data) > LIMIT:
        raise ValueError(f"an event has at most {LIMIT} bytes, got {len(data)}")
    return data


def sayable(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the fields that the kind of event has and that hold what they may; a long error is cut."""
    known = FIELDS.get(kind, {})
    cut = {
        name: value[:ERROR] if name == "error" and isinstance(value, str) else value
        for name, value in fields.items()
    }
    return {name: value for name, value in cut.items() if name in known and known[name](value)}


def unpack(data: bytes) -> Event:
    """The event that ``pack`` wrote.

    Raises ValueError for anything else.
    """
    if len(data) > LIMIT:
        raise ValueError(f"an event has at most {LIMIT} bytes, got {len(data)}")
    try:
        session, kind, fields = json.loads(data)
    except (TypeError, RecursionError):
        raise ValueError("an event is a list of session, kind and fields") from None
    _check(session, kind, fields)
    return Event(session, kind, fields)


def words(template: str, values: Mapping[str, Any]) -> str:
    """A warning's text."""
    return TEMPLATES[template].format_map(values)


def _check(session: object, kind: object, fields: object) -> None:
    if not isinstance(session, str) or not SESSION.fullmatch(session):
        raise ValueError("a session's id is at most 40 letters, digits and hyphens")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise ValueError(f"an event is one of {', '.join(FIELDS)}")
    if not isinstance(fields, Mapping):
        raise TypeError("an event's fields are a mapping")
    known = FIELDS[kind]
    for name, value in fields.items():
        if name not in known or not known[name](value):
            raise ValueError(f"{kind} has no such field or value: {name if name in known else 'unknown'}")
    if kind == "warning":
        _fits(fields)


def _fits(fields: Mapping[str, Any]) -> None:
    """That a warning's values are those of its template."""
    try:
        words(fields["template"], fields.get("values", {}))
    except KeyError:
        raise ValueError("a warning has a known template and all of its values") from None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**60


def _count(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 2**60


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _word(value: object) -> bool:
    return isinstance(value, str) and WORD.fullmatch(value) is not None


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= ERROR


def _values(value: object) -> bool:
    """At most eight named numbers or words."""
    return (
        isinstance(value, Mapping)
        and len(value) <= 8
        and all(_word(name) and (_number(each) or _word(each)) for name, each in value.items())
    )


def _one_of(*known: str) -> Check:
    return lambda value: isinstance(value, str) and value in known


def _limits(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= 64
        and all(_word(name) and (each is None or _number(each)) for name, each in value.items())
    )


GADGET: Mapping[str, Check] = {"name": _word, "seconds": _number, "items": _count, "queue": _count}


def _gadgets(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= GADGETS
        and all(
            isinstance(each, Mapping)
            and each.keys() == GADGET.keys()
            and all(check(each[name]) for name, check in GADGET.items())
            for each in value
        )
    )


def _pixels(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and len(value) <= 4 * (EDGE * EDGE // 3 + 1)


def _numbers(value: object) -> bool:
    return isinstance(value, list) and len(value) <= EDGE and all(_number(each) for each in value)


def _edge(value: object) -> bool:
    return isinstance(value, int) and 0 < value <= EDGE


FIELDS: Mapping[str, Mapping[str, Check]] = {
    "server": {
        "pid": _count,
        "port": _count,
        "since": _number,
        "draining": _flag,
        "ready": _flag,
        "fault": _text,
        "limits": _limits,
        "http": _word,
    },
    "session": {
        "state": _one_of(*STATES),
        "peer": _word,
        "chain": _word,
        "keeper_pid": _count,
        "started": _number,
    },
    "worker": {"worker_pid": _count},
    "progress": {
        "state": _one_of(*STATES[:3]),
        "bytes": _count,
        "readouts": _count,
        "images": _count,
        "lag": _number,
        "gadgets": _gadgets,
    },
    "warning": {"template": _one_of(*TEMPLATES), "values": _values},
    "outcome": {
        "state": _one_of(*STATES[3:]),
        "error": _text,
        "kind": _one_of(*KINDS),
        "bytes": _count,
        "readouts": _count,
        "images": _count,
    },
    "preview": {
        "width": _edge,
        "height": _edge,
        "pixels": _pixels,
        "series": _count,
        "number": _count,
        "slice": _count,
        "low": _number,
        "high": _number,
    },
    "view": {
        "name": _one_of(*VIEWS),
        "width": _edge,
        "height": _edge,
        "pixels": _pixels,
        "low": _number,
        "high": _number,
        "levels": _numbers,
        "marks": _numbers,
    },
}
"""The fields of every kind of event, and what each may hold. Pixels are base64 of one byte each, by rows."""
