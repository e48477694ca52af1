"""Images that are made of a first pass: their series, names, windows and colours."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from gadgets.cardiac.perfusion.item import Frames
from gadgets.data import Image, Value
from gadgets.head import ImageType
from gadgets.image.history import noted


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of derived image."""

    series: int
    role: str
    """Gadgetron's name (``GADGETRON_DataRole``)."""

    shown: str
    """What the console reads."""

    quantity: str = ""
    unit: str = ""
    scale: float = 1.0
    """Integers are the value times this."""

    window: tuple[float, float] | None = None
    """From black to white, in the unit."""

    colors: str = ""


FLOW = "GadgetronPerfFlow.pal"
OTHER = "GadgetronPerfMap.pal"

KINDS: dict[str, Kind] = {
    "moco": Kind(series=501, role="MOCO", shown="MOCO"),
    "gd": Kind(
        series=502, role="Gd", shown="Gd", quantity="gadolinium", unit="mmol/L", scale=1000.0, window=(0, 3)
    ),
    "mbf": Kind(
        series=510,
        role="Flow_Map",
        shown="MBF",
        quantity="mbf",
        unit="ml/min/g",
        scale=1000.0,
        window=(0, 6),
        colors=FLOW,
    ),
    "ps": Kind(
        series=511,
        role="PS_Map",
        shown="PS",
        quantity="ps",
        unit="ml/min/g",
        scale=1000.0,
        window=(0, 4),
        colors=OTHER,
    ),
    "vb": Kind(
        series=512,
        role="Vascular_Volume_Map",
        shown="Vb",
        quantity="vb",
        unit="ml/(100.g)",
        scale=100.0,
        window=(0, 20),
        colors=OTHER,
    ),
    "visf": Kind(
        series=513,
        role="Interstitial_Volume_Map",
        shown="Visf",
        quantity="visf",
        unit="ml/(100.g)",
        scale=100.0,
        window=(0, 80),
        colors=OTHER,
    ),
    "delay": Kind(
        series=514,
        role="Perf_Map",
        shown="Delay",
        quantity="delay",
        unit="s",
        scale=1000.0,
        window=(0, 4),
        colors=OTHER,
    ),
    "error": Kind(
        series=515,
        role="Perf_Map",
        shown="Fit error",
        quantity="fit_error",
        unit="%",
        scale=100.0,
        window=(0, 30),
        colors=OTHER,
    ),
    "mpr": Kind(
        series=516,
        role="Perf_Map",
        shown="MPR by segment",
        quantity="mpr",
        unit="1",
        scale=1000.0,
        window=(0, 5),
        colors=OTHER,
    ),
    "contours": Kind(series=520, role="AHA", shown="Contours"),
    "aif": Kind(series=530, role="AIF", shown="AIF"),
    "aifmask": Kind(series=531, role="AIFMASK", shown="AIF mask"),
    "report": Kind(series=540, role="AHA", shown="Perfusion report"),
}
"""By the name that the chain's steps use."""


def derived(frames: Frames, data: torch.Tensor, kind: str, more: Mapping[str, Value] | None = None) -> Image:
    """An image [y, x] of a slice's first pass; quantitative ones become uint16 with their scale in the meta.

    The value 0 is kept for what was not quantified.
    """
    about = KINDS[kind]
    head = frames.head.copy()
    head["image_series_index"] = about.series
    head["image_type"] = ImageType.MAGNITUDE
    meta: dict[str, Value] = {**labels(about), **(more or {})}
    if about.quantity:
        high = 65535.0
        data = (data.nan_to_num(0.0) * about.scale).round().clamp(0, high).to(torch.uint16)
        meta |= {
            "ScansideQuantity": about.quantity,
            "ScansideUnit": about.unit,
            "ScansideScaleRatio": about.scale,
            "GADGETRON_ScaleRatio": about.scale,
        }
    if about.window:
        low, top = (about.scale * each for each in about.window)
        meta |= {"GADGETRON_WindowCenter": (low + top) / 2, "GADGETRON_WindowWidth": top - low}
        meta |= {"WindowCenter": (low + top) / 2, "WindowWidth": top - low}
    return Image(data=data[None, None], head=head, meta={**noted(frames.meta, about.shown), **meta})


def labels(about: Kind) -> dict[str, Value]:
    """The meta by which a console knows the kind."""
    named: dict[str, Value] = {
        "DataRole": "Quantitative" if about.quantity else "Image",
        "GADGETRON_DataRole": about.role,
        "GADGETRON_SeqDescription": f"_{about.shown}",
        "GADGETRON_ImageProcessingHistory": ["SCANSIDE", about.role],
        "SeriesDescriptionAdditional": about.shown,
        "ImageComment": about.shown,
        "Keep_image_geometry": 1,
    }
    if about.colors:
        named |= {"GADGETRON_ColorMap": about.colors, "LUTFileName": about.colors}
    return named
