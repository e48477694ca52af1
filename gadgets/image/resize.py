"""The image on the matrix and the field of view that the header asks for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from gadgets.arrays import resize, to_image, to_kspace
from gadgets.data import Image, ImageNoise, Notes
from gadgets.errors import DataError
from gadgets.gadget import Map
from gadgets.image.follow import MAPS, NOISE_OF, step
from gadgets.image.history import noted
from gadgets.image.maps import interpolate
from gadgets.recon.sampling import extent
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Resize(Map):
    """Crop to the field of view of the reconstruction, then zero-fill or crop k-space to its matrix.

    The noise of complex images keeps its sd: zero-filling from n to m points multiplies by sqrt(m / n). Maps
    of the noise follow; where they cannot they are interpolated linearly, as other real images are.
    """

    def one(self, item: Image, scan: Scan) -> Image:
        """The image with the matrix of the reconstruction.

        Raises DataError when the header states no such matrix.
        """
        space = scan.encoding(int(item.meta.get("ScansideEncoding", 0))).recon  # type: ignore[arg-type]
        if min(space.matrix) < 1:
            raise DataError(
                f"the header's reconstruction matrix is {space.matrix}, expected at least 1 x 1 x 1"
            )
        meta, head, steps = item.meta, item.head.copy(), []
        for axis, (size, wanted) in enumerate(zip(space.matrix, space.fov, strict=True)):
            points = item.data.shape[-1 - axis]
            full = float(head["field_of_view"][axis]) / 1000
            cut = max(1, round(points * wanted / full)) if 0 < wanted < full else points
            head["field_of_view"][axis] *= cut / points
            meta = {**meta, **_reach(meta, axis, size / cut)}
            if (points, cut) != (cut, size):
                steps.append((-1 - axis, cut, size))
        head["matrix_size"] = space.matrix
        item = replace(item, head=head, meta=meta)
        return self._resized(item, steps)

    def _resized(self, item: Image, steps: Sequence[tuple[int, int, int]]) -> Image:
        """The item cropped and resampled along each axis (negative) to the given numbers of pixels."""

        def act(data: torch.Tensor) -> torch.Tensor:
            for axis, cut, size in steps:
                data = sample(resize(data, axis, min(cut, data.shape[axis])), axis, size)
            return data.contiguous()

        def follow(noise: ImageNoise) -> ImageNoise:
            for axis, cut, size in steps:
                noise = noise.cropped(axis, cut).resampled(axis, size)
            return noise

        if item.noise is not None and steps:
            return step(item, act, follow, "Resize")
        between = any(cut != size for _, cut, size in steps)
        unsaid = (
            {NOISE_OF: "unfiltered"} if item.role in MAPS and between and NOISE_OF not in item.meta else {}
        )
        return replace(item, data=act(item.data), meta=noted(item.meta, "Resize", unsaid))


def sample(data: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """The data at ``size`` points along an axis (negative), of the same field of view and noise sd."""
    have = data.shape[axis]
    if size == have:
        return data
    if not data.is_complex():
        return interpolate(data, axis, size)
    return to_image(resize(to_kspace(data, (axis,)), axis, size), (axis,)).mul_(
        math.sqrt(max(1.0, size / have))
    )


def _reach(meta: Notes, axis: int, growth: float) -> Notes:
    """How far the sampled part of k-space reaches once its matrix has grown."""
    first, last = extent(meta, "XYZ"[axis])
    return {f"ScansideSampled{'XYZ'[axis]}": (max(-1.0, first / growth), min(1.0, last / growth))}
