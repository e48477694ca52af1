"""What pulse sequences make of T1, T2 and proton density.

All functions broadcast; times [s], angles [rad], frequencies [Hz].
"""

import math

import torch


def balanced(
    t1: torch.Tensor,
    t2: torch.Tensor,
    density: torch.Tensor,
    *,
    flip: torch.Tensor | float,
    repetition: float,
    frequency: torch.Tensor | float = 0.0,
) -> torch.Tensor:
    """Steady state of balanced SSFP at the echo in the middle of the repetition, complex64.

    Pulses alternate in sign, so that the signal is largest on resonance and falls to bands at frequencies of
    +-1 / (2 repetition). Source: R. Freeman, H. D. W. Hill, J. Magn. Reson. 4 (1971) 366; form of Q. Xiang,
    M. Hoff, Magn. Reson. Med. 71 (2014) 927, eq. 1 to 4.
    """
    flip = torch.as_tensor(flip)
    turn = 2 * math.pi * repetition * torch.as_tensor(frequency) + math.pi
    e1, e2 = torch.exp(-repetition / t1), torch.exp(-repetition / t2)
    cos, sin = torch.cos(flip), torch.sin(flip)
    below = 1 - e1 * cos - e2**2 * (e1 - cos)
    size = density * (1 - e1) * sin / below
    ellipse = e2 * (1 - e1) * (1 + cos) / below
    around = (1 - e2 * torch.polar(torch.ones_like(turn), turn)) / (1 - ellipse * torch.cos(turn))
    echo = torch.polar(
        torch.exp(-repetition / 2 / t2).expand_as(around), -(turn - math.pi).expand(around.shape) / 2
    )
    value: torch.Tensor = size * around * echo
    return value


def spoiled(
    t1: torch.Tensor, density: torch.Tensor, *, flip: torch.Tensor | float, repetition: float
) -> torch.Tensor:
    """Steady state of spoiled gradient echo (R. Ernst, W. Anderson, Rev. Sci. Instrum. 37 (1966) 93)."""
    flip = torch.as_tensor(flip)
    e1 = torch.exp(-repetition / t1)
    value: torch.Tensor = density * torch.sin(flip) * (1 - e1) / (1 - torch.cos(flip) * e1)
    return value


def saturated(
    t1: torch.Tensor,
    density: torch.Tensor,
    *,
    flip: torch.Tensor | float,
    repetition: float,
    delay: float,
    pulse: torch.Tensor,
    efficiency: float = 1.0,
) -> torch.Tensor:
    """Spoiled gradient echo after saturation: the signal of pulse number ``pulse`` (0 is the first).

    ``delay`` from saturation to the first pulse; ``efficiency`` 1 leaves no longitudinal magnetisation. Each
    pulse multiplies it by cos(flip), each repetition lets it recover. Source: D. Larsson et al., Magn. Reson.
    Imaging 19 (2001) 1097 (saturation-recovery turboFLASH).
    """
    flip = torch.as_tensor(flip)
    recovered = 1 - efficiency * torch.exp(-delay / t1)
    e1 = torch.exp(-repetition / t1)
    each = e1 * torch.cos(flip)
    steady = (1 - e1) / (1 - each)
    value: torch.Tensor = density * torch.sin(flip) * (steady + (recovered - steady) * each**pulse)
    return value
