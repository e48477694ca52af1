"""Where the images of one scan wait while they are made; complete, they go to the outbox together."""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pydicom.dataset import Dataset

from gadgets.data import Image
from gadgets.scan import Scan
from server.dicom.archiving import Archiving
from server.dicom.capture import capture, is_capture
from server.dicom.companions import Companions
from server.dicom.frames import Kept, moment
from server.dicom.geometry import plane
from server.dicom.identity import identity
from server.dicom.image import is_storable, objects
from server.dicom.outbox import Outbox
from server.dicom.study import Source

log = logging.getLogger(__name__)


class Sink:
    """Takes the images that leave, and makes objects of them. Nothing of a failed scan reaches an archive."""

    def __init__(self, archiving: Archiving, scan: Scan, xml: str, recipe: str, chain: str = "") -> None:
        who, wanted, folder = identity(xml), archiving.wanted, archiving.folder
        self._source = Source(identity=who, scan=scan, recipe=recipe, chain=chain)
        self._wanted = [each for each in wanted if not (each.identified and who.lacking)]
        self._folder, self._session = folder, archiving.session
        self._draft = folder / "drafts" / f"{os.getpid()}"
        self._made: list[tuple[str, str, str, Path]] = []
        self._companions = Companions(self._source)
        refused = [each.name for each in wanted if each not in self._wanted]
        self.refusal = (
            f"the header has no {', '.join(who.lacking)}: nothing of this scan goes to {', '.join(refused)}"
            if refused
            else ""
        )
        """Why archives get nothing; empty when all do."""

    def take(self, image: Image) -> None:
        """Make the objects of an image that has its series and index.

        Raises DicomError when more is to be held than may be.
        """
        if not self._wanted:
            return
        self._companions.take(image)
        if is_capture(image):
            self._keep(capture(image, self._source))
        elif is_storable(image):
            for z, made in enumerate(objects(image, self._source)):
                self._remember(image, z, self._keep(made))

    def finish(self, tell: Callable[[str], None] = log.warning) -> int:
        """The scan is complete: its objects go to the outbox; how many are new."""
        for made in self._companions.made(tell):
            self._keep(made)
        if not self._made:
            return 0
        rows = []
        for series, name, kind, file in self._made:
            kept = self._folder / "files" / series / file.name
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.replace(kept)
            rows += [(each.name, series, name, kind, kept) for each in self._wanted]
        outbox = Outbox(self._folder)
        try:
            new = outbox.add(rows, self._session)
        finally:
            outbox.close()
        self.abandon()
        log.info("%d objects for archives, %d of them new", len(rows), new)
        return new

    def abandon(self) -> None:
        """Remove what was drafted."""
        shutil.rmtree(self._draft, ignore_errors=True)

    def _keep(self, made: Dataset) -> Path:
        """Write an object where the scan's end finds it."""
        file = self._draft / str(made.SeriesInstanceUID) / f"{made.SOPInstanceUID}.dcm"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            made.save_as(out, enforce_file_format=True)
            out.flush()
            os.fsync(out.fileno())
        self._made.append((made.SeriesInstanceUID, made.SOPInstanceUID, made.SOPClassUID, file))
        return file

    def _remember(self, image: Image, z: int, file: Path) -> None:
        """Others may refer to it."""
        depth, rows, columns = (int(each) for each in image.data.shape[1:])
        place = plane(image.head, (depth, rows, columns), z)
        if place:
            main = image.role in ("image", "normalized", "linear")
            now = moment(image)
            kept = Kept(place=place, moment=now, shape=(rows, columns), main=main, file=file)
            self._companions.kept.append(kept)
