"""Trains of pulses by the Bloch equations.

Closed forms of spoiled ones leave out that spoiling is imperfect; balanced ones have none on their way to the
steady state.
"""

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


def balanced(
    t1: torch.Tensor,
    t2: torch.Tensor,
    *,
    flip: torch.Tensor | float,
    repetition: float,
    pulses: int,
    ramp: int,
    start: torch.Tensor,
) -> torch.Tensor:
    """Magnitude of the signal at the echo of each pulse of a balanced train, float64 [..., pulse].

    On resonance, echoes in the middle of the repetition; what is given broadcasts to [...]. Pulses alternate
    in sign. ``ramp`` run-up pulses come first, a repetition apart, pulse k (from 1) by (2 k - 1) / (2 ramp)
    of ``flip``; their echoes are not acquired. Source of the run-up: open flow-mapping code of the NIH.
    """
    e1, e2 = (torch.exp(-repetition / 2 / each.to(torch.float64)) for each in (t1, t2))
    flip = torch.as_tensor(flip, dtype=torch.float64)
    along = start.to(torch.float64) + torch.zeros_like(e1 * e2 * flip)
    across = torch.zeros_like(along)
    shares = [(2 * each + 1) / (2 * ramp) for each in range(ramp)] + [1.0] * pulses
    echoes = []
    for share in shares:
        cos, sin = torch.cos(share * flip), torch.sin(share * flip)
        across, along = e2 * (cos * across + sin * along), cos * along - sin * across
        echoes.append(across)
        across, along = -e2 * across, 1 + (along - 1) * e1.square()
    return torch.stack(echoes[ramp:], -1).abs()


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
