import dataclasses

import ismrmrd.xsd
import pytest

from gadgets.scan import Encoding, Limit, Scan, Sequence, Space
from server.files.header import write_header
from server.wire.header import read_header

SCAN = Scan(
    encodings=(
        Encoding(
            encoded=Space(matrix=(512, 192, 1), fov=(0.6, 0.3, 0.005)),
            recon=Space(matrix=(256, 256, 1), fov=(0.3, 0.3, 0.005)),
            limits={"kspace_encode_step_1": Limit(maximum=191, center=96), "slice": Limit(maximum=3)},
            acceleration=(3, 1),
            calibration="interleaved",
            interleaving="repetition",
        ),
    ),
    sequence=Sequence(repetition_time=(0.005,), echo_time=(0.0025,), flip_angle=(0.25,)),
    noise_bandwidth=0.79,
    coil_labels=("a", "b"),
    field_strength=3.0,
    patient_position="FFP",
    protocol="head & <neck>",
    measurement_id="7",
    dependencies=(("Noise", "6"),),
    parameters={"EmbeddedRefLinesE1": 24, "gain": 0.5, "mode": "x"},
)


def test_what_is_written_is_read_back():
    found = read_header(write_header(SCAN))
    assert found.encodings[0].limits == SCAN.encodings[0].limits
    for name in ("noise_bandwidth", "coil_labels", "field_strength", "patient_position", "protocol"):
        assert getattr(found, name) == getattr(SCAN, name)
    assert (found.measurement_id, found.dependencies) == ("7", (("Noise", "6"),))
    assert found.parameters == SCAN.parameters
    assert found.encodings[0].encoded.fov == pytest.approx((0.6, 0.3, 0.005))
    assert found.sequence.repetition_time == pytest.approx((0.005,))
    assert found.sequence.flip_angle == pytest.approx((0.25,))
    assert (found.encodings[0].acceleration, found.encodings[0].interleaving) == ((3, 1), "repetition")


def test_the_ismrmrd_library_accepts_it():
    header = ismrmrd.xsd.CreateFromDocument(write_header(SCAN))
    assert header.encoding[0].encodedSpace.fieldOfView_mm.x == pytest.approx(600)
    assert header.experimentalConditions.H1resonanceFrequency_Hz == 127732436


def test_an_empty_scan_is_a_header_too():
    assert (
        read_header(write_header(dataclasses.replace(SCAN, parameters={}, coil_labels=()))).parameters == {}
    )
    assert read_header(write_header(Scan())).encodings == ()


def test_an_invented_patient_has_all_that_an_archive_asks_for():
    from server.dicom.identity import identity

    found = identity(write_header(Scan(), "P1"))
    assert (found.patient_id, found.lacking) == ("P1", ())
    assert found.study_uid == identity(write_header(Scan(), "P1")).study_uid
    assert found.study_uid != identity(write_header(Scan(), "P2")).study_uid
    assert identity(write_header(Scan())).lacking
