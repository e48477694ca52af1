"""What an archive's answer means for an object: it has it, it may take it later, it never will."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

from server.dicom.destination import Archive
from server.dicom.outbox import Entry, Outbox

log = logging.getLogger(__name__)

PERMANENT = {
    0x0117: "invalid object instance",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
}
"""Beside the ranges A9xx and Cxxx, statuses after which another attempt is of no use (PS3.4, B.2.3)."""


class Verdict(NamedTuple):
    """What an answer means for an object."""

    state: str
    """``sent``, ``later`` or ``failed``."""

    reason: str


def verdict(status: int | None) -> Verdict:
    """What the status of a C-STORE response, or a failure reason, means; None when there was no response."""
    if status is None:
        return Verdict("later", "no answer")
    if status == 0 or status & 0xF000 == 0xB000:
        return Verdict("sent", "" if status == 0 else f"warning {status:04X}")
    if status in PERMANENT:
        return Verdict("failed", f"refused: {PERMANENT[status]} ({status:04X})")
    if status & 0xFF00 == 0xA900 or status & 0xF000 == 0xC000:
        return Verdict("failed", f"refused: the object does not fit or is not understood ({status:04X})")
    return Verdict("later", f"not taken now ({status:04X})")


def settle(outbox: Outbox, archive: Archive, entries: Sequence[Entry], found: Verdict) -> None:
    """Write down what became of these objects."""
    numbers = [each.number for each in entries]
    if not numbers:
        return
    if found.state == "sent":
        outbox.sent(numbers)
        return
    log.warning("%d objects for %s: %s", len(numbers), archive.name, found.reason)
    if found.state == "failed":
        outbox.fail(numbers, found.reason)
    else:
        outbox.later(numbers, found.reason, archive.attempts)
