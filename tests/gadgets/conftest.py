"""A phantom with known coil maps, as the items that reconstruction gadgets take."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from gadgets.arrays import to_kspace
from gadgets.data import Block, Kspace, Noise, Reference
from gadgets.head import READOUT_HEAD
from gadgets.scan import Encoding, Limit, Scan, Space


@dataclass(frozen=True, eq=False)
class Phantom:
    """Two ellipses seen by coils around them: [coil, y, x]."""

    coils: int = 6
    height: int = 48
    width: int = 32
    signal: float = 50.0

    def grid(self):
        y, x = torch.arange(self.height) - self.height // 2, torch.arange(self.width) - self.width // 2
        return torch.meshgrid(y / self.height, x / self.width, indexing="ij")

    @property
    def object(self):
        y, x = self.grid()
        body = ((y / 0.42) ** 2 + (x / 0.4) ** 2 < 1).float()
        return self.signal * (body + 0.5 * (((y - 0.1) / 0.12) ** 2 + (x / 0.15) ** 2 < 1).float())

    @property
    def maps(self):
        y, x = self.grid()
        coils = []
        for angle in (2 * math.pi * coil / self.coils for coil in range(self.coils)):
            away = (y - 0.6 * math.sin(angle)) ** 2 + (x - 0.6 * math.cos(angle)) ** 2
            phase = angle + 3 * math.cos(angle) * y + 3 * math.sin(angle) * x
            coils.append(torch.polar(torch.exp(-away / 0.5), phase))
        maps = torch.stack(coils)
        return maps / torch.linalg.vector_norm(maps, dim=0)

    @property
    def lines(self):
        """k-space without noise, [coil, k1, k0]."""
        return to_kspace(self.object * self.maps, (-2, -1))

    def scan(self, acceleration=1, **change):
        space = Space(matrix=(self.width, self.height, 1), fov=(self.width * 1e-3, self.height * 1e-3, 5e-3))
        limits = {"kspace_encode_step_1": Limit(maximum=self.height - 1, center=self.height // 2)}
        factors = acceleration if isinstance(acceleration, tuple) else (acceleration, 1)
        fields = {"encoded": space, "recon": space, "limits": limits, "acceleration": factors}
        return Scan(encodings=(Encoding(**{**fields, **change}),))

    def pattern(self, acceleration=1, reference=0, offset=0):
        sampled = torch.zeros(self.height, dtype=torch.int32)
        sampled[offset::acceleration] = 1
        first = self.height // 2 - reference // 2
        sampled[first : first + reference] = 1
        return sampled

    def kspace(self, lines, sampled, number=0, **fields):
        head = np.zeros((1, 1, 1), READOUT_HEAD)
        head["idx"]["slice"] = number
        data = torch.where(sampled[:, None] > 0, lines, 0)[None, None, None, :, None]
        return Kspace(data=data, sampled=sampled[None, None, None, None], head=head, encoding=0, **fields)

    def reference(self, lines, count, number=0, **fields):
        first = self.height // 2 - count // 2
        shape = (1, self.height, lines.shape[-1])
        data = lines[:, None, first : first + count]
        return Reference(data=data, first=(0, first), shape=shape, encoding=0, slice=number, **fields)


@pytest.fixture
def phantom():
    return Phantom()


@pytest.fixture
def white():
    """Complex noise of sd 1 in both parts, torch, reproducible."""
    generator = torch.Generator().manual_seed(7)

    def draw(*shape):
        return torch.complex(torch.randn(shape, generator=generator), torch.randn(shape, generator=generator))

    return draw


@pytest.fixture
def readouts():
    """Make a block (or another kind of readouts) of samples [readout, coil, sample]."""

    def make(data, kind=Block, **fields):
        data = np.ascontiguousarray(data, np.complex64)
        head = np.zeros(len(data), READOUT_HEAD)
        head["number_of_samples"], head["active_channels"] = data.shape[2], data.shape[1]
        head["center_sample"] = data.shape[2] // 2
        head["sample_time_us"] = 5
        if kind is Noise:
            head["flags"] = int(Noise.flags)
        for name, value in fields.items():
            head[name] = value
        return kind(head=head, data=data)

    return make
