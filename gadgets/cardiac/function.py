"""The gadget that turns labels of a cine stack into volumes, ejection fraction, mass and a report."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from gadgets.cardiac.segment import REFUSED
from gadgets.cardiac.stack import Stack, assemble
from gadgets.data import Image, Text
from gadgets.gadget import Gadget
from gadgets.head import ImageType
from gadgets.image.history import noted
from gadgets.report.cine import picture
from gadgets.scan import Scan

if TYPE_CHECKING:
    from models.cardiac.function import Function, Ventricle

REPORT = "ScansideReport"
CONVENTION = (
    "papillary muscles and trabeculae are cavity; 1.05 g/ml; no valve-plane correction;"
    " the right ventricle counts in the slices of the left one"
)

STRAINS = "lv_strain_endocardial", "lv_strain_midwall"
"""Circumferential, at its peak."""

Curve = NDArray[np.float64]
"""By phase."""

Key = tuple[int, int]
"""Phase and slice."""


@dataclass(frozen=True, kw_only=True)
class CardiacFunction(Gadget):
    """Give each image, and behind the last label image the numbers of the heart as a report.

    End-diastolic and end-systolic volume, stroke volume, ejection fraction and output of both ventricles,
    mass, circumferential strain, wall thickness and thickening by segment, volume curves; over body surface
    (Mosteller) where height and weight are known. One report image (512 x 512) that carries all numbers as
    one JSON document (``ScansideReport``), and a text. Where the segmentation was refused the report says
    why, without numbers.
    """

    rate: Annotated[float, Field(gt=0)] | None = None
    """Heartbeats per minute; from the images' time stamps when None."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image | Text]:
        """Give each image; the report behind the last label image, before contours."""
        labels: list[Image] = []
        shown: dict[Key, Image] = {}
        for item in stream:
            if item.role == "labels":
                labels.append(item)
            elif item.role == "image":
                shown[_key(item)] = item
            elif item.role == "contours" and labels:
                yield from self._report(labels, shown, scan)
                labels = []
            yield item
        if labels:
            yield from self._report(labels, shown, scan)

    def _report(self, labels: list[Image], shown: Mapping[Key, Image], scan: Scan) -> Iterator[Image | Text]:
        stack = assemble(labels)
        refused = REFUSED in stack.images[0][0].meta
        document = refusal(labels[0]) if refused else self._document(stack, scan)
        values = stack.data.round().to(torch.uint8).numpy()
        looks = [[shown.get(_key(each)) for each in moment] for moment in stack.images]
        picture_ = picture(document, looks, values, max(stack.pixel))
        yield Text(text=summary(document))
        yield report(labels[0], picture_, document)

    def _document(self, stack: Stack, scan: Scan) -> dict[str, Any]:
        from models.cardiac.function import function
        from models.cardiac.strain import circumferential
        from models.cardiac.ventricle import apex_first
        from models.cardiac.wall import by_segment, thickening

        values = stack.data.round().to(torch.uint8).numpy()
        found = function(
            values,
            stack.voxel,
            rate=self.rate or stack.rate,
            height=scan.patient_height,
            weight=scan.patient_weight,
        )
        diastole, systole = values[found.left.ed], values[found.left.es]
        if apex_first(diastole):
            diastole, systole = diastole[::-1], systole[::-1]
        walls = by_segment(diastole, float(np.mean(stack.pixel)), stack.up)
        beats = found.left.ed != found.left.es
        inner, middle = circumferential(values, found.left.ed)
        thicker = thickening(diastole, systole, stack.up) if beats else {}
        first = stack.images[0][0].meta
        return {
            "title": "Cardiac function",
            "procedure": "function",
            "method": str(first.get("ScansideModel", "")),
            "measurements": measurements(found, walls, thicker, (inner, middle) if beats else None),
            "flags": flags(first, found, stack),
            "convention": CONVENTION,
            "phases": {"ed": found.left.ed, "es": found.left.es, "count": len(values)},
            "curves_ml": {
                name: [round(float(each), 2) for each in row]
                for name, row in zip(("lv", "myocardium", "rv"), found.curves, strict=True)
            },
            "strain_percent": {
                name: [round(100 * float(each), 2) for each in row]
                for name, row in (("endocardial", inner), ("midwall", middle))
            },
        }


def _key(image: Image) -> Key:
    return int(image.head["phase"]), int(image.head["slice"])


