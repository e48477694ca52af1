"""Partial Fourier images: the side of k-space that was not sampled, left smooth or made from the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from gadgets.arrays import to_image, to_kspace
from gadgets.data import Image, Notes
from gadgets.gadget import Gadget
from gadgets.image.filter import filtered
from gadgets.image.follow import MAPS, NOISE_OF, step
from gadgets.image.history import noted
from gadgets.image.partial import Asymmetry, along, asymmetries
from gadgets.scan import Scan

Key = tuple[int, ...]
"""The images that share a phase: encoding space, slice, contrast, set and cardiac phase."""


@dataclass(frozen=True, kw_only=True)
class PartialFourier(Gadget):
    """Complete complex images of which one side of k-space was not sampled, along x, y or z.

    ``filter`` leaves it empty, with a smooth edge. ``homodyne`` makes it from the other side along the most
    asymmetric axis, given the phase of the symmetric centre; axes beyond that are filtered. ``pocs`` does so
    along all axes by projections onto that phase and onto the samples. What was sampled stands in the meta
    (``ScansideSampledX``, ...); symmetric images pass. ``filter`` and ``homodyne`` have weights of unit mean
    square over the samples; maps of the noise follow exactly, given the phase. Where that is estimated from
    each image, and for ``pocs``, the map's meta say ``ScansideNoiseOf: linear``.
    """

    method: Literal["filter", "homodyne", "pocs"] = "homodyne"
    """What becomes of the other side."""

    phase: Literal["each", "first"] = "each"
    """Of ``homodyne``: that of each image, or of the first one of each slice, contrast, set and phase."""

    width: Annotated[float, Field(ge=0, le=1)] = 0.15
    """Of the edge: for ``filter`` a part of what was sampled, for ``homodyne`` of the symmetric region."""

    iterations: Annotated[int, Field(ge=1, le=100)] = 6
    """Of ``pocs`` at most."""

    threshold: Annotated[float, Field(ge=0)] = 0.01
    """``pocs`` ends when an iteration changes the image by less, relative to its norm."""

    transition: Annotated[int, Field(ge=0)] = 8
    """Points over which samples made by ``pocs`` go over into those acquired."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        """Give each image completed, and the maps that follow it."""
        phases = _Phases(keep=self.phase == "first")
        for item in stream:
            axes = _asymmetries(item, scan)
            if not axes or not (item.data.is_complex() or item.role in MAPS):
                yield item
            elif self.method == "pocs":
                yield self._pocs(item, axes)
            else:
                yield self._weighted(item, axes, phases)

    def _weighted(self, item: Image, axes: list[Asymmetry], phases: "_Phases") -> Image:
        homodyne = self.method == "homodyne"
        weights, gain = torch.ones(1, 1, 1, dtype=torch.float64), 1.0
        for number, axis in enumerate(axes):
            make = axis.homodyne if homodyne and number == 0 else axis.taper
            profile = make(self.width)
            weights, gain = weights * along(profile, axis.axis), gain * float(profile[axis.size // 2])
        where = tuple(axis.axis for axis in axes)

        def act(data: torch.Tensor) -> torch.Tensor:
            out = filtered(data, weights.to(torch.float32), where)
            return in_phase(out, phases.of(item, data, axes[:1])) if homodyne else out

        out = step(item, act, lambda noise: noise.filtered(weights), f"PartialFourier {self.method}")
        meta = {**out.meta, **_scaled(out, gain)}
        if homodyne:
            meta |= _whole(axes[:1])
        if homodyne and self.phase == "each" and item.role in MAPS:
            meta.setdefault(NOISE_OF, "linear")
        return replace(out, meta=meta)

    def _pocs(self, item: Image, axes: list[Asymmetry]) -> Image:
        if item.role in MAPS:
            return item if NOISE_OF in item.meta else replace(item, meta={**item.meta, NOISE_OF: "linear"})
        if item.role == "linear":
            return item
        data = pocs(item.data, axes, self.iterations, self.threshold, self.transition)
        return replace(item, data=data, meta=noted(item.meta, "PartialFourier pocs", _whole(axes)))


@dataclass(eq=False)
class _Phases:
    """The phases that images are projected onto."""

    keep: bool
    known: dict[Key, torch.Tensor] = field(default_factory=dict)

    def of(self, item: Image, data: torch.Tensor, axes: list[Asymmetry]) -> torch.Tensor:
        """Unit complex numbers, [channel, z, y, x]: those of the image, or of the first one of its kind."""
        key = (
            int(item.meta.get("ScansideEncoding", 0)),  # type: ignore[arg-type]
            *(int(item.head[name]) for name in ("slice", "contrast", "set", "phase")),
        )
        if self.keep and key in self.known:
            return self.known[key]
        phase = smooth_phase(data, axes)
        if self.keep:
            self.known[key] = phase
        return phase


def _asymmetries(item: Image, scan: Scan) -> list[Asymmetry]:
    """Those that are greater than what acceleration explains."""
    encoding = scan.encodings[int(item.meta.get("ScansideEncoding", 0))] if scan.encodings else None  # type: ignore[arg-type]
    first, second = encoding.acceleration if encoding else (1, 1)
    return asymmetries(item.meta, item.data.shape[-3:], (second, first, 1))


def _scaled(item: Image, gain: float) -> Notes:
    """The note on the image's scale, by which the weights change what a flat signal becomes."""
    scale = item.meta.get("ScansideScale")
    return {"ScansideScale": scale * gain} if isinstance(scale, float) else {}


def _whole(axes: list[Asymmetry]) -> Notes:
    """Notes that axes are sampled to both sides now."""
    return {f"ScansideSampled{'ZYX'[one.axis]}": (-one.far, one.far) for one in axes}


def smooth_phase(data: torch.Tensor, axes: list[Asymmetry]) -> torch.Tensor:
    """exp(i phase) of the image that the symmetric centre of k-space gives, complex64, shaped as the data."""
    window = torch.ones(1, 1, 1)
    for one in axes:
        window = window * along(one.symmetric(), one.axis).to(torch.float32)
    low = filtered(data, window, tuple(one.axis for one in axes))
    return torch.polar(torch.ones_like(low.real), low.angle())


def in_phase(data: torch.Tensor, phase: torch.Tensor) -> torch.Tensor:
    """The part of the image that has the phase, and with it; both complex64."""
    return (data * phase.conj()).real * phase


def pocs(
    data: torch.Tensor, axes: list[Asymmetry], iterations: int, threshold: float, transition: int
) -> torch.Tensor:
    """The image with the phase of its symmetric centre and the samples that there are, complex64.

    Projections onto both sets in turn (Haacke et al., J. Magn. Reson. 92:126, 1991), from the zero-filled
    image; the samples made go over into those acquired within ``transition`` points.
    """
    where = tuple(one.axis for one in axes)
    phase = smooth_phase(data, axes)
    acquired = to_kspace(data, where)
    there, kept = torch.ones(1, 1, 1), torch.ones(1, 1, 1)
    for one in axes:
        there = there * along(one.sampled, one.axis)
        width = min(2 * transition / one.size, 2 * one.near)
        kept = kept * along(one.rising(width), one.axis).to(torch.float32)
    image, made = data, acquired
    for _ in range(iterations):
        made = to_kspace(image.abs() * phase, where)
        last, image = image, to_image(torch.where(there > 0, acquired, made), where)
        change = torch.linalg.vector_norm(image - last) / torch.linalg.vector_norm(image).clamp(min=1e-30)
        if float(change) < threshold:
            break
    return to_image(torch.lerp(made, acquired, kept.to(made.dtype)), where)
