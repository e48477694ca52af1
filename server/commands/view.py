"""``scanside view``: a picture of what is in a file."""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gadgets.data import Notes
    from server.files.images import StoredImages
    from server.files.picture import Tile
    from server.files.scan import RecordedScan

TILES = 24
"""How many images a picture shows at most."""


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("view", help="draw a picture of what is in a file")
    own.add_argument("file", type=Path, metavar="FILE", help="images or a scan, ISMRMRD HDF5 or .mrd")
    own.add_argument("-o", "--output", type=Path, metavar="PNG", help="(FILE.png)")
    own.add_argument("--tiles", type=int, default=TILES, help="most images shown (%(default)s)")
    own.add_argument("--json", action="store_true", help="print the facts as JSON")
    own.set_defaults(run=run)


@dataclass(frozen=True)
class _Shown:
    """One row of the picture and what is said about it."""

    tiles: "list[Tile]"
    facts: dict[str, Any]


def run(options: argparse.Namespace) -> int:
    """Draw the images of the file, or its k-space where it holds no images; 1 where it holds neither."""
    import json

    from server.files.picture import montage
    from server.files.stream import SUFFIX

    held = _streamed if options.file.suffix.lower() == SUFFIX else _filed
    rows = held(options.file, options.tiles)
    output = options.output or options.file.with_suffix(".png")
    montage([row.tiles for row in rows], options.file.name).save(output)
    facts = {"file": str(options.file), "picture": str(output), "content": [row.facts for row in rows]}
    if options.json:
        print(json.dumps(facts, indent=1))
    else:
        for row in rows:
            print(", ".join(f"{name} {value}" for name, value in row.facts.items()))
        print(f"picture {output}")
    return 0


def _filed(path: Path, most: int) -> list[_Shown]:
    from server.files.images import read_images
    from server.files.scan import read_scan

    stored = list(read_images(path))
    return _series(stored, most) if stored else _kspace(read_scan(path), most)


def _streamed(path: Path, most: int) -> list[_Shown]:
    """As a stream's file has it; what it tells besides is shown.

    Raises DataError when it holds neither images nor a scan.
    """
    from server.errors import DataError
    from server.files.stream import answered, gathered, holds_scan, read_stream

    if holds_scan(read_stream(path)):
        return _scan(path, most)
    found = answered(read_stream(path))
    for text in found.texts:
        print(f"scanside: {path} says: {text}", file=sys.stderr)
    if not found.closed:
        print(f"scanside: {path} ends without CLOSE: images may be missing", file=sys.stderr)
    if not found.images:
        raise DataError(f"{path} holds neither images nor a scan")
    return _series(gathered(found.images), most)


def _scan(stream: Path, most: int) -> list[_Shown]:
    from tempfile import TemporaryDirectory

    from server.files.scan import read_scan
    from server.spool.export import export
    from server.spool.stream import Spooled

    with TemporaryDirectory() as folder:
        path = Path(folder) / "scan.h5"
        export(Spooled(stream), path)
        return _kspace(read_scan(path), most)


def _series(stored: "list[StoredImages]", most: int) -> list[_Shown]:
    from server.files.picture import chosen

    picks = chosen([_planes(one).shape[0] for one in stored], most)
    return [_one_series(one, pick) for one, pick in zip(stored, picks, strict=True)]


