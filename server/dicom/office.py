"""The process beside the listener that empties the outbox: a thread for each archive."""

import logging
import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from pydicom import dcmread

from server.dicom.commitment import MOST, ask, listen
from server.dicom.destination import Archive
from server.dicom.outbox import Entry, Outbox
from server.dicom.store import deliver

log = logging.getLogger(__name__)

PERIOD = 0.5
"""Seconds between two looks into the outbox."""

PATIENCE = 30.0
"""Seconds after which an archive that has not confirmed is asked again."""


def work(folder: Path, archives: Sequence[Archive], stop: threading.Event) -> None:
    """Empty the outbox in ``folder`` until told to stop."""
    sweep(folder)
    threads = [
        threading.Thread(target=_serve, args=(folder, each, stop), name=each.name, daemon=True)
        for each in archives
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(5.0)


def sweep(folder: Path) -> None:
    """Remove what workers drafted that were killed: their scans are in the spool."""
    for draft in (folder / "drafts").glob("*"):
        if not Path(f"/proc/{draft.name}").exists():
            shutil.rmtree(draft, ignore_errors=True)


def _serve(folder: Path, archive: Archive, stop: threading.Event) -> None:
    outbox = Outbox(folder)
    answers = listen(outbox, archive) if archive.commitment and archive.commitment_port else None
    asked = 0.0
    try:
        while not stop.wait(PERIOD):
            try:
                if archive.folder:
                    file(outbox, archive)
                    continue
                deliver(outbox, archive)
                asked = _confirm(outbox, archive, asked)
            except OSError as error:
                log.warning("archive %s: %s", archive.name, error)
    finally:
        if answers:
            answers.shutdown()
        outbox.close()


def file(outbox: Outbox, archive: Archive) -> None:
    """Put what is due into the archive's folder, each object whole or not at all."""
    assert archive.folder is not None
    for entries in outbox.due(archive.name).values():
        for entry in entries:
            _place(archive.folder, entry)
            outbox.sent([entry.number])


def _place(folder: Path, entry: Entry) -> None:
    study = str(dcmread(entry.file, stop_before_pixels=True).StudyInstanceUID)
    place = folder / study / entry.series / f"{entry.object}.dcm"
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_suffix(".part")
    shutil.copyfile(entry.file, draft)
    draft.replace(place)


def _confirm(outbox: Outbox, archive: Archive, asked: float) -> float:
    """Ask for commitment to what was sent; when it was last asked."""
    if not archive.commitment:
        return asked
    now = time.time()
    waiting = outbox.uncommitted(archive.name, now)
    fresh = any(each.changed > asked for each in waiting)
    if not waiting or not (fresh or now - asked > PATIENCE):
        return asked
    if fault := ask(outbox, archive, waiting[:MOST]):
        log.warning("archive %s: %s", archive.name, fault)
    return now
