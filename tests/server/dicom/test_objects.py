"""Images as DICOM objects: values, places and identities survive."""

import io
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydicom import dcmread
from pydicom.uid import UID

from gadgets.data import Image
from gadgets.head import IMAGE_HEAD, ImageType
from gadgets.scan import Scan, Sequence
from server.dicom.identity import Identity, identity
from server.dicom.image import objects
from server.dicom.pixels import stored
from server.dicom.study import Source
from server.dicom.uids import uid

WHO = Identity(study_uid="1.2.3.4", patient_id="P1", accession="A1", patient_name="Doe^Jane", protocol="cine")


def source(**changes):
    scan = Scan(field_strength=3.0, sequence=Sequence(repetition_time=(0.005,), echo_time=(0.0025,)))
    return replace(Source(identity=WHO, scan=scan, recipe="Fourier()"), **changes)


def image(data, **head):
    made = np.zeros((), IMAGE_HEAD)
    made["read_dir"], made["phase_dir"], made["slice_dir"] = np.eye(3)[[1, 2, 0]]
    made["field_of_view"] = (300, 200, 8)
    made["position"] = (10, 20, 30)
    made["image_type"], made["image_series_index"], made["image_index"] = ImageType.MAGNITUDE, 1, 1
    for name, value in head.items():
        made[name] = value
    return Image(data=data, head=made, meta={"SeriesDescriptionAdditional": "SCANSIDE"})


def read(made):
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return dcmread(buffer)


def noise(*shape, scale=100.0):
    return scale * torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_a_uid_depends_on_its_parts_alone_and_is_valid():
    assert uid("a", 1) == uid("a", 1) != uid("a1")
    assert UID(uid("a", 1)).is_valid


@pytest.mark.parametrize("scale", [3.0, 5000.0, 9e5])
def test_values_come_back_within_half_a_step(scale):
    values = noise(20, 30, scale=scale)
    kept = stored(values)
    back = kept.data * kept.slope + kept.intercept
    assert np.abs(back - values.numpy()).max() <= kept.slope / 2 + 1e-3
    assert kept.slope == (0.1 if scale < 6000 else 100.0)


def test_negative_values_and_integers_come_back():
    values = noise(8, 8) - 50
    kept = stored(values)
    assert np.abs(kept.data * kept.slope + kept.intercept - values.numpy()).max() <= kept.slope
    whole = stored((100 * noise(8, 8)).to(torch.uint16), ratio=100.0)
    assert np.allclose(whole.data * whole.slope, (100 * noise(8, 8)).to(torch.uint16).numpy() / 100)


def test_an_object_carries_values_place_and_identity():
    (made,) = objects(image(noise(1, 1, 20, 30)), source())
    found = read(made)
    assert (found.PatientID, found.AccessionNumber, found.StudyInstanceUID) == ("P1", "A1", "1.2.3.4")
    assert np.allclose(found.pixel_array * float(found.RescaleSlope), noise(20, 30).numpy(), atol=0.051)
    assert [float(each) for each in found.PixelSpacing] == [10.0, 10.0]
    assert (found.RepetitionTime, found.EchoTime, found.MagneticFieldStrength) == (5.0, 2.5, 3.0)


def test_the_pixel_in_the_centre_lies_at_the_position_of_the_header():
    (made,) = objects(image(noise(1, 1, 20, 30)), source())
    found = read(made)
    first = np.array(found.ImagePositionPatient, float)
    along, down = np.array(found.ImageOrientationPatient, float).reshape(2, 3)
    rows, columns = (float(each) for each in found.PixelSpacing)
    assert np.allclose(first + 15 * columns * along + 10 * rows * down, (10, 20, 30))


def test_the_planes_of_a_volume_are_objects_in_their_order():
    found = list(objects(image(noise(1, 4, 6, 6)), source()))
    assert [each.InstanceNumber for each in found] == [1, 2, 3, 4]
    steps = np.diff([each.SliceLocation for each in found])
    assert np.allclose(steps, 2.0)
    assert len({each.SOPInstanceUID for each in found}) == 4


def test_the_same_image_is_the_same_object_and_another_is_another():
    one, same = (next(iter(objects(image(noise(1, 1, 8, 8)), source()))) for _ in range(2))
    assert (one.SOPInstanceUID, one.SeriesInstanceUID) == (same.SOPInstanceUID, same.SeriesInstanceUID)
    changed = next(iter(objects(image(noise(1, 1, 8, 8) + 1), source())))
    assert changed.SOPInstanceUID != one.SOPInstanceUID
    other = next(iter(objects(image(noise(1, 1, 8, 8)), source(recipe="Grappa()"))))
    assert other.SeriesInstanceUID != one.SeriesInstanceUID


def test_complex_images_have_no_object_and_directions_that_are_none_no_place():
    assert list(objects(image(torch.zeros(1, 1, 4, 4, dtype=torch.complex64)), source())) == []
    (made,) = objects(image(noise(1, 1, 4, 4), read_dir=0), source())
    assert "ImagePositionPatient" not in made


def test_learned_and_quantitative_images_say_that_they_are_not_for_diagnosis():
    for meta in ({"ScansideModel": "m"}, {"ScansideUnit": "ml/min/g"}):
        (made,) = objects(replace(image(noise(1, 1, 4, 4)), meta=meta), source())
        assert made.ImageComments.startswith("not for diagnosis")


def test_a_header_without_identifiers_is_refused_by_their_names():
    who = identity("<ismrmrdHeader xmlns='http://www.ismrm.org/ISMRMRD'/>")
    assert who.lacking == ("StudyInstanceUID", "PatientID", "AccessionNumber")
    assert identity("Dummy XML header") == Identity()
    assert "P1" not in repr(WHO)


def test_the_standard_finds_no_error_in_an_object(tmp_path):
    import shutil
    import subprocess

    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    (made,) = objects(image(noise(1, 1, 20, 30)), source())
    made.save_as(tmp_path / "one.dcm", enforce_file_format=True)
    shown = subprocess.run(["dciodvfy", tmp_path / "one.dcm"], capture_output=True, text=True, env=os.environ)
    errors = [line for line in shown.stderr.splitlines() if line.startswith("Error")]
    assert errors == []
