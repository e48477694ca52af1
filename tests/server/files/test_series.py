import numpy as np
import pytest

from server.cli import main
from server.files.images import read_images

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed (scanside[convert])")


def store(path, pixels, position, number=1, series=3):
    """One MR image, 2 x 3 mm pixels, rows along posterior."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = MRImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
    one.Rows, one.Columns = pixels.shape
    one.PixelSpacing, one.SliceThickness = [2.0, 3.0], 8.0
    one.ImagePositionPatient, one.ImageOrientationPatient = list(position), [1, 0, 0, 0, 1, 0]
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.RescaleSlope, one.RescaleIntercept = 2.0, -5.0
    one.InstanceNumber, one.SeriesNumber, one.SeriesDescription = number, series, "cine"
    one.PatientName, one.ImageType = "Somebody^Else", ["ORIGINAL", "PRIMARY", "M"]
    one.PixelData = pixels.astype("<u2").tobytes()
    one.save_as(path, enforce_file_format=True)


def test_a_series_becomes_images_with_geometry_values_and_order(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    pixels = np.arange(4 * 6).reshape(4, 6)
    for number, height in ((3, 10.0), (1, 0.0), (2, 0.0)):
        store(folder / f"{number}.dcm", pixels + number, (-9.0, -4.0, height), number)
    (folder / "note.txt").write_text("no image")
    assert main(["convert", str(folder), "-o", str(tmp_path / "a.h5")]) == 0
    (series,) = read_images(tmp_path / "a.h5")
    assert series.head[["slice", "phase"]].tolist() == [(0, 0), (0, 1), (1, 0)]
    found = np.asarray(series.data).reshape(3, 4, 6)
    for index, number in enumerate((1, 2, 3)):
        assert np.array_equal(found[index], 2.0 * (pixels + number) - 5)
    assert series.head["position"][2].tolist() == [0, 0, 10]
    assert series.head["field_of_view"][0].tolist() == [18, 8, 8]
    assert series.head["slice_dir"][0].tolist() == [0, 0, 1]
    assert b"Somebody" not in (tmp_path / "a.h5").read_bytes()


def test_a_single_file_will_do_and_an_empty_folder_will_not(tmp_path, capsys):
    store(tmp_path / "one.dcm", np.ones((4, 4)), (0, 0, 0))
    assert main(["convert", str(tmp_path / "one.dcm"), "-o", str(tmp_path / "a.h5")]) == 0
    (tmp_path / "empty").mkdir()
    assert main(["convert", str(tmp_path / "empty"), "-o", str(tmp_path / "b.h5")]) == 1
    assert "holds no DICOM image" in capsys.readouterr().err
