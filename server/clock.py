"""Whether this machine's clock can be believed: objects, audit record and outbox are ordered by it."""

import ctypes
import os
import time
from pathlib import Path

TIME_ERROR = 5
"""What adjtimex answers when nothing keeps the clock right (adjtimex(2))."""

AHEAD = 60.0
"""Seconds by which a file may come from the future, by rounding and by other machines' clocks."""

EARLIEST = 1_735_689_600
"""The beginning of 2025 in Unix time: a clock before it was never set."""


def zone() -> tuple[str, bool]:
    """The time zone with its offset, and whether somebody chose it."""
    chosen = "TZ" in os.environ or Path("/etc/localtime").exists()
    offset = time.strftime("%z")
    said = f"{time.tzname[time.localtime().tm_isdst > 0]}, UTC{offset[:3]}:{offset[3:]}"
    return (said, True) if chosen else (f"{said}, which nobody chose: set TZ", False)


def clock(state: Path, now: float | None = None) -> tuple[str, bool]:
    """What the clock says, and whether it is kept right and never ran ahead."""
    now = time.time() if now is None else now
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < EARLIEST:
        return f"{shown}: it was never set", False
    ahead = max((each.stat().st_mtime for each in _files(state)), default=0.0) - now
    if ahead > AHEAD:
        return f"{shown}, but what is kept was written {ahead:.0f} s later: it was set back", False
    kept = synchronised()
    if kept is None:
        return f"{shown}; whether it is kept right cannot be found out here", True
    return (f"{shown}, kept right", True) if kept else (f"{shown}, and nothing keeps it right (NTP)", False)


def synchronised() -> bool | None:
    """Whether the kernel knows that the clock is kept right; None where it cannot be asked."""
    try:
        room = ctypes.create_string_buffer(512)
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(room)
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else answer != TIME_ERROR


def _files(state: Path) -> list[Path]:
    names = ("audit.jsonl", "outbox/outbox.db", "site.key", "qa.jsonl")
    return [state / name for name in names if (state / name).exists()]
