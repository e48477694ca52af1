"""Objects to an archive by C-STORE: one association for each series; what may pass later is tried again."""

import logging
from collections.abc import Sequence
from typing import Any

from pydicom import dcmread
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from server.dicom.association import associate
from server.dicom.destination import Archive, Worklist
from server.dicom.outbox import Entry, Outbox
from server.dicom.stow import stow
from server.dicom.verdict import Verdict, settle, verdict

log = logging.getLogger(__name__)


def deliver(outbox: Outbox, archive: Archive) -> None:
    """Try everything that is due for an archive."""
    for series, entries in outbox.due(archive.name).items():
        log.info("series %s: %d objects for %s", series[-12:], len(entries), archive.name)
        if archive.url:
            stow(outbox, archive, entries)
        else:
            _series(outbox, archive, entries)


def echo(archive: Archive | Worklist) -> str:
    """Ask the archive whether it hears us (C-ECHO): empty, or what is wrong."""
    link, fault = associate(archive, [str(Verification)])
    if link is None:
        return fault.reason
    status = link.send_c_echo()
    link.release()
    return "" if getattr(status, "Status", None) == 0 else "it does not answer C-ECHO"


def _series(outbox: Outbox, archive: Archive, entries: Sequence[Entry]) -> None:
    link, fault = associate(archive, sorted({each.kind for each in entries}))
    if link is None:
        settle(outbox, archive, entries, fault)
        return
    try:
        for index, entry in enumerate(entries):
            if not link.is_established:
                settle(outbox, archive, entries[index:], Verdict("later", "the association broke"))
                return
            settle(outbox, archive, [entry], _send(link, entry))
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
