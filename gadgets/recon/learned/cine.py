"""The gadget of dynamic networks: frames with few lines each, seen together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from gadgets.data import CoilMaps, Image, Kspace, Reference, Text
from gadgets.recon.learned.gadget import State, Unrolled, outside
from gadgets.recon.learned.series import Member, Windows, facts, images, inputs
from gadgets.recon.learned.serve import Served
from gadgets.recon.sense.pairing import pairs
from gadgets.scan import Scan
from models.errors import ModelError
from models.nets.unrolled import Design


@dataclass(frozen=True, kw_only=True)
class UnrolledCine(Unrolled):
    """The images of an unrolled network that sees the frames of a series together; linear ones with them.

    For real-time series whose frames have other lines in turn. The network begins at view-shared frames and
    ends with an exact step to each frame's own lines. Frames of a slice, set, contrast and average are taken
    in windows, so an image leaves when its window is there, or at the end. All else, and all that is said, is
    as with ``Unrolled``; the linear image is that of a frame's own lines alone. Not for diagnosis.
    """

    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")] = "unrolled-2dt"
    """One of ``scanside models list``."""

    frames: Annotated[int, Field(ge=2, le=32)] = 24
    """Of a window."""

    margin: Annotated[int, Field(ge=0, le=8)] = 4
    """So many at a window's edge are looked at again in the next one; they see both sides then."""

    replicas: Annotated[int, Field(ge=0, le=0)] = 0
    """None: what fresh noise does to a series is not measured here."""

    def process(self, stream: Iterable[Kspace | CoilMaps | Reference], scan: Scan) -> Iterator[Image | Text]:
        """Give the images of each window, behind each its companions. Raises DataError as ``Unrolled``."""
        state = State(gadget=self, scan=scan)
        windows: dict[tuple[object, ...], Windows[Member]] = {}
        for frame, maps in pairs(state.watch(stream)):
            member = state.member(frame, maps)
            key = frame.series, member.setting.window
            if key not in windows:
                windows[key] = Windows(size=self.frames, margin=min(self.margin, self.frames // 2 - 1))
            found = windows[key].add(member)
            if found:
                yield from self._window(*found, state)
        for held in windows.values():
            for members, given in held.rest():
                yield from self._window(members, given, state)

    def together(self, members: list[Member], served: Served) -> torch.Tensor:
        """The learned images of a window, complex64 [t, y, x]. Raises ModelError for another model."""
        loaded = served.load()
        if isinstance(loaded, ModelError):
            raise loaded
        design = loaded[0].card.design
        if not isinstance(design, Design) or not design.dynamic or design.consistency != "proximal":
            raise ModelError(
                f"model {self.model} is for {loaded[0].card.task}, expected a dynamic unrolled network"
            )
        given = inputs(members)
        return torch.cat(images(served.run(lambda backend: backend.infer(given)), members))

    def _window(self, members: list[Member], given: range, state: State) -> Iterator[Image | Text]:
        found, notes = state.learned(
            lambda card: outside(card, facts(members), members[0].frame.source.notes),
            lambda: self.together(members, state.served),
        )
        for index in given:
            yield from self.answers(
                members[index], None if found is None else found[index, None], notes, state
            )
