"""What a header lacks comes from the only entry of the worklist that fits, or the scan is refused."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityWorklistInformationFind

from server.dicom.archiving import Archiving, Wanted
from server.dicom.destination import Worklist
from server.dicom.identity import Identity
from server.dicom.outbox import Outbox
from server.dicom.sink import Sink
from server.dicom.worklist import resolved
from server.errors import DicomError
from tests.server.dicom.test_objects import image, noise, source

HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><subjectInformation><patientID>P1</patientID>
</subjectInformation></ismrmrdHeader>"""


def entry(**changes):
    made = Dataset()
    made.PatientID, made.AccessionNumber, made.StudyInstanceUID = "P1", "A7", "1.2.3.7"
    made.PatientName, made.PatientBirthDate, made.PatientSex = "Doe^Jane", "19700101", "F"
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@contextmanager
def serving(*entries):
    """A worklist that answers every query with these; what was asked stands in ``asked``."""
    asked = []

    def find(event):
        asked.append(event.identifier)
        yield from ((0xFF00, each) for each in entries)

    entity = AE(ae_title="WORKLIST")
    entity.require_called_aet = True
    entity.add_supported_context(ModalityWorklistInformationFind)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    try:
        yield Worklist(host="127.0.0.1", port=server.server_address[1]), asked
    finally:
        server.shutdown()


WHO = Identity(patient_id="P1")


def test_the_only_entry_that_fits_says_what_the_header_lacks():
    with serving(entry(), entry(PatientID="P2")) as (worklist, asked):
        found = resolved(WHO, worklist)
    assert (found.study_uid, found.accession, found.patient_name) == ("1.2.3.7", "A7", "Doe^Jane")
    assert found.lacking == ()
    assert (asked[0].PatientID, asked[0].ScheduledProcedureStepSequence[0].Modality) == ("P1", "MR")


@pytest.mark.parametrize(
    ("entries", "who", "reason"),
    [
        ((), WHO, "0 entries"),
        ((entry(), entry(AccessionNumber="A8")), WHO, "2 entries"),
        ((entry(PatientBirthDate="19800101"),), replace(WHO, birth_date="19700101"), "PatientBirthDate"),
        ((entry(AccessionNumber=""),), WHO, "no AccessionNumber"),
        ((entry(),), Identity(), "neither"),
    ],
)
def test_anything_else_is_refused_with_the_reason(entries, who, reason):
    with serving(*entries) as (worklist, _), pytest.raises(DicomError, match=reason) as caught:
        resolved(who, worklist)
    assert "P1" not in str(caught.value)


def test_a_scan_that_the_worklist_knows_reaches_the_archive_and_another_is_refused(tmp_path):
    wanted = [Wanted(name="pacs", identified=True)]
    with serving(entry()) as (worklist, _):
        archiving = Archiving(folder=tmp_path, wanted=wanted, session="s", worklist=worklist)
        sink = Sink(archiving, source().scan, HEADER, "Fourier()")
        sink.begin()
        sink.take(image(noise(1, 1, 8, 8)))
        assert sink.finish() == 1
    told = []
    sink = Sink(archiving, source().scan, HEADER, "Fourier()")
    sink.tell = told.append
    sink.begin()
    sink.take(image(noise(1, 1, 8, 8)))
    assert sink.finish() == 0
    assert "no StudyInstanceUID, AccessionNumber" in told[0]
    assert "cannot be reached" in told[0]
    assert len(Outbox(tmp_path).entries()) == 1
