"""The gadget that labels a stack of short-axis cine images."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field

from gadgets.cardiac.ahead import Ahead
from gadgets.cardiac.contours import burnt, regions_of_interest
from gadgets.cardiac.stack import Stack, assemble, side
from gadgets.data import Image, Notes, Text
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.image.history import noted
from gadgets.scan import Scan

if TYPE_CHECKING:
    from models.cardiac.looks import Reader

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
    only labels them; where its card says three frames it is shown end-diastole and end-systole beside each.
    Rules that know no truth judge it: no heart, no short-axis view, an incomplete stack or looks that differ
    are refused, with one empty label image and a text that say why. Label images (role ``labels``) carry the
    contours as regions of interest. Papillary muscles are cavity. Not for diagnosis.

    Raises DataError for more than ``MOST`` images.
    """

    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = "short-axis-cine"
    """One of ``scanside models list``."""

    backend: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")] = "torch"
    """What runs it: ``torch``, ``onnxruntime``, ``auto`` ..."""

    contours: bool = True
    """Send the images with burnt-in contours too (role ``contours``)."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image | Text]:
        """Give each image at once; labels and contours behind the last one."""
        held: list[Image] = []
        served = cache(self._served)
        with Ahead(reader=lambda image: None if self._outside(image) else served()[0]) as ahead:
            for item in stream:
                if item.role == "image":
                    if len(held) == MOST:
                        raise DataError(f"more than {MOST} images wait for their segmentation")
                    held.append(item)
                    ahead.add(item)
                yield item
            if held:
                yield from self._labelled(assemble(held), ahead, served)

    def _served(self) -> "tuple[Reader, str]":
        """What reads images, and why it is not what was asked for."""
        from models.cardiac.reader import reading
        from models.runner import serving, shared

        model = shared(self.model)
        backend, instead = serving(model, self.backend)
        said = f"{backend.name} in place of {self.backend}: {instead}" if instead else ""
        return reading(model, backend), said

    def _outside(self, image: Image) -> list[str]:
        """What of an image the model was not made for."""
        from models.runner import shared

        height, width = image.data.shape[-2:]
        facts = {"pixel": side(image), "lines": float(height), "columns": float(width)}
        return shared(self.model).card.envelope.leaves(facts)

    def _labelled(
        self, stack: Stack, ahead: Ahead, served: "Callable[[], tuple[Reader, str]]"
    ) -> Iterator[Image | Text]:
        from models.cardiac.function import curves
        from models.cardiac.gate import judge
        from models.cardiac.segment import joined
        from models.runner import shared

        model = shared(self.model)
        common: Notes = {"ScansideModel": model.card.name, "ScansideModelHash": model.sha256[:12]}
        if faults := self._outside(stack.images[0][0]):
            said = [f"outside of the model's envelope: {each}" for each in faults]
            yield from _refused(stack, said, common)
            return
        reader, instead = served()
        if instead:
            yield Text(text=instead, level="warning")
        found = joined(reader, ahead.sections(reader, stack))
        verdict = judge(found.labels[0], curves(found.labels, stack.voxel), found.disagreement)
        common = {**common, "ScansideDisagreement": round(found.disagreement, 4)}
        if not verdict.accepted:
            yield from _refused(stack, verdict.reasons, common)
            return
        if doubts := (*verdict.doubts, *found.doubts):
            common = {**common, "ScansideDoubts": doubts}
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


def _refused(stack: Stack, reasons: Iterable[str], common: Notes) -> Iterator[Image | Text]:
    """An empty label image that says why, and a text."""
    said = tuple(reasons)
    yield Text(text=f"segmentation refused: {'; '.join(said)}", level="warning")
    image = stack.images[0][len(stack.images[0]) // 2]
    yield labelled(image, torch.zeros(image.data.shape[-2:], dtype=torch.uint8), {**common, REFUSED: said})
