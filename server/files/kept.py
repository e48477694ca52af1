"""What comes back from a server, kept in a file while it arrives, with its numbers beside it."""

import json
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from gadgets.data import Image
from server.files.images import ImageFile
from server.files.opened import writable
from server.wire.meta import write_meta

REPORT = "ScansideReport"
"""The meta attribute in which a report image carries its numbers as JSON."""


class Kept:
    """A file of images, made with the first of them; ``OUT.json`` beside it holds their reports.

    Raises DataError at once where no such file can be made.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path and writable(path)
        self._file: ImageFile | None = None
        self._reports: list[object] = []

    def image(self, image: Image) -> None:
        """Keep one image."""
        if self._path is None:
            return
        self._file = self._file or ImageFile(self._path)
        self._file.append(image.head, write_meta(image.meta), np.asarray(image.data.numpy()))
        if isinstance(report := image.meta.get(REPORT), str):
            self._reports.append(json.loads(report))
            self._path.with_suffix(".json").write_text(json.dumps(self._reports, indent=1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()