def _one_series(one: "StoredImages", picks: list[int]) -> _Shown:
    from server.files.picture import Tile, window
    from server.wire.meta import read_meta

    planes, meta = _planes(one), read_meta(one.meta[0])
    number, role = int(one.head["image_series_index"][0]), _role(meta)
    low, high = _window_of(meta) or window(planes)
    size = f"{planes.shape[2]} x {planes.shape[1]}"
    per = planes.shape[0] // len(one.head)
    tiles = [
        Tile(
            values=planes[pick],
            extent=_extent(one.head[pick // per], planes.shape[1:3]),
            window=(low, high),
            caption=(
                f"series {number}: {_shown(one.meta[pick // per])}",
                f"{_counters(one.head[pick // per], pick % per, per)}{size}",
                *([] if planes.ndim == 4 else [_range(meta, low, high)]),
            ),
            hot=bool(meta.get("GADGETRON_ColorMap")),
        )
        for pick in picks
    ]
    facts = {
        "group": one.group,
        "series": number,
        "role": role,
        "images": len(one.head),
        "shape": list(one.data.shape[1:]),
        "type": str(one.data.dtype),
        "window": [low, high],
        "shown": len(tiles),
    }
    return _Shown(tiles, facts)


def _planes(one: "StoredImages") -> "NDArray[Any]":
    """Every channel and slice of every image, magnitude where it is complex, [plane, y, x].

    Of pictures in colour each slice of every image, [plane, y, x, 3].
    """
    import numpy as np

    from gadgets.head import ImageType

    values = np.abs(one.data) if one.data.dtype.kind == "c" else one.data
    if int(one.head["image_type"][0]) == ImageType.RGB and values.shape[1] == 3:
        return np.moveaxis(values, 1, -1).reshape(-1, *values.shape[-2:], 3)
    return values.reshape(-1, *values.shape[-2:])


def _window_of(meta: "Notes") -> tuple[float, float] | None:
    """The window that the image's meta asks for, else None."""
    try:
        center, width = (float(str(meta[name])) for name in ("WindowCenter", "WindowWidth"))
    except (KeyError, ValueError):
        return None
    return (center - width / 2, center + width / 2) if width > 0 else None


def _range(meta: "Notes", low: float, high: float) -> str:
    """What is black and what is white, in the unit of the values where the meta tell it."""
    try:
        ratio = float(str(meta["ScansideScaleRatio"]))
    except (KeyError, ValueError):
        ratio = 0.0
    if ratio <= 0:
        return f"window {low:.4g} to {high:.4g}"
    unit = str(meta.get("ScansideUnit", "1"))
    return f"{low / ratio:.4g} to {high / ratio:.4g}{'' if unit == '1' else f' {unit}'}"


def _role(meta: "Notes") -> str:
    """What the meta says the images are."""
    for name in ("ScansideRole", "GADGETRON_DataRole", "DataRole", "ImageComments"):
        if isinstance(value := meta.get(name), str) and value:
            return value
    return "image"


def _shown(text: str) -> str:
    """What the images are, and of which slice of the heart where the meta tell it."""
    from server.wire.meta import read_meta

    meta = read_meta(text)
    name = meta.get("SeriesDescriptionAdditional")
    level = meta.get("ScansideSlice", "")
    return (name if isinstance(name, str) and name else _role(meta)) + (f", {level}" if level else "")


def _extent(head: "NDArray[Any]", shape: tuple[int, ...]) -> tuple[float, float]:
    """Width and height of the field of view, square pixels where the header gives none."""
    width, height = float(head["field_of_view"][0]), float(head["field_of_view"][1])
    return (width, height) if width > 0 and height > 0 else (float(shape[1]), float(shape[0]))


def _counters(head: "NDArray[Any]", plane: int, planes: int) -> str:
    names = ("slice", "repetition", "phase", "contrast", "set", "average")
    words = [f"{name} {int(head[name])}" for name in names if head[name]]
    if planes > 1:
        words.append(f"plane {plane}")
    return "".join(f"{word}, " for word in words)


def _kspace(scan: "RecordedScan", most: int) -> list[_Shown]:
    """Magnitude of each slice's first repetition, summed over the coils, on a logarithmic scale."""
    import numpy as np

    from server.files.picture import Tile, window

    lines: dict[int, dict[int, NDArray[Any]]] = {}
    for index, line, values in _lines(scan):
        lines.setdefault(index, {}).setdefault(line, values)
    tiles = []
    for index in sorted(lines)[:most]:
        height, width = max(lines[index]) + 1, max(map(len, lines[index].values()))
        grid = np.full((height, width), np.nan)
        for line, values in lines[index].items():
            grid[line, width - len(values) :] = np.log10(np.maximum(values, 1e-30))
        caption = (
            f"k-space, slice {index}",
            f"{len(lines[index])} lines x {width} samples",
            "log10 magnitude",
        )
        tiles.append(Tile(values=grid, extent=(width, height), window=window(grid, 5, 99.9), caption=caption))
    facts = {
        "group": scan.group,
        "readouts": scan.readouts,
        "waveforms": scan.waveforms,
        "slices": len(lines),
    }
    return [_Shown(tiles, facts)]


def _lines(scan: "RecordedScan") -> "Iterator[tuple[int, int, NDArray[np.float32]]]":
    """Slice, line and magnitude of the imaging and reference lines of the first repetition."""
    import numpy as np

    from gadgets.data import Block, Readouts
    from server.wire.readouts import split

    for run in scan.runs():
        for item in split(run) if isinstance(run, Readouts) else ():
            if not isinstance(item, Block) or item.encoding:
                continue
            first = np.flatnonzero(
                (item.head["idx"]["repetition"] == 0) & (item.head["idx"]["kspace_encode_step_2"] == 0)
            )
            strength = np.abs(item.data[first]).sum(1)
            counters = item.head["idx"][first]
            yield from zip(
                counters["slice"].tolist(), counters["kspace_encode_step_1"].tolist(), strength, strict=True
            )
