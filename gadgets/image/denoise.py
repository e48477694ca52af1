"""Learned models that take images: denoisers in SNR units, and whatever a site converted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import torch
from pydantic import Field

from gadgets.data import Image, Text
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.image.follow import MAPS, NOISE_OF
from gadgets.image.history import noted
from gadgets.recon.learned.serve import Runs, Served
from gadgets.scan import Scan
from models.apply import apply
from models.backends import Backend
from models.errors import ModelError
from models.precision import Precision

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]

Key = tuple[str, int]
"""What shares a noise map: encoding space and slice."""


@dataclass(frozen=True, kw_only=True)
class Denoise(Gadget):
    """Complex images with less noise, by a learned denoiser that is told their noise at each pixel.

    Stands right behind ``Combine: {gfactor: true}`` (or another step that sends a noise map). The image as it
    was follows with the role ``linear``; the maps are then those of the linear image. Where the model cannot
    serve, or the noise is not known, the image passes as it is, and a text and its meta say why. Not for
    diagnosis.
    """

    model: Name = "denoise-2d"
    """One of ``scanside models list``."""

    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How much of what the model takes away is taken away."""

    linear: bool = True
    """Send the image as it was, too."""

    outside: Literal["linear", "refuse"] = "linear"
    """What happens to images that the model was not made for: they pass, or an error."""

    replicas: Annotated[int, Field(ge=0, le=64)] = 0
    """Send the sd of so many answers to the image with fresh noise (16, say), as a noise map of the image."""

    backend: Runs = "auto"
    """What runs the network; ``auto``: the best that this machine has."""

    precision: Precision = "fp32"
    """Of exports and engines."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image | Text]:
        """Give each image, denoised, and its companions behind it.

        An image whose noise map comes behind it waits for that. Raises DataError with ``outside: refuse``.
        """
        state = _State(served=Served(name=self.model, backend=self.backend, precision=self.precision))
        for item in stream:
            key = str(item.meta.get("ScansideEncoding", 0)), int(item.head["slice"])
            if item.role in MAPS:
                if item.role != "snr":
                    state.maps[key] = item.data[0].real
                    yield from self._waiting(state, key)
                yield replace(item, meta={**item.meta, NOISE_OF: "linear"})
            elif item.role != "image":
                yield item
            elif item.noise is None and key not in state.maps:
                state.waiting.setdefault(key, []).append(item)
            else:
                sd = state.maps[key] if item.noise is None else item.noise.sd
                yield from self._images(item, sd, state)
        for key in list(state.waiting):
            yield from self._waiting(state, key)

    def _waiting(self, state: "_State", key: Key) -> Iterator[Image | Text]:
        for item in state.waiting.pop(key, []):
            yield from self._images(item, state.maps.get(key), state)

    def _images(self, item: Image, sd: torch.Tensor | None, state: "_State") -> Iterator[Image | Text]:
        try:
            found = self._denoised(item, sd, state)
        except ModelError as error:
            if self.outside == "refuse":
                raise DataError(f"{self.model}: {error}") from error
            yield from state.served.warn(f"image as it was in place of the denoised one: {error}")
            yield replace(item, meta={**item.meta, "ScansideModel": "none", "ScansideFallback": str(error)})
            return
        yield from state.served.warn_of_backend()
        meta = noted(item.meta, f"Denoise {self.strength:g}", state.served.notes())
        yield replace(item, data=found, meta=meta, noise=None)
        if self.linear:
            yield replace(item, role="linear", noise=None)
        if self.replicas and sd is not None:
            yield replace(
                item,
                data=self._sd(item, sd, state),
                role="noise",
                noise=None,
                meta={**meta, NOISE_OF: "image"},
            )

    def _denoised(self, item: Image, sd: torch.Tensor | None, state: "_State") -> torch.Tensor:
        """The image [channel, z, y, x]. Raises ModelError where the model cannot serve."""
        loaded = state.served.load()
        if isinstance(loaded, ModelError):
            raise loaded
        model = loaded[0]
        height, width = item.data.shape[-2:]
        faults = model.card.envelope.leaves({"lines": height, "columns": width})
        if not item.data.is_complex():
            faults.append("an image without phase, expected a complex one: before Magnitude")
        if sd is None or item.meta.get("ScansideNoise") not in ("scan", "dependency"):
            faults.append("noise unknown, expected SNR units and a noise map")
        if faults:
            raise ModelError(f"outside of the envelope of {model.card.name}: {'; '.join(faults)}")
        images = item.data.flatten(0, 1)
        parts = []
        for one, plane in zip(images, _planes(sd, item), strict=True):

            def work(backend: Backend, one: torch.Tensor = one, plane: torch.Tensor = plane) -> torch.Tensor:
                return apply(model, backend, one[None], plane)

            parts.append(state.served.run(work))
        found = torch.cat(parts).reshape(item.data.shape)
        if not bool(torch.isfinite(torch.view_as_real(found)).all()):
            raise ModelError(f"model {model.card.name} gave values that are not finite")
        return item.data + self.strength * (found - item.data)

    def _sd(self, item: Image, sd: torch.Tensor, state: "_State") -> torch.Tensor:
        """Sd of the answers (real part as imaginary part) to the image with fresh white noise, seed 0."""
        generator = torch.Generator().manual_seed(0)
        shape = (*item.data.shape, 2)
        answers = []
        for _ in range(self.replicas):
            noise = torch.view_as_complex(torch.randn(shape, generator=generator)) * sd
            answers.append(self._denoised(replace(item, data=item.data + noise), sd, state))
        parts = torch.view_as_real(torch.stack(answers))
        return parts.var(0).mean(-1).sqrt()


def _planes(sd: torch.Tensor | None, item: Image) -> torch.Tensor:
    """The noise map of each plane of each channel, [channel z, y, x]."""
    shape = item.data.shape
    whole = torch.ones(shape[1:]) if sd is None else sd
    return whole.expand(shape).flatten(0, 1)


@dataclass(eq=False, kw_only=True)
class _State:
    """What lasts from image to image."""

    served: Served
    maps: dict[Key, torch.Tensor] = field(default_factory=dict)
    waiting: dict[Key, list[Image]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ApplyModel(Gadget):
    """Images as a converted model makes them of other images; the image as it was follows as ``linear``.

    Where the model cannot serve, the image passes as it is, and a text and its meta say why. What such a
    model does to the noise nobody knows: noise maps are then those of the linear image. Not for diagnosis.
    """

    model: Name
    """One that ``scanside models convert`` made (SCANSIDE_MODELS)."""

    linear: bool = True
    """Send the image as it was, too."""

    backend: Runs = "auto"
    """What runs the network: ONNX Runtime where nothing else is asked for."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image | Text]:
        """Give each main image as the model makes it; other items pass."""
        served = Served(name=self.model, backend=self.backend)
        for item in stream:
            if item.role in MAPS:
                yield replace(item, meta={**item.meta, NOISE_OF: "linear"})
            elif item.role != "image":
                yield item
            else:
                yield from self._images(item, served)

    def _images(self, item: Image, served: Served) -> Iterator[Image | Text]:
        images = item.data.flatten(0, 1).to(torch.complex64)
        try:
            loaded = served.load()
            if isinstance(loaded, ModelError):
                raise loaded
            found = served.run(lambda backend: apply(loaded[0], backend, images, None)).reshape(
                item.data.shape
            )
        except ModelError as error:
            yield from served.warn(f"image as it was in place of the model's: {error}")
            yield replace(item, meta={**item.meta, "ScansideModel": "none", "ScansideFallback": str(error)})
            return
        meta = noted(item.meta, f"ApplyModel {self.model}", served.notes())
        yield replace(item, data=found if item.data.is_complex() else found.abs(), meta=meta, noise=None)
        if self.linear:
            yield replace(item, role="linear", noise=None)
