"""What an association that does not come about is called."""

import time

from pynetdicom import evt
from pynetdicom.sop_class import Verification

from server.dicom.association import associate
from server.dicom.destination import Archive
from tests.server.dicom.archive import Scripted


def test_a_refusal_is_one_however_early_it_comes():
    """Also where it is in, and the connection closed, before anybody waits for it."""
    held = [(evt.EVT_REQUESTED, lambda event: time.sleep(0.5))]
    with Scripted().serving() as scripted:
        archive = Archive(name="pacs", host="127.0.0.1", port=scripted.port, title="NOBODY")
        for handlers in ((), held):
            link, found = associate(archive, [str(Verification)], evt_handlers=handlers)
            assert link is None
            assert found.state == "failed"
            assert "Called AE title not recognised" in found.reason
