"""Objects to an archive by C-STORE: one association for each series; what may pass later is tried again."""

import logging
import socket
import ssl
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from server.dicom.destination import Archive
from server.dicom.outbox import Entry, Outbox

log = logging.getLogger(__name__)

TIMEOUT = 30.0
"""Seconds that an archive may take for an answer."""

PATIENCE = 10.0
"""Seconds that a connection may take."""

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
    """What the status of a C-STORE response means; None when there was no response."""
    if status is None:
        return Verdict("later", "no answer")
    if status == 0 or status & 0xF000 == 0xB000:
        return Verdict("sent", "" if status == 0 else f"warning {status:04X}")
    if status in PERMANENT:
        return Verdict("failed", f"refused: {PERMANENT[status]} ({status:04X})")
    if status & 0xFF00 == 0xA900 or status & 0xF000 == 0xC000:
        return Verdict("failed", f"refused: the object does not fit or is not understood ({status:04X})")
    return Verdict("later", f"not taken now ({status:04X})")


def deliver(outbox: Outbox, archive: Archive) -> None:
    """Try everything that is due for an archive."""
    for series, entries in outbox.due(archive.name).items():
        log.info("series %s: %d objects for %s", series[-12:], len(entries), archive.name)
        _series(outbox, archive, entries)


def echo(archive: Archive) -> str:
    """Ask the archive whether it hears us (C-ECHO): empty, or what is wrong."""
    link, fault = associate(archive, [str(Verification)])
    if link is None:
        return fault.reason
    status = link.send_c_echo()
    link.release()
    return "" if getattr(status, "Status", None) == 0 else "it does not answer C-ECHO"


def associate(archive: Archive, classes: Sequence[str], **options: Any) -> tuple[Any, Verdict]:  # noqa: ANN401
    """An association for these SOP classes, or None and why not."""
    try:
        # pynetdicom 3.0 leaves its socket open where nobody listens
        socket.create_connection((archive.host, archive.port), PATIENCE).close()
    except OSError as error:
        where = f"{archive.host}:{archive.port}"
        return None, Verdict("later", f"{where} cannot be reached: {error.strerror or error}")
    entity = AE(ae_title=archive.own_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = TIMEOUT
    entity.connection_timeout = PATIENCE
    for each in classes:
        entity.add_requested_context(each)
    tls = (_context(archive), archive.host) if archive.tls_ca else None
    link = entity.associate(archive.host, archive.port, ae_title=archive.title, tls_args=tls, **options)
    if link.is_established:
        return link, Verdict("sent", "")
    if link.is_rejected:
        answer = link.acceptor.primitive
        permanent = getattr(answer, "result", 2) == 1
        reason = f"association rejected: {getattr(answer, 'reason_str', '') or 'no reason'}"
        return None, Verdict("failed" if permanent else "later", reason)
    return None, Verdict("later", f"{archive.host}:{archive.port} aborts the association")


def _series(outbox: Outbox, archive: Archive, entries: Sequence[Entry]) -> None:
    link, fault = associate(archive, sorted({each.kind for each in entries}))
    if link is None:
        _settle(outbox, archive, entries, fault)
        return
    try:
        for index, entry in enumerate(entries):
            if not link.is_established:
                _settle(outbox, archive, entries[index:], Verdict("later", "the association broke"))
                return
            _settle(outbox, archive, [entry], _send(link, entry))
    finally:
        if link.is_established:
            link.release()


def _send(link: Any, entry: Entry) -> Verdict:  # noqa: ANN401 - pynetdicom's association
    try:
        answer = link.send_c_store(dcmread(entry.file))
    except FileNotFoundError:
        return Verdict("failed", "its file is gone")
    except ValueError as error:
        return Verdict("failed", f"the archive does not take this kind of object: {error}"[:200])
    except RuntimeError:
        return Verdict("later", "the association broke")
    return verdict(getattr(answer, "Status", None))


def _settle(outbox: Outbox, archive: Archive, entries: Sequence[Entry], found: Verdict) -> None:
    numbers = [each.number for each in entries]
    if found.state == "sent":
        outbox.sent(numbers)
        return
    log.warning("%d objects for %s: %s", len(numbers), archive.name, found.reason)
    if found.state == "failed":
        outbox.fail(numbers, found.reason)
    else:
        outbox.later(numbers, found.reason, archive.attempts)


def _context(archive: Archive) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(archive.tls_ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if archive.tls_cert:
        context.load_cert_chain(archive.tls_cert, archive.tls_key)
    return context
