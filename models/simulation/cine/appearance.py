"""How the tissues of a slice look: balanced steady state, its bands, and texture."""

import math
from dataclasses import dataclass

import torch

from models.simulation.cine.protocol import Cine
from models.simulation.plane import Plane
from models.simulation.signal import balanced
from models.simulation.tissue import Tissue, properties

STEPS = 256
"""Frequencies at which signals are tabulated, over +-``SPAN`` [Hz]."""

SPAN = 400.0
FAT_SHIFT = -3.5e-6
"""Chemical shift of fat relative to water."""

LARMOR = 42.577e6
"""[Hz/T]."""

UNEVEN = {Tissue.LIVER: 2.5, Tissue.LUNG: 5.0, Tissue.STOMACH: 4.0, Tissue.FAT: 1.5, Tissue.MUSCLE: 2.0}
"""Texture of tissues relative to that of blood. Muscle of the heart has none: it would not move with it."""

STILL = (Tissue.MYOCARDIUM, Tissue.RIGHT_WALL, Tissue.PAPILLARY, Tissue.SCAR)
WAVES = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Appearance:
    """Signal of each tissue at each frequency, and what varies over a slice."""

    table: torch.Tensor
    """complex64, [tissue, frequency]."""

    unevenness: torch.Tensor
    """float32, [tissue]."""

    frequency: torch.Tensor
    """Index into the table, int64 [y, x]."""

    texture: torch.Tensor
    """Mean 0, sd 1, float32 [y, x]."""

    def image(self, labels: torch.Tensor) -> torch.Tensor:
        """The signal of tissues [layer, y, x], mean over the layers, complex64 [y, x]."""
        which = labels.long()
        signal = self.table.reshape(-1)[which * STEPS + self.frequency].mean(0)
        return signal * (1 + self.unevenness[which].mean(0) * self.texture)


def appearance(cine: Cine, plane: Plane, fine: int) -> Appearance:
    """The look of a slice; equal seeds give equal ones."""
    generator = torch.Generator().manual_seed(cine.scan.seed * 16 + 7)
    table = _table(cine, generator)
    points = plane.points(fine, 1)[:, 0]
    terms = torch.randn(6, generator=generator)
    x, y, z = (points - torch.tensor(cine.patient.pose.center)[:, None, None]) / 0.08
    field = (
        terms[0] * x
        + terms[1] * y
        + terms[2] * z
        + 0.5 * (terms[3] * x * y + terms[4] * y * z + terms[5] * x * z)
    )
    frequency = cine.off_resonance * torch.tanh(field)
    index = ((frequency / SPAN + 1) / 2 * (STEPS - 1)).round().long()
    unevenness = torch.tensor([0.0 if t in STILL else UNEVEN.get(t, 1.0) for t in Tissue]) * cine.texture
    return Appearance(
        table=table, unevenness=unevenness, frequency=index, texture=_texture(points, generator)
    )


def _table(cine: Cine, generator: torch.Generator) -> torch.Tensor:
    known = properties(cine.field, generator)
    shift = torch.zeros(len(Tissue))
    shift[Tissue.FAT] = FAT_SHIFT * LARMOR * cine.field
    grid = torch.linspace(-SPAN, SPAN, STEPS)
    return balanced(
        known.t1[:, None],
        known.t2[:, None],
        known.density[:, None],
        flip=cine.flip,
        repetition=cine.scan.sampling.repetition_time,
        frequency=grid[None, :] + shift[:, None],
    ).to(torch.complex64)


def _texture(points: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A sum of plane waves of 6 to 30 mm in the patient, with random phases."""
    length = 0.006 * 5 ** torch.rand(WAVES, generator=generator)
    turn = torch.nn.functional.normalize(torch.randn(WAVES, 3, generator=generator), dim=1)
    phase = 2 * math.pi * torch.rand(WAVES, generator=generator)
    flat = points.reshape(3, -1)
    waves = torch.cos(2 * math.pi * (turn / length[:, None]) @ flat + phase[:, None])
    return (waves.sum(0) * math.sqrt(2 / WAVES)).reshape(points.shape[1:])
