"""The gadget that labels a stack of short-axis cine images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from gadgets.cardiac.contours import burnt, regions_of_interest
from gadgets.cardiac.stack import Stack, assemble
from gadgets.data import Image, Notes, Text
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.image.history import noted
from gadgets.scan import Scan

LABELS = ("lv", "myocardium", "rv")
"""What the values 1, 2, 3 of label images name."""

REFUSED = "ScansideRefused"
"""Why nothing was labelled."""

MOST = 4096
"""Images that may wait for the scan's end."""


@dataclass(frozen=True, kw_only=True)
class Segment(Gadget):
    """Give each image, and at the scan's end the labels of left cavity, its muscle and right cavity.

    The images of all slices and phases are assembled by position. A network that was trained on drawn hearts
    only labels them; rules that know no truth judge it: no heart, no short-axis view, an incomplete stack or
    looks that disagree are refused, with one empty label image and a text that say why. Label images (role
    ``labels``) carry the contours as regions of interest. Papillary muscles are cavity. Not for diagnosis.

    Raises DataError for more than ``MOST`` images.
    """

    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = "short-axis"
    """One of ``scanside models list``."""

    backend: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")] = "torch"
    """What runs it: ``torch``, ``onnxruntime``, ``auto`` ..."""

    contours: bool = True
    """Send the images with burnt-in contours too (role ``contours``)."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image | Text]:
        """Give each image at once; labels and contours behind the last one."""
        held: list[Image] = []
        for item in stream:
            if item.role == "image":
                if len(held) == MOST:
                    raise DataError(f"more than {MOST} images wait for their segmentation")
                held.append(item)
            yield item
        if held:
            yield from self._labelled(assemble(held))

    def _labelled(self, stack: Stack) -> Iterator[Image | Text]:
        from models.cardiac.function import curves
        from models.cardiac.gate import judge
        from models.cardiac.reader import reading
        from models.cardiac.segment import segment
        from models.runner import serving, shared

        model = shared(self.model)
        common: Notes = {"ScansideModel": model.card.name, "ScansideModelHash": model.sha256[:12]}
        faults = model.card.envelope.leaves(_facts(stack))
        if faults:
            yield from _refused(
                stack, [f"outside of the model's envelope: {each}" for each in faults], common
            )
            return
        backend, instead = serving(model, self.backend)
        if instead:
            yield Text(text=f"{backend.name} in place of {self.backend}: {instead}", level="warning")
        found = segment(reading(model, backend), stack.data, float(np.mean(stack.pixel)))
        verdict = judge(found.labels[0], curves(found.labels, stack.voxel), found.disagreement)
        common = {**common, "ScansideDisagreement": round(found.disagreement, 4)}
        if not verdict.accepted:
            yield from _refused(stack, verdict.reasons, common)
            return
        if verdict.doubts:
            common = {**common, "ScansideDoubts": verdict.doubts}
        yield from self._images(stack, torch.from_numpy(found.labels), common)

    def _images(self, stack: Stack, labels: torch.Tensor, common: Notes) -> Iterator[Image]:
        for phase, moment in enumerate(stack.images):
            for index, image in enumerate(moment):
                yield labelled(image, labels[phase, index], common)
        if self.contours:
            for phase, moment in enumerate(stack.images):
                for index, image in enumerate(moment):
                    yield burnt(image, labels[phase, index].numpy(), common)


def labelled(image: Image, labels: torch.Tensor, common: Notes) -> Image:
    """The label image of an image."""
    meta = noted(image.meta, "Segment", {**common, "ScansideLabels": LABELS})
    meta = {**meta, **regions_of_interest(labels.numpy())}
    head = image.head.copy()
    head["image_series_index"], head["image_index"] = 0, 0
    return replace(
        image, data=labels[None, None].to(torch.uint16), head=head, role="labels", meta=meta, noise=None
    )


def _facts(stack: Stack) -> dict[str, float]:
    height, width = stack.images[0][0].data.shape[-2:]
    return {"pixel": float(np.mean(stack.pixel)), "lines": height, "columns": width}


def _refused(stack: Stack, reasons: Iterable[str], common: Notes) -> Iterator[Image | Text]:
    """An empty label image that says why, and a text."""
    said = tuple(reasons)
    yield Text(text=f"segmentation refused: {'; '.join(said)}", level="warning")
    image = stack.images[0][len(stack.images[0]) // 2]
    yield labelled(image, torch.zeros(image.data.shape[-2:], dtype=torch.uint8), {**common, REFUSED: said})
