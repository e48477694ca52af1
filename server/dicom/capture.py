"""Report images as Secondary Capture objects, which every viewer shows."""

import hashlib

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from gadgets.data import Image
from server.dicom.burn import band
from server.dicom.derived import settled
from server.dicom.pixels import stored
from server.dicom.study import NUMBERS, Source
from server.dicom.uids import uid


def is_capture(image: Image) -> bool:
    """Whether it is a picture, not values: a report, or in colour."""
    return not image.data.is_complex() and (image.role == "report" or image.data.shape[0] == 3)


def picture(image: Image) -> NDArray[np.uint8]:
    """Its first plane, [y, x, 3], 0 to 255, with the warning burnt in below."""
    data = image.data[:, 0].double().numpy() if image.data.shape[0] == 3 else _grey(image)
    shown = np.clip(np.rint(np.moveaxis(data, 0, -1)), 0, 255).astype(np.uint8)
    words = np.repeat(band(shown.shape[1])[..., None], 3, axis=-1)
    return np.concatenate([shown, np.where(words, 255, 0).astype(np.uint8)])


def capture(image: Image, source: Source) -> Dataset:
    """The object of a picture."""
    shown = picture(image)
    series = int(image.head["image_series_index"]) + NUMBERS["capture"]
    number = int(image.head["image_index"])
    out = Dataset()
    out.SOPClassUID = SecondaryCaptureImageStorage
    out.SOPInstanceUID = uid(
        "capture", source.series(series), number, hashlib.sha256(shown.tobytes()).hexdigest()
    )
    out.Modality, out.Laterality, out.InstanceNumber = "OT", "", number
    out.ConversionType, out.BurnedInAnnotation = "WSD", "NO"
    out.ImageType, out.PatientOrientation = ["DERIVED", "SECONDARY"], ""
    out.SoftwareVersions = source.versions([image])
    out.SamplesPerPixel, out.PhotometricInterpretation, out.PlanarConfiguration = 3, "RGB", 0
    out.Rows, out.Columns = shown.shape[:2]
    out.BitsAllocated, out.BitsStored, out.HighBit, out.PixelRepresentation = 8, 8, 7, 0
    out.PixelData = shown.tobytes() + b"\0" * (shown.nbytes % 2)
    return settled(out, source, series, str(image.meta.get("SeriesDescriptionAdditional", "report")))


def _grey(image: Image) -> NDArray[np.float64]:
    """One channel through its window, three times."""
    kept = stored(image.data[0, 0])
    low = kept.window[0] - kept.window[1] / 2
    values = kept.data * kept.slope + kept.intercept
    return np.repeat(255 * (values - low)[None] / kept.window[1], 3, axis=0)
