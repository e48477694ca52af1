"""The gadget of unrolled networks: the learned image beside the linear one, or why only the latter."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal
from weakref import WeakSet

import torch
from pydantic import Field

from gadgets.arrays import to_image
from gadgets.data import CoilMaps, Image, Kspace, Notes, Reference, Text
from gadgets.errors import DataError
from gadgets.gadget import Gadget
from gadgets.kspace.coilmaps.centre import central
from gadgets.recon.learned.replicas import sd as sd_of
from gadgets.recon.learned.series import Member
from gadgets.recon.learned.serve import Runs, Served
from gadgets.recon.learned.setting import Setting, foreseen, settle
from gadgets.recon.sampling import Frame
from gadgets.recon.sense.answer import answer
from gadgets.recon.sense.gadget import unit
from gadgets.recon.sense.pairing import Key, pairs
from gadgets.scan import Scan
from models.card import Card
from models.errors import ModelError
from models.nets.unrolled import Design
from models.precision import Precision

PATTERNS = 12
"""Patterns of lines, by slice, that are remembered, those used last: of interleaved series up to R = 12."""


@dataclass(frozen=True, kw_only=True)
class Unrolled(Gadget):
    """The image of an unrolled network, trained on simulated objects; the linear image and its noise with it.

    The network iterates between data consistency, exact by one matrix for each column, and a learned
    regulariser that knows the noise map. Where a scan lies outside of what the model was trained and judged
    on, the linear image takes the learned one's place; a text and the image's meta say so and why. Not for
    diagnosis.
    """

    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = "unrolled-2d"
    """One of ``scanside models list``."""

    linear: bool = True
    """Send the Tikhonov SENSE image of the same lines too, and its noise map whenever it changes."""

    outside: Literal["linear", "refuse"] = "linear"
    """What happens to a scan outside of the model's envelope: the linear image instead, or an error."""

    replicas: Annotated[int, Field(ge=0, le=64)] = 0
    """Send the sd of so many (16, say) learned images with fresh noise added: the learned image's noise."""

    backend: Runs = "auto"
    """What runs the network; ``auto``: the best that this machine has. Torch serves where it is not ready."""

    precision: Precision = "fp32"
    """Of exports and engines: ``mixed`` has its convolutions in float16."""

    def process(self, stream: Iterable[Kspace | CoilMaps | Reference], scan: Scan) -> Iterator[Image | Text]:
        """Give an image for each frame, behind it its companions.

        Raises DataError for volumes and where coil maps are missing; for scans outside of the envelope, and
        models that are not as their card says, with ``outside: refuse``.
        """
        state = State(gadget=self, scan=scan)
        for frame, maps in pairs(state.watch(stream)):
            yield from self._images(state.member(frame, maps), state)

    def reconstruct(
        self, setting: Setting, adjoint: torch.Tensor, linear: torch.Tensor, served: Served
    ) -> torch.Tensor:
        """The learned image, complex64 [1, y, x], from A^H y and the linear image of that shape.

        Raises ModelError where the model is for something else.
        """
        loaded = served.load()
        if isinstance(loaded, ModelError):
            raise loaded
        design = loaded[0].card.design
        if not isinstance(design, Design) or design.dynamic:
            raise ModelError(
                f"model {self.model} is for {loaded[0].card.task}, expected an unrolled network of images"
            )
        inputs = setting.inputs(adjoint, linear, design)
        return setting.image(served.run(lambda backend: backend.infer(inputs)), adjoint, design)

    def answers(
        self, member: Member, image: torch.Tensor | None, notes: Notes, state: "State"
    ) -> Iterator[Image | Text]:
        """What leaves of a frame: the learned image [1, y, x], or the linear one where that is None."""
        frame, setting = member.frame, member.setting
        encoding = state.scan.encoding(frame.source.encoding)
        if image is None:
            reason = notes["ScansideFallback"]
            yield from state.served.warn(f"linear image in place of the learned one: {reason}")
        yield from state.served.warn_of_backend()
        scale = state.scale(member)
        common: Notes = {**member.maps.notes, "ScansideScale": scale}
        shown = member.linear if image is None else image
        yield answer(frame, whole(setting, shown) * scale, "image", encoding, {**common, **notes})
        if self.linear:
            how: Notes = {**common, "ScansideSense": f"tikhonov {setting.linear.weight:.3g}"}
            if image is not None:
                yield answer(frame, whole(setting, member.linear) * scale, "linear", encoding, how)
            if member.fresh:
                sd = setting.window.image(setting.sd[None, None].to(torch.complex64))[0].real
                how = {**how, "ScansideNoiseOf": "linear"}
                yield answer(frame, sd.clamp(min=0) * scale, "noise", encoding, how)

    def _images(self, member: Member, state: "State") -> Iterator[Image | Text]:
        setting, served = member.setting, state.served

        def again(adjoint: torch.Tensor, linear: torch.Tensor) -> torch.Tensor:
            return self.reconstruct(setting, adjoint, linear, served)

        image, notes = state.learned(
            lambda card: outside(card, setting.facts(), member.frame.source.notes),
            lambda: again(member.adjoint, member.linear),
        )
        yield from self.answers(member, image, notes, state)
        if self.replicas and image is not None:
            own = sd_of(setting, member.adjoint, again, self.replicas)[None].to(torch.complex64)
            scale = state.scale(member)
            how = {**member.maps.notes, "ScansideScale": scale, **notes, "ScansideNoiseOf": "image"}
            encoding = state.scan.encoding(member.frame.source.encoding)
            yield answer(member.frame, whole(setting, own).real.clamp(min=0) * scale, "noise", encoding, how)


