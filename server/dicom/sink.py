"""Where the images of one scan wait while they are made; complete, they go to the outbox together."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from gadgets.data import Image
from gadgets.scan import Scan
from server.dicom.archiving import Archiving, Wanted
from server.dicom.capture import capture, is_capture
from server.dicom.companions import Companions
from server.dicom.frames import Kept, moment
from server.dicom.geometry import plane
from server.dicom.identity import Identity, identity
from server.dicom.image import is_storable, objects
from server.dicom.outbox import Outbox
from server.dicom.study import Source
from server.errors import DicomError

log = logging.getLogger(__name__)

Row = tuple[str, str, str, str, Path]
"""Archive, series, object, class, file: what the outbox takes."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """An object that waits for the scan's end."""

    series: str
    name: str
    kind: str
    file: Path


class Sink:
    """Takes the images that leave, and makes objects of them. Nothing of a failed scan reaches an archive."""

    def __init__(self, archiving: Archiving, scan: Scan, xml: str, recipe: str, chain: str = "") -> None:
        self._archiving, self._scan, self._recipe, self._chain = archiving, scan, recipe, chain
        self._who = identity(xml)
        self._wanted: Sequence[Wanted] = ()
        self._draft = archiving.folder / "drafts" / f"{os.getpid()}"
        self._made: list[Made] = []
        self._companions: Companions | None = None
        self._asking: Future[Identity] | None = None
        self.tell: Callable[[str], object] = log.warning
        """Hears of what does not reach an archive, and why."""

    def begin(self) -> None:
        """Find out whose the images are: at once, or, where a worklist has to be asked, in the background."""
        lacks = self._who.lacking and any(each.identified for each in self._archiving.wanted)
        if not lacks or not self._archiving.worklist:
            self._settle(self._who)
            return
        from server.dicom.worklist import resolved

        pool = ThreadPoolExecutor(1, thread_name_prefix="worklist")
        self._asking = pool.submit(resolved, self._who, self._archiving.worklist)
        pool.shutdown(wait=False)

    def take(self, image: Image) -> None:
        """Make the objects of an image that has its series and index.

        Raises DicomError when more is to be held than may be.
        """
        companions = self._known()
        if not self._wanted:
            return
        companions.take(image)
        if is_capture(image):
            self._keep(capture(image, companions.source))
        elif is_storable(image):
            for z, made in enumerate(objects(image, companions.source)):
                self._remember(image, z, self._keep(made))

    def finish(self) -> int:
        """The scan is complete: its objects go to the outbox; how many are new."""
        for made in self._known().made(self.tell):
            self._keep(made)
        if not self._made:
            return 0
        rows = [row for each in self._made for row in self._rows(each)]
        outbox = Outbox(self._archiving.folder)
        try:
            new = outbox.add(rows, self._archiving.session)
        finally:
            outbox.close()
        self.abandon()
        log.info("%d objects for archives, %d of them new", len(rows), new)
        return new

    def abandon(self) -> None:
        """Remove what was drafted."""
        shutil.rmtree(self._draft, ignore_errors=True)

    def _known(self) -> Companions:
        """Wait until it is clear whose the images are."""
        if self._asking:
            asking, self._asking = self._asking, None
            try:
                self._settle(asking.result())
            except DicomError as error:
                self._settle(self._who, f"; {error}")
        assert self._companions is not None
        return self._companions

    def _settle(self, who: Identity, why: str = "") -> None:
        wanted = self._archiving.wanted
        self._wanted = [each for each in wanted if not (each.identified and who.lacking)]
        source = Source(identity=who, scan=self._scan, recipe=self._recipe, chain=self._chain)
        self._companions = Companions(source)
        if refused := [each.name for each in wanted if each not in self._wanted]:
            lacking = ", ".join(who.lacking)
            self.tell(f"the header has no {lacking}: nothing of this scan goes to {', '.join(refused)}{why}")

    def _keep(self, made: Dataset) -> Path:
        """Write an object where the scan's end finds it."""
        file = self._draft / str(made.SeriesInstanceUID) / f"{made.SOPInstanceUID}.dcm"
        _write(made, file)
        self._made.append(
            Made(series=made.SeriesInstanceUID, name=made.SOPInstanceUID, kind=made.SOPClassUID, file=file)
        )
        return file

    def _remember(self, image: Image, z: int, file: Path) -> None:
        """Others may refer to it."""
        depth, rows, columns = (int(each) for each in image.data.shape[1:])
        place = plane(image.head, (depth, rows, columns), z)
        if place and self._companions:
            main = image.role in ("image", "normalized", "linear")
            now = moment(image)
            kept = Kept(place=place, moment=now, shape=(rows, columns), main=main, file=file)
            self._companions.kept.append(kept)

    def _rows(self, made: Made) -> Iterator[Row]:
        """Put an object where the outbox finds it, once with identity and once without, as far as wanted."""
        plain = [each.name for each in self._wanted if not each.deidentify]
        bare = [each.name for each in self._wanted if each.deidentify]
        if bare:
            yield from self._without_identity(made, bare)
        if plain:
            kept = self._archiving.folder / "files" / made.series / made.file.name
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made.file.replace(kept)
            yield from ((name, made.series, made.name, made.kind, kept) for name in plain)

    def _without_identity(self, made: Made, archives: Sequence[str]) -> Iterator[Row]:
        from server.dicom.deidentify import deidentified, is_cleanable
        from server.pseudonym import site_key

        if not is_cleanable(made.kind):
            return
        out = deidentified(dcmread(made.file), site_key())
        series, name = str(out.SeriesInstanceUID), str(out.SOPInstanceUID)
        kept = self._archiving.folder / "files" / series / f"{name}.dcm"
        _write(out, kept)
        yield from ((each, series, name, made.kind, kept) for each in archives)


def _write(made: Dataset, file: Path) -> None:
    """For this user alone, and on the disk when this returns."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        made.save_as(out, enforce_file_format=True)
        out.flush()
        os.fsync(out.fileno())
