"""Whole heart scans through a server end in a real archive, as every kind of object, with the values sent."""

import itertools
import json
import re
from collections import Counter

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from models.simulation.cine.acquire import simulate_cine
from models.simulation.cine.protocol import Cine
from models.simulation.patient import draw
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol
from server.cine import describe_cine, runs
from server.files.header import write_header
from tests.endtoend import orthanc as archives
from tests.endtoend.scans import said, send
from tests.endtoend.spawn import spawned, until
from tests.endtoend.test_archive import STUDY, SUBJECT, counts, valid
from tests.server.dicom.test_companions import CLASSES, _numbers

pytest.importorskip("highdicom")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(archives.ORTHANC is None, reason="Orthanc (Debian's orthanc) is not installed"),
    pytest.mark.timeout(600),
]

STATES, SLICES = 3, 12


def cine():
    """A stack that covers a heart, three moments of its beat: (header XML, readouts), and the simulation."""
    sampling = Sampling(lines=128, slices=SLICES, acceleration=2, reference_lines=24, repetition_time=0.003)
    protocol = Protocol(
        sampling=sampling,
        columns=128,
        coils=2,
        pixel=0.36 / 128,
        thickness=0.008,
        gap=0.002,
        snr=40.0,
        noise_readouts=64,
        dwell=2.5e-6,
        seed=5,
    )
    made = Cine(patient=draw(5, "normal"), scan=protocol, views=32, states=STATES, above=0.77, field=1.5)
    simulation = simulate_cine(made)
    return (write_header(describe_cine(simulation, "cine")), tuple(runs(simulation))), simulation


def fetched(archive):
    """The objects of an archive by kind."""
    made = {}
    for each in archive.get("/instances"):
        found = dcmread(DicomBytesIO(archive.bytes(f"/instances/{each}/file")))
        made.setdefault(CLASSES[found.SOPClassUID], []).append(found)
    return made


def test_a_cine_scan_ends_in_the_archive_as_images_segmentations_numbers_and_documents(tmp_path, archive):
    (xml, items), simulation = cine()
    xml = re.sub("(<measurementInformation>)", SUBJECT + STUDY + r"\1", xml, count=1)
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    more = "commitment = true", f"commitment_port = {archive.answers}"
    with spawned(place, "--settings", archive.settings(place, *more)) as server:
        answer, images = send(server.address, said("cine_function", (xml, items)))
        assert not answer.error
        assert until(lambda: list(counts(place)) == ["committed"], 180), counts(place)
        found = fetched(archive)
        planes = STATES * SLICES
        numbers = {kind: len(each) for kind, each in found.items()}
        assert numbers == {"MR": 3 * planes, "SEG": STATES, "SC": 1, "SR": 1, "PDF": 1}
        valid(list(itertools.chain(*found.values())), place)
        _shows_the_labels(images, found["SEG"])
        _says_the_numbers(images, found["SR"][0], simulation.cine.patient.heart)
        again, _ = send(server.address, said("cine_function", (xml, items)))
        assert not again.error
        assert counts(place) == {"committed": sum(numbers.values())}
        assert len(archive.get("/instances")) == sum(numbers.values())


def _shows_the_labels(images, objects):
    """Each segment has as many pixels as the label images that the console got."""
    from highdicom.seg import Segmentation

    sent = Counter()
    for each in (image for image in images if "ScansideLabels" in image.meta):
        for label in (1, 2, 3):
            sent[label] += int((each.data == label).sum())
    kept = Counter()
    names = set()
    for each in objects:
        read = Segmentation.from_dataset(each)
        names |= {read.get_segment_description(label).segmented_property_type.meaning for label in (1, 2, 3)}
        frames = zip(read.PerFrameFunctionalGroupsSequence, read.pixel_array, strict=True)
        for group, frame in frames:
            kept[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber] += int(frame.sum())
    assert kept == sent
    assert names == {"Left ventricle", "Left Ventricle Myocardium", "Right ventricle"}


def _says_the_numbers(images, made, heart):
    """The structured report has the console's numbers under their codes; they are those of the heart."""
    (report,) = (image for image in images if "ScansideReport" in image.meta)
    told = json.loads(report.meta["ScansideReport"])["measurements"]
    read = sorted((quantity, round(value, 3)) for _, quantity, value, _ in _numbers(made))
    assert len(read) == len(told)
    assert sorted(value for _, value in read) == sorted(round(each["value"], 3) for each in told)
    values = dict(read)
    assert values["8821-1"] == pytest.approx(1e6 * heart.edv, rel=0.2)
    assert values["18087-7"] == pytest.approx(1e3 * heart.mass, rel=0.2)