def whole(setting: Setting, image: torch.Tensor) -> torch.Tensor:
    """An image [1, y, x] of the window, on the matrix [z, y, x]."""
    return setting.window.image(image[:, None])[0]


@dataclass(eq=False)
class State:
    """What lasts from image to image."""

    gadget: Unrolled
    scan: Scan
    scales: dict[int, float] = field(default_factory=dict)
    references: dict[Key, Reference] = field(default_factory=dict)
    settings: dict[Key, list[Setting]] = field(default_factory=dict)
    sent: WeakSet[Setting] = field(default_factory=WeakSet)
    served: Served = field(init=False)

    def __post_init__(self) -> None:
        gadget = self.gadget
        self.served = Served(name=gadget.model, backend=gadget.backend, precision=gadget.precision)

    def watch(
        self, stream: Iterable[Kspace | CoilMaps | Reference]
    ) -> Iterator[Kspace | CoilMaps | Reference]:
        """Hand on what comes; behind coil maps set up for the lines that are promised, while those arrive."""
        for item in stream:
            if isinstance(item, Reference):
                self.references[item.encoding, item.slice] = item
            elif isinstance(item, Kspace):
                for reference in central(item):
                    self.references.setdefault((reference.encoding, reference.slice), reference)
            yield item
            if isinstance(item, CoilMaps):
                self._early(item)

    def _early(self, maps: CoilMaps) -> None:
        model = self.served.load()
        reference = self.references.get((maps.encoding, maps.slice))
        encoding = self.scan.encoding(maps.encoding)
        sampled = foreseen(reference, encoding) if reference else None
        if reference is not None and sampled is not None:
            found = settle(maps, sampled, reference, encoding)
            design = None if isinstance(model, ModelError) else model[0].card.design
            self._keep(found.ready(design) if isinstance(design, Design) else found)

    def _setting(self, frame: Frame, maps: CoilMaps) -> tuple[Setting, bool]:
        """The setting of a frame, and whether it is used for the first time."""
        key = maps.encoding, maps.slice
        known = self.settings.get(key, [])
        found = next((each for each in known if each.serves(maps, frame.sampled)), None)
        if found is None:
            if key not in self.references:
                raise DataError(f"Unrolled has no reference lines for slice {maps.slice}")
            encoding = self.scan.encoding(maps.encoding)
            found = settle(maps, frame.sampled, self.references[key], encoding)
            self._keep(found)
        known = self.settings[key]
        known.remove(found)
        known.insert(0, found)
        fresh = found not in self.sent
        self.sent.add(found)
        return found, fresh

    def _keep(self, setting: Setting) -> None:
        known = self.settings.setdefault((setting.maps.encoding, setting.maps.slice), [])
        known[PATTERNS - 1 :] = []
        known.insert(0, setting)

    def member(self, frame: Frame, maps: CoilMaps) -> Member:
        """A frame with its setting and linear images."""
        setting, fresh = self._setting(frame, maps)
        lines = frame.data if frame.source.transformed else to_image(frame.data)
        cut = setting.window.cut(lines, -2)[:, 0]
        adjoint = setting.coils.adjoint(cut, setting.weights)
        linear = setting.linear(adjoint)
        return Member(
            frame=frame, maps=maps, setting=setting, fresh=fresh, lines=cut, adjoint=adjoint, linear=linear
        )

    def scale(self, member: Member) -> float:
        """The unit of a frame's images: one for each encoding space."""
        frame = member.frame
        return self.scales.setdefault(frame.source.encoding, unit(frame, member.setting.window))

    def learned(
        self, faults_of: Callable[[Card], list[str]], work: Callable[[], torch.Tensor]
    ) -> tuple[torch.Tensor | None, Notes]:
        """What ``work`` gives and its notes, or None and notes that say why not."""
        model = self.served.load()
        faults = [str(model)] if isinstance(model, ModelError) else faults_of(model[0].card)
        if not isinstance(model, ModelError) and not faults:
            try:
                found = work()
                if bool(torch.isfinite(torch.view_as_real(found)).all()):
                    return found, self.served.notes()
                faults = [f"model {model[0].card.name} gave values that are not finite"]
            except ModelError as error:
                faults = [str(error)]
        if self.gadget.outside == "refuse":
            raise DataError(f"{self.gadget.model}: {'; '.join(faults)}")
        return None, {"ScansideModel": "none", "ScansideFallback": "; ".join(faults)}


def outside(card: Card, facts: Mapping[str, float], notes: Notes) -> list[str]:
    """Why a scan lies outside of the model's envelope."""
    faults = card.envelope.leaves(facts)
    if notes.get("ScansideNoise") not in ("scan", "dependency"):
        faults.append("noise unknown, expected data whitened by a noise measurement")
    return [f"outside of the envelope of {card.name}: {fault}" for fault in faults]
