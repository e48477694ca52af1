"""Spoiled gradient echo by the Bloch equations: the closed forms leave out that spoiling is imperfect."""

import math

import torch

ISOCHROMATS = 71
INCREMENT = math.radians(112)
"""Quadratic increment of the phase of the pulses."""


def flash(
    t1: torch.Tensor,
    t2: torch.Tensor,
    *,
    flip: float,
    repetition: float,
    pulses: int,
    start: torch.Tensor,
    isochromats: int = ISOCHROMATS,
) -> torch.Tensor:
    """Magnitude of the signal at the last of ``pulses`` pulses, float64 [sample].

    ``t1``, ``t2`` [s] and ``start`` (longitudinal magnetisation before the first pulse) are [sample]. The
    gradient of each repetition turns the isochromats evenly through a full turn.
    """
    turn = torch.polar(
        torch.ones(isochromats, dtype=torch.float64),
        2 * math.pi * torch.arange(isochromats, dtype=torch.float64) / isochromats,
    )
    longitudinal = start.to(torch.float64)[:, None].expand(-1, isochromats).clone()
    transverse = torch.zeros(len(start), isochromats, dtype=torch.complex128)
    e1, e2 = (torch.exp(-repetition / each.to(torch.float64))[:, None] for each in (t1, t2))
    phase = 0.0
    for pulse in range(pulses):
        phase += pulse * INCREMENT
        transverse, longitudinal = _pulse(transverse, longitudinal, flip, phase)
        if pulse < pulses - 1:
            transverse = transverse * e2 * turn
            longitudinal = 1 + (longitudinal - 1) * e1
    return transverse.mean(1).abs()


def _pulse(
    transverse: torch.Tensor, longitudinal: torch.Tensor, flip: float, phase: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """A rotation by ``flip`` about the axis at ``phase`` in the transverse plane."""
    axis = complex(math.cos(phase), math.sin(phase))
    near, far = math.cos(flip / 2) ** 2, math.sin(flip / 2) ** 2
    turned = near * transverse + far * axis**2 * transverse.conj()
    tipped = turned - 1j * axis * math.sin(flip) * longitudinal
    along = math.cos(flip) * longitudinal + math.sin(flip) * (transverse * axis.conjugate()).imag
    return tipped, along
