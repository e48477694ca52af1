"""Whether and where the images of a session are kept beside the scanner; nothing here loads pydicom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gadgets.data import Image
from gadgets.scan import Scan
from server.dicom.destination import Worklist
from server.errors import ScansideError

if TYPE_CHECKING:
    from server.dicom.sink import Sink


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An archive, as far as a scan has to know it."""

    name: str
    identified: bool
    """It takes only objects that belong to a patient and a study."""

    deidentify: bool = False
    """It gets them without identity."""

    chains: Sequence[str] = ()
    """Whose images it gets; none: every chain's."""


@dataclass(frozen=True, kw_only=True)
class Archiving:
    """Where the objects of a session's images go."""

    folder: Path
    """The outbox."""

    wanted: Sequence[Wanted]
    session: str
    worklist: Worklist | None = None
    """Who knows what a header does not say."""


class Copies:
    """The images of one scan for the archives; what goes wrong here is said, and costs the scanner none."""

    def __init__(self, archiving: Archiving | None, tell: Callable[[str, str], None]) -> None:
        self._archiving, self._tell = archiving, tell
        self._sink: Sink | None = None

    def begin(self, scan: Scan, xml: str, recipe: str, chain: str = "") -> None:
        """Say at once when an archive will get nothing of this scan."""
        wanted = [each for each in self._wanted() if not each.chains or chain in each.chains]
        if self._archiving is None or not wanted:
            return
        from server.dicom.sink import Sink

        self._sink = Sink(replace(self._archiving, wanted=wanted), scan, xml, recipe, chain)
        self._sink.tell = lambda text: self._tell(text, "warning")
        self._sink.begin()

    def _wanted(self) -> Sequence[Wanted]:
        return self._archiving.wanted if self._archiving else ()

    def take(self, image: Image) -> None:
        """Keep an image that leaves."""
        if self._sink is None:
            return
        try:
            self._sink.take(image)
        except (OSError, ScansideError, ValueError) as error:
            self._give_up(error)

    def end(self, *, complete: bool) -> None:
        """Hand the objects of a complete scan to the outbox; those of a failed one are removed."""
        if self._sink is None:
            return
        try:
            if complete:
                self._sink.finish()
            else:
                self._sink.abandon()
        except (OSError, ScansideError, ValueError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        assert self._sink is not None
        self._sink.abandon()
        self._sink = None
        self._tell(f"nothing of this scan goes to an archive: {type(error).__name__}", "warning")
