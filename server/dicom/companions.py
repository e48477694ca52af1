"""What is made of a scan's images when all are there: maps, segmentations, report objects."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from gadgets.data import Image
from server.dicom.document import document
from server.dicom.frames import Kept
from server.dicom.numbers import carries, numbers
from server.dicom.parametric import is_map, parametric_maps
from server.dicom.segmentation import is_labels, segmentations
from server.dicom.structured import structured_report
from server.dicom.study import Source
from server.errors import DicomError

log = logging.getLogger(__name__)

MOST = 1 << 30
"""Bytes of images that are held until the scan's end."""

EVIDENCE = 64
"""Objects that a structured report names as what it is from, at most."""


@dataclass
class Companions:
    """Holds the images of a scan of which more than one object becomes."""

    source: Source
    images: list[Image] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    _held: int = 0

    def take(self, image: Image) -> None:
        """Hold it, if it is a map, has labels, or belongs to a report.

        Raises DicomError above ``MOST``.
        """
        if not (is_map(image) or is_labels(image) or carries(image) or image.role == "report"):
            return
        self._held += image.data.nbytes
        if self._held > MOST:
            raise DicomError(f"maps, labels and reports of one scan hold more than {MOST >> 20} MiB")
        self.images.append(image)

    def made(self, tell: Callable[[str], object]) -> Iterator[Dataset]:
        """Their objects; ``tell`` hears of what cannot be one, and why."""
        for name, wanted, make in (
            ("parametric map", is_map, parametric_maps),
            ("segmentation", is_labels, segmentations),
        ):
            for number, images in self._series(wanted).items():
                try:
                    yield from make(images, self.kept, self.source)
                except (DicomError, ValueError, TypeError) as error:
                    tell(f"series {number} becomes no {name}: {_reason(error)}")
        yield from self._reports(tell)

    def _reports(self, tell: Callable[[str], object]) -> Iterator[Dataset]:
        evidence = [each.read() for each in [k for k in self.kept if k.main][:EVIDENCE]]
        for number, images in self._series(lambda each: carries(each) or each.role == "report").items():
            try:
                yield from self._numbers(images, evidence)
            except (DicomError, ValueError, TypeError) as error:
                tell(f"series {number} becomes no structured report: {_reason(error)}")
            try:
                yield document(images, self.source, 1)
            except (DicomError, ValueError, TypeError) as error:
                tell(f"series {number} becomes no document: {_reason(error)}")

    def _numbers(self, images: Sequence[Image], evidence: Sequence[Dataset]) -> Iterator[Dataset]:
        """A structured report of each image's numbers; none where a chain refused and there are none.

        Raises DicomError when there are numbers, but nothing that they could be from.
        """
        for index, image in enumerate(filter(carries, images), start=1):
            if numbers(image).measurements:
                if not evidence:
                    raise DicomError("no image was kept that its numbers could be from")
                yield structured_report(image, evidence, self.source, index)

    def _series(self, wanted: Callable[[Image], bool]) -> dict[int, Sequence[Image]]:
        found: dict[int, list[Image]] = {}
        for image in filter(wanted, self.images):
            found.setdefault(int(image.head["image_series_index"]), []).append(image)
        return dict(found)


def _reason(error: Exception) -> str:
    """Only our own words for the console: others may hold what a header says, and stand in the log."""
    if isinstance(error, DicomError):
        return str(error)
    log.error("an object cannot be made", exc_info=error)
    return type(error).__name__