def measurements(
    found: "Function",
    walls: Mapping[int, float],
    thicker: Mapping[int, float],
    strain: tuple["Curve", "Curve"] | None = None,
) -> list[dict[str, Any]]:
    """One number each, as ``docs/function.schema.json`` has it.

    By segment: thickness at end-diastole [mm], and how much thicker it is at end-systole [%]. Of the whole
    ring: ``strain`` (inner contour and middle of the wall, by phase) where it is least [%].
    """
    least = [
        (name, 100 * float(row.min())) for name, row in zip(STRAINS, strain or (), strict=False) if len(row)
    ]
    rows: list[tuple[str, float | None, str, str]] = [
        *_of("lv", found.left),
        *_of("rv", found.right),
        ("lv_mass", found.mass, "g", "myocardium"),
        ("heart_rate", found.rate, "{beats}/min", ""),
        ("bsa", found.surface, "m2", ""),
        *((name, value, "%", "lv") for name, value in least),
        *(("wall_thickness", thick, "mm", f"aha:{name}") for name, thick in walls.items()),
        *(("wall_thickening", more, "%", f"aha:{name}") for name, more in thicker.items()),
    ]
    if found.surface:
        rows += _indexed(rows, found.surface)
    return [
        {"quantity": name, "value": round(value, 3), "unit": unit, "site": site}
        for name, value, unit, site in rows
        if value is not None and np.isfinite(value)
    ]


def _of(side: str, one: "Ventricle") -> list[tuple[str, float | None, str, str]]:
    """Its volumes; of one phase there is no beat."""
    if one.ed == one.es:
        return [(f"{side}_edv", one.edv, "ml", side)]
    return [
        (f"{side}_edv", one.edv, "ml", side),
        (f"{side}_esv", one.esv, "ml", side),
        (f"{side}_sv", one.sv, "ml", side),
        (f"{side}_ef", 100 * one.ef, "%", side),
        (f"{side}_co", one.output, "l/min", side),
    ]


def _indexed(
    rows: list[tuple[str, float | None, str, str]], surface: float
) -> list[tuple[str, float | None, str, str]]:
    """Volumes, output and mass over the body's surface."""
    return [
        (f"{name}_index", value / surface, f"{unit}/m2", site)
        for name, value, unit, site in rows
        if value is not None and unit in ("ml", "g", "l/min")
    ]


def flags(meta: Mapping[str, Any], found: "Function", stack: Stack) -> list[str]:
    """What a reader has to know."""
    said = [str(each) for each in _several(meta.get("ScansideDoubts"))]
    if stack.left_out:
        said.append(f"{stack.left_out} images belong to no stack")
    if stack.rate is None and found.rate is None:
        said.append("no heart rate: no output")
    return [*said, "trained on simulated hearts only; not for diagnosis"]


def _several(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a value of the meta
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def refusal(image: Image) -> dict[str, Any]:
    """The document of a stack that was refused."""
    return {
        "title": "Cardiac function",
        "procedure": "function",
        "method": str(image.meta.get("ScansideModel", "")),
        "measurements": [],
        "flags": [f"refused: {each}" for each in _several(image.meta[REFUSED])],
        "convention": CONVENTION,
        "phases": {},
        "curves_ml": {},
        "strain_percent": {},
    }


def summary(document: Mapping[str, Any]) -> str:
    """A document in one line."""
    if not document["measurements"]:
        return f"{document['title']}: {'; '.join(document['flags'])}"
    values = {each["quantity"]: each["value"] for each in document["measurements"]}
    rows = (
        ("LV EDV", "lv_edv", "ml"),
        ("LV ESV", "lv_esv", "ml"),
        ("LV EF", "lv_ef", "%"),
        ("mass", "lv_mass", "g"),
        ("RV EDV", "rv_edv", "ml"),
        ("RV EF", "rv_ef", "%"),
    )
    said = (f"{words} {values[name]:.0f} {unit}" for words, name, unit in rows if name in values)
    return f"{', '.join(said)}. Not for diagnosis."


def report(image: Image, pixels: torch.Tensor, document: Mapping[str, Any]) -> Image:
    """The report image, uint16 [1, 1, y, x], with its document; its geometry is that of ``image``."""
    head = image.head.copy()
    head["image_series_index"], head["image_index"] = 0, 0
    head["image_type"] = ImageType.MAGNITUDE
    head["field_of_view"][:2] = pixels.shape[::-1]
    kept = {
        name: value for name, value in image.meta.items() if not name.startswith(("ROI_", "ScansideLabels"))
    }
    meta = noted(kept, "CardiacFunction", {REPORT: json.dumps(document), "Keep_image_geometry": 0})
    data = pixels[None, None].to(torch.uint16)
    return replace(image, data=data, head=head, role="report", meta=meta, noise=None)
