"""The muscle's signal as a concentration of contrast agent."""

from dataclasses import replace

import torch

from gadgets.cardiac.perfusion.item import Slice
from models.perfusion.arterial import EFFICIENCY, Arterial
from models.perfusion.conversion import Form
from models.perfusion.curves import STEP
from models.perfusion.modulation import unmodulated, way_of
from models.perfusion.protocol import Protocol
from models.perfusion.resample import blur

MOST = 10.0
"""Of the look-up table [mM]."""


def concentration(
    one: Slice, arterial: Arterial, protocol: Protocol, form: Form = "closed"
) -> tuple[Slice, tuple[str, ...]]:
    """The slice with its concentrations [mM], and what speaks against them.

    Signal over proton density, smoothed within the muscle and elsewhere apart, so that coils and proton
    density cancel and its noise hardly counts, and what breathing does to the muscle's brightness is taken
    out; the saturation is what makes the muscle's baseline right, and what is left of a pixel's baseline is
    taken away.
    """
    frames, heart = one.frames, one.heart
    if heart is None or frames.density.shape[1] == 0:
        return one, ()
    shading = _shading(frames.density[0].mean(0), heart.muscle) * _level(frames.density[0], heart.muscle)
    ratio = _steady(one, heart.muscle) / shading
    start = float(arterial.times[0]) + STEP * arterial.bolus.foot
    before = frames.times < start
    if int(before.sum()) < 2:
        return one, ("no frame before the bolus",)
    base = float(ratio[before][:, heart.muscle].mean())
    conversion = protocol.tissue(form)
    found = conversion.efficiency(base)
    table = conversion.table(min(max(found, EFFICIENCY[0]), 1.0), MOST)
    held = table(ratio.double())
    held = (held - held[before].mean(0)).float()
    said = []
    if not EFFICIENCY[0] <= found <= EFFICIENCY[1] + 0.05:
        said.append(f"the muscle's baseline asks for a saturation of {found:.2f}, expected about 1")
    return replace(one, gadolinium=held), tuple(said)


def _steady(one: Slice, muscle: torch.Tensor) -> torch.Tensor:
    """The first echo [frame, y, x] without the breath's part of the muscle's brightness."""
    frames = one.frames
    if one.moved is None:
        return frames.signal[0]
    way = way_of(one.moved.displacement[~one.moved.beyond]) * frames.side
    return unmodulated(frames.signal[0], muscle, way, frames.times, frames.side)


def _level(density: torch.Tensor, muscle: torch.Tensor) -> float:
    """The first frame [frame, y, x] over the mean of all, in the muscle.

    The later ones are darker: muscle has not recovered from the pulses of the heartbeat before, while only
    magnetisation in equilibrium is what the look-up table divides by.
    """
    means = density[:, muscle].mean(1)
    return float(means[0] / means.mean())


def _shading(density: torch.Tensor, muscle: torch.Tensor) -> torch.Tensor:
    """Proton density times the coils' shading [y, x], smooth within the muscle and smooth outside of it."""
    out = torch.zeros_like(density)
    for mask in (muscle, ~muscle):
        weight = mask.to(density.dtype)
        smooth = blur(density * weight, 3.0) / blur(weight, 3.0).clamp(min=1e-3)
        out[mask] = smooth[mask]
    low = 0.05 * float(torch.quantile(out.flatten(), 0.9))
    return out.clamp(min=max(low, 1e-9))
