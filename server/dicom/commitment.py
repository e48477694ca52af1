"""Storage commitment: the archive says that it will keep what it got; what it lost is sent again."""

import logging
from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from server.dicom.association import answering, associate
from server.dicom.destination import Archive
from server.dicom.outbox import Entry, Outbox
from server.dicom.uids import uid

log = logging.getLogger(__name__)

INSTANCE = "1.2.840.10008.1.20.1.1"
"""The well-known instance that is asked (PS3.4, J.3.5)."""

MOST = 500
"""Objects in one request."""


def ask(outbox: Outbox, archive: Archive, entries: Sequence[Entry]) -> str:
    """Ask for commitment to these objects; empty, or what is wrong. The answer comes as an event."""
    handlers = [(evt.EVT_N_EVENT_REPORT, _answered, [outbox.folder, archive])]
    link, fault = associate(archive, [str(StorageCommitmentPushModel)], evt_handlers=handlers)
    if link is None:
        return fault.reason
    try:
        status, _ = link.send_n_action(_request(entries), 1, StorageCommitmentPushModel, INSTANCE)
        return "" if getattr(status, "Status", None) == 0 else "the archive refuses storage commitment"
    except (ValueError, RuntimeError) as error:
        return f"storage commitment cannot be asked for: {error}"[:200]
    finally:
        if link.is_established:
            link.release()


def listen(outbox: Outbox, archive: Archive, host: str = "127.0.0.1") -> Any:  # noqa: ANN401 - pynetdicom's
    """A server for answers that come on connections of their own; ``shutdown()`` ends it."""
    entity = AE(ae_title=archive.own_title)
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    entity.require_called_aet = True
    return entity.start_server(
        (host, archive.commitment_port),
        block=False,
        ssl_context=answering(archive),
        evt_handlers=[(evt.EVT_N_EVENT_REPORT, _answered, [outbox.folder, archive])],
    )


def _request(entries: Sequence[Entry]) -> Dataset:
    request = Dataset()
    request.TransactionUID = uid("commitment", *(each.number for each in entries), entries[0].changed)
    request.ReferencedSOPSequence = [_reference(each) for each in entries]
    return request


def _reference(entry: Entry) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = entry.kind, entry.object
    return item


def _answered(event: Any, folder: Any, archive: Archive) -> tuple[int, None]:  # noqa: ANN401 - pynetdicom's
    """Write down what the archive says; runs in a thread of pynetdicom's."""
    said = event.event_information
    kept = [str(each.ReferencedSOPInstanceUID) for each in said.get("ReferencedSOPSequence", ())]
    lost = [str(each.ReferencedSOPInstanceUID) for each in said.get("FailedSOPSequence", ())]
    outbox = Outbox(folder)
    try:
        outbox.committed(archive.name, kept)
        outbox.missing(archive.name, lost, "the archive does not have it", archive.attempts)
    finally:
        outbox.close()
    if lost:
        log.warning("%s does not have %d objects that it took: they are sent again", archive.name, len(lost))
    return 0x0000, None
