"""Calibration between scans: the middle of one scan's k-space, kept, and another's reference lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from gadgets.arrays import resize, to_image, to_kspace
from gadgets.data import CoilMeasurement, Kspace, Reference, Text
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.scan import Encoding, Scan

NEAR = 0.5
"""How far two slices may lie apart and still be the same [mm]."""

ALIKE = 1e-3
"""By how much two fields of view may differ, relative to one, and directions from parallel, as a cosine."""


@dataclass(frozen=True, kw_only=True)
class MeasureCoils(Gadget):
    """Keep the middle of k-space of every slice, which the server stores for the scans that depend on it.

    It leaves at the scan's end; a scan that was cut leaves none. Of several images of a slice the first
    counts.
    """

    points: Annotated[int, Field(ge=8)] = 48
    """How many samples are kept along each axis, at most."""

    def process(self, stream: Iterable[Kspace | Reference], scan: Scan) -> Iterator[CoilMeasurement | Text]:
        """Give the one measurement, or a warning when the scan has no k-space.

        Raises DataError when the middle is not fully sampled, or slices differ in size or orientation.
        """
        found: dict[int, tuple[torch.Tensor, Kspace]] = {}
        for item in stream:
            if isinstance(item, Kspace) and item.encoding == 0:
                number = int(item.head[0, 0, 0]["idx"]["slice"])
                if number not in found:
                    found[number] = _middle(item, self.points), item
        if not found:
            yield Text(text="the scan has no lines: no coils were measured", level="warning")
            return
        order = [found[number] for number in sorted(found)]
        frames = np.stack([_directions(item) for _, item in order])
        if len({data.shape for data, _ in order}) > 1 or np.abs(frames - frames[0]).max() > ALIKE:
            raise DataError("a coil measurement has slices of differing size or orientation, expected one")
        first = order[0][1]
        yield CoilMeasurement(
            data=torch.stack([data for data, _ in order]).numpy(),
            fov=_fov(first, scan.encoding(first.encoding)),
            position=np.stack([_position(item) for _, item in order]),
            directions=frames[0],
            coil_labels=scan.coil_labels,
        )


def _middle(item: Kspace, points: int) -> torch.Tensor:
    """[coil, k2, k1, k0], over k0."""
    lines = item.data[0, 0, 0]
    if item.transformed:
        lines = to_kspace(lines)
    sampled = item.sampled[0, 0, 0]
    for axis in (-3, -2, -1):
        lines = resize(lines, axis, min(points, lines.shape[axis]))
    for axis in (-2, -1):
        sampled = resize(sampled, axis, min(points, sampled.shape[axis]))
    if not bool((sampled > 0).all()):
        lacking = int((sampled == 0).sum())
        raise DataError(f"the middle of a coil measurement lacks {lacking} of {sampled.numel()} lines")
    return lines.contiguous().to(torch.complex64)


@dataclass(frozen=True, kw_only=True)
class RecallCoils(Gadget):
    """Give the slices of a scan without reference lines those of the coil measurement that it depends on.

    Only where both have the same field of view, orientation and place: then their samples lie on one grid of
    k-space. Anything else is a warning, and the slice has no reference lines.
    """

    def process(
        self, stream: Iterable[CoilMeasurement | Kspace | Reference], scan: Scan
    ) -> Iterator[Kspace | Reference | Text]:
        """Everything as it came, and before the first image of a slice its reference lines."""
        state = _Recall(scan)
        for item in stream:
            if isinstance(item, CoilMeasurement):
                state.known.append(item)
                continue
            if isinstance(item, Kspace):
                yield from state.before(item)
                item = state.noted(item)
            else:
                state.done.add((item.encoding, item.slice))
            yield item


@dataclass
class _Recall:
    scan: Scan
    known: list[CoilMeasurement] = field(default_factory=list)
    done: set[tuple[int, int]] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    used: dict[tuple[int, int], str] = field(default_factory=dict)
    """By encoding space and slice, the measurement that calibrates it."""

    def noted(self, item: Kspace) -> Kspace:
        """The k-space, which says what its slice is calibrated by."""
        origin = self.used.get(_key(item))
        return replace(item, notes={**item.notes, "ScansideCoilMeasurement": origin}) if origin else item

    def before(self, item: Kspace) -> Iterator[Reference | Text]:
        """The Reference that a slice lacks, or once why there is none."""
        key = _key(item)
        if key in self.done or not self.scan.depends("senmap"):
            return
        self.done.add(key)
        reasons = []
        for each in self.known:
            found = _fit(each, item, self.scan.encoding(item.encoding))
            if not isinstance(found, str):
                self.used[key] = each.origin
                yield _reference(each, found, item, key)
                return
            reasons.append(found)
        reason = reasons[0] if reasons else "the coil measurement that the scan depends on was not found"
        if reason not in self.told:
            self.told.add(reason)
            yield Text(text=reason, level="warning")


def _fit(coils: CoilMeasurement, item: Kspace, encoding: Encoding) -> int | str:
    """The measured slice that is this one, or why there is none."""
    name = f"the coil measurement {coils.origin} is not used: "
    channels = item.data.shape[3]
    if coils.data.shape[1] != channels:
        return f"{name}it has {coils.data.shape[1]} channels, the scan {channels}"
    if (coils.data.shape[2] == 1) != (item.data.shape[4] == 1):
        return f"{name}one of it and the scan is 2D, the other 3D"
    axes = 2 if item.data.shape[4] == 1 else 3
    fov = _fov(item, encoding)
    if not np.allclose(coils.fov[:axes], fov[:axes], rtol=ALIKE, atol=0):
        have, need = (" x ".join(f"{1e3 * each:.0f}" for each in size[:axes]) for size in (coils.fov, fov))
        return f"{name}its field of view is {have} mm, the scan's {need} mm"
    if ((coils.directions * _directions(item)).sum(axis=1) < 1 - ALIKE).any():
        return f"{name}it has another orientation than the scan"
    away = np.linalg.norm(coils.position - _position(item), axis=1)
    if not away.min() <= NEAR:
        return (
            f"{name}its nearest slice lies {away.min():.1f} mm from the scan's, expected at most {NEAR:g} mm"
        )
    return int(away.argmin())


def _reference(coils: CoilMeasurement, at: int, item: Kspace, key: tuple[int, int]) -> Reference:
    data = torch.from_numpy(coils.data[at])
    *_, depth, height, width = item.data.shape
    data = resize(data, -1, width)
    if item.transformed:
        data = to_image(data)
    for axis, size in ((-3, depth), (-2, height)):
        data = resize(data, axis, min(size, data.shape[axis]))
    return Reference(
        data=data.contiguous(),
        first=(depth // 2 - data.shape[-3] // 2, height // 2 - data.shape[-2] // 2),
        shape=(depth, height, width),
        encoding=key[0],
        slice=key[1],
        transformed=item.transformed,
        notes=item.notes,
    )


def _key(item: Kspace) -> tuple[int, int]:
    return item.encoding, int(item.head[0, 0, 0]["idx"]["slice"])


def _fov(item: Kspace, encoding: Encoding) -> tuple[float, float, float]:
    """Field of view of the k-space as it is, with the readout's oversampling removed or not [m]."""
    x, y, z = encoding.encoded.fov
    return x * item.data.shape[-1] / encoding.encoded.matrix[0], y, z


def _position(item: Kspace) -> NDArray[np.float64]:
    return np.asarray(item.head[0, 0, 0]["position"], np.float64)


def _directions(item: Kspace) -> NDArray[np.float64]:
    head = item.head[0, 0, 0]
    return np.stack([np.asarray(head[name], np.float64) for name in ("read_dir", "phase_dir", "slice_dir")])
