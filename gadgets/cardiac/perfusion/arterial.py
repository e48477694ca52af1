"""The arterial input: the left ventricle in the low-resolution images, and its concentration."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from gadgets.cardiac.perfusion.item import FirstPass, Frames
from gadgets.cardiac.perfusion.pictures import derived
from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.scan import Scan
from models.perfusion.arterial import arterial
from models.perfusion.conversion import Form
from models.perfusion.pools import apodized, find_pools, purest


@dataclass(frozen=True, kw_only=True)
class FindArterialInput(Gadget):
    """Find the blood of the left ventricle in the arterial images, and turn its signal into concentration.

    The detector and the conversion say what speaks against their answer; then no flow is given, and the
    report says why. The mask is sent as an image.
    """

    conversion: Form = "closed"
    """What the blood's look-up table is made of: the ``closed`` form, or the ``bloch`` equations."""

    def process(self, stream: Iterable[FirstPass], scan: Scan) -> Iterator[FirstPass | Image]:
        """The first pass with its arterial input; before it the mask."""
        for item in stream:
            frames = item.arterial_frames
            if frames is None:
                yield item
                continue
            pools = find_pools(frames.even, frames.times, frames.side)
            found = replace(
                item, pools=pools, refusals=(*item.refusals, *(f"arterial: {r}" for r in pools.reasons))
            )
            if bool(pools.left.any()):
                labels = (pools.left.int() + 2 * pools.right.int()).to(torch.uint16)
                yield derived(frames, labels, "aifmask", {"ScansideLabels": ["lv", "rv"]})
                found = _converted(found, frames, self.conversion)
            yield found


def _converted(item: FirstPass, frames: Frames, form: Form) -> FirstPass:
    """With the concentration, where the header says enough."""
    if item.protocol is None or item.pools is None or frames.density.shape[1] == 0:
        return item
    if len(item.protocol.echo_times) > len(frames.signal):
        reason = (
            f"the header has {len(item.protocol.echo_times)} arterial echoes, the data {len(frames.signal)}"
        )
        return replace(item, refusals=(*item.refusals, reason))
    mask = purest(apodized(frames.even), item.pools.left)
    signals = apodized(frames.signal)[:, :, mask].double().mean(2)
    densities = apodized(frames.density)[:, :, mask].double().mean((1, 2))
    if reason := _swapped(signals, densities):
        return replace(item, refusals=(*item.refusals, reason))
    found = arterial(signals, densities, frames.times, item.protocol, form)
    form = item.protocol.blood(form).form
    return replace(item, arterial=found, conversion=form, refusals=(*item.refusals, *found.reasons))


def _swapped(signals: torch.Tensor, densities: torch.Tensor) -> str:
    """A reason when the later echo is brighter at the peak, which no decay explains."""
    if len(signals) < 2:
        return ""
    peak = int(signals.sum(0).argmax())
    brighter = float(signals[1, peak]) > 1.02 * float(signals[0, peak])
    if brighter or float(densities[1]) > 1.1 * float(densities[0]):
        return (
            "arterial echoes swapped: at the peak the second is "
            f"{float(signals[1, peak] / signals[0, peak]):.2f} of the first, expected less than 1"
        )
    return ""
