"""Coil combination: from the images of all coils one image, and what its noise is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch

from gadgets.arrays import root_sum_of_squares, weighted_sum
from gadgets.data import CoilImage, CoilNoise, Image, ImageNoise, Reference, Role
from gadgets.gadget import Gadget
from gadgets.head import ImageType
from gadgets.image.follow import over
from gadgets.image.maps import expand, from_image, from_reference
from gadgets.image.noise import CombinedNoise
from gadgets.scan import Scan

Key = tuple[int, int]
"""Encoding space and slice."""


PATTERNS = 8
"""Patterns of lines, by slice, whose noise maps are remembered (TGRAPPA has R of them)."""


@dataclass(frozen=True, kw_only=True)
class Combine(Gadget):
    """Combine the coils: one image in SNR units, and on demand its noise.

    ``adaptive`` weights each coil by the conjugate of its map, from reference lines where there are some,
    else from the slice's first image; the maps serve until other reference lines come; the image is complex.
    ``rss`` is the root sum of squares, real; its noise is that of the weights conj(x) / |x|, which holds
    where the signal is well above the noise.
    """

    method: Literal["adaptive", "rss"] = "adaptive"
    """How the coils are combined."""

    renew: bool = True
    """Maps follow every new reference; else a slice's first ones serve, as real-time series need it."""

    gfactor: bool = False
    """Send the noise sd of the image, which is the g-factor, whenever it changes."""

    snr: bool = False
    """Send each image over its noise sd: complex as the image, so that later steps can act on that."""

    def process(self, stream: Iterable[CoilImage | Reference], scan: Scan) -> Iterator[Image]:
        """Give an image for the images of all coils, and behind it its companions."""
        state = _State()
        for item in stream:
            if isinstance(item, Reference):
                key = item.encoding, item.slice
                if self.method == "adaptive" and (self.renew or key not in state.maps):
                    state.maps[key] = from_reference(item)
            else:
                yield from self._images(item, state)
            del item

    def _images(self, item: CoilImage, state: "_State") -> Iterator[Image]:
        key = item.encoding, int(item.head["slice"])
        if self.method == "rss":
            image = root_sum_of_squares(item.data)
        else:
            image = weighted_sum(state.weights(key, item), item.data)
        if not (self.gfactor or self.snr):
            yield _image(item, image, "image", self.method)
            return
        yield from self._with_noise(item, image, state)

    def _with_noise(self, item: CoilImage, image: torch.Tensor, state: "_State") -> Iterator[Image]:
        """The image, and its noise: sent once for each pattern of lines, being the same for all its images.

        The image itself knows its noise until a step changes it.
        """
        key = item.encoding, int(item.head["slice"])
        if self.method == "rss":
            weights = item.data.conj().resolve_conj() / image.clamp(min=1e-20)
            noise, fresh = CombinedNoise(coils=item.noise, weights=weights), True
        else:
            noise, fresh = state.noise(key, item.noise, state.weights(key, item))
        following = noise if self.method == "adaptive" else None
        yield _image(item, image, "image", self.method, following)
        if self.gfactor and fresh:
            yield _image(item, noise.sd, "gfactor", self.method, following)
        if self.snr:
            yield _image(item, over(image, noise.sd), "snr", self.method, following)


@dataclass(eq=False)
class _State:
    """What lasts from image to image, by slice."""

    maps: dict[Key, torch.Tensor] = field(default_factory=dict)
    noises: dict[Key, list[tuple[torch.Tensor, CombinedNoise]]] = field(default_factory=dict)
    """The noise of the patterns seen last, with the maps that its weights are of."""

    last: tuple[torch.Tensor, torch.Tensor] | None = None

    def noise(self, key: Key, noise: CoilNoise, weights: torch.Tensor) -> tuple[CombinedNoise, bool]:
        """The noise of the combined image, and whether it is a new one."""
        known = self.noises.setdefault(key, [])
        maps = self.maps[key]
        for under, combined in known:
            if combined.coils == noise and under is maps:
                return combined, False
        known[PATTERNS - 1 :] = []
        known.insert(0, (maps, CombinedNoise(coils=noise, weights=weights)))
        return known[0][1], True

    def weights(self, key: Key, item: CoilImage) -> torch.Tensor:
        """The conjugate maps of the slice; the last ones are kept, since its images follow each other."""
        if key not in self.maps:
            self.maps[key] = from_image(item.data)
        maps = self.maps[key]
        if self.last is None or self.last[0] is not maps:
            height, width = item.data.shape[-2:]
            self.last = maps, expand(maps.conj().resolve_conj(), (height, width), item.data)
        return self.last[1]


def _image(
    item: CoilImage, data: torch.Tensor, role: Role, method: str, noise: ImageNoise | None = None
) -> Image:
    head = item.head.copy()
    head["image_type"] = ImageType.COMPLEX if data.is_complex() else ImageType.MAGNITUDE
    return Image(
        data=data.unsqueeze(0),
        head=head,
        role=role,
        meta={**item.notes, "ScansideEncoding": item.encoding, "ScansideCombine": method},
        noise=noise,
    )
