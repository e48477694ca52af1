"""Series, index and the meta attributes by which consoles know an image: FIRE's names and Gadgetron's."""

from collections import Counter
from dataclasses import replace

from gadgets.data import Heads, Image, Value
from gadgets.head import ImageType
from gadgets.scan import Scan

SERIES = {
    "image": 0,
    "normalized": 4,
    "bias": 5,
    "linear": 9,
    "gfactor": 19,
    "noise": 29,
    "snr": 299,
    "report": 399,
    "labels": 499,
    "contours": 599,
}
"""Added to 1 + the image's own series: the main image has the lowest number, its companions higher ones.

20 for a g-factor map and 300 for an SNR map are Gadgetron's numbers.
"""

DESCRIPTION = {
    "image": "",
    "normalized": "normalized",
    "bias": "bias",
    "linear": "linear",
    "gfactor": "gfactor",
    "noise": "noise",
    "snr": "SNR",
    "report": "report",
    "labels": "labels",
    "contours": "contours",
}

TYPES = {"c": ImageType.COMPLEX, "f": ImageType.MAGNITUDE, "u": ImageType.MAGNITUDE, "i": ImageType.MAGNITUDE}


class Labels:
    """Numbers the images of one scan and writes their standard meta attributes."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._sent: Counter[int] = Counter()

    def label(self, image: Image) -> Image:
        """The image with its series, its index in it and its meta; what its gadgets wrote is kept."""
        head = image.head.copy()
        series = int(head["image_series_index"]) or 1 + SERIES[image.role]
        head["image_series_index"] = series
        self._sent[series] += 1
        head["image_index"] = head["image_index"] or self._sent[series] & 0xFFFF
        return replace(image, head=head, meta=standard(image, head, series, self._scan) | dict(image.meta))


def standard(image: Image, head: Heads, series: int, scan: Scan) -> dict[str, Value]:
    """The attributes that FIRE and Gadgetron write, from the image's header and role."""
    main = image.role in ("image", "normalized", "linear", "contours")
    name = DESCRIPTION[image.role]
    shown = f"SCANSIDE_{name}" if name else "SCANSIDE"
    rows = {
        key: [f"{float(each):.18f}" for each in head[field]]
        for key, field in (("ImageRowDir", "read_dir"), ("ImageColumnDir", "phase_dir"))
    }
    return {
        "DataRole": "Image" if main else "Quantitative",
        "ImageProcessingHistory": ["SCANSIDE"],
        "Keep_image_geometry": 1,
        **rows,
        "SeriesDescriptionAdditional": shown,
        "SequenceDescriptionAdditional": shown,
        "ImageComments": f"{shown} {scan.protocol}".strip(),
        "ImageComment": shown,
        "GADGETRON_ImageNumber": int(head["image_index"]),
        "GADGETRON_ImageProcessingHistory": ["SCANSIDE"],
        "GADGETRON_DataRole": {"gfactor": "GFACTOR", "snr": "SNR_MAP", "noise": "STD_MAP"}.get(
            image.role, "Image"
        ),
        "GADGETRON_SeqDescription": f"_{shown}",
        "ScansideRole": image.role,
        "ScansideSeries": series,
    }
