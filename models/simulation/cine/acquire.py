"""The samples of a cine scan, slice by slice, and its truth."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.simulation.cine.appearance import Appearance, appearance
from models.simulation.cine.protocol import Cine, plan_cine
from models.simulation.coils import Sensitivities, ring
from models.simulation.noise import correlated, mixing
from models.simulation.plane import Plane
from models.simulation.scan import coil_images, combine, generator, whitened
from models.simulation.tissue import LEFT_CAVITY, LEFT_MUSCLE, Tissue

FINE = 2
"""Parts of a pixel along each axis in which the object is laid out."""

LAYERS = 5
CAVITY, MUSCLE, RIGHT = 1, 2, 3
"""Labels of the true segmentation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """A plane, what is seen there and with which coils."""

    cine: Cine
    plane: Plane
    look: Appearance
    coils: Sensitivities
    sensitivities: torch.Tensor
    """complex64 [coil, y, x] over the parts of the pixels."""

    breath: float = 0.0
    along: tuple[torch.Tensor, torch.Tensor] = field(repr=False)
    """Transform from parts to samples, along y [k1, y] and x [x, k0]."""

    def labels(self, phase: float, breath: float | None = None) -> torch.Tensor:
        """Tissues, uint8 [layer, y, x] in parts."""
        moved = self.breath if breath is None else breath
        return self.cine.patient.labels(self.plane, phase, moved, FINE, LAYERS)

    def kspace(self, labels: torch.Tensor) -> torch.Tensor:
        """All lines of all coils, complex64 [coil, k1, k0]."""
        y, x = self.along
        return y @ (self.sensitivities * self.look.image(labels)) @ x


def slice_at(cine: Cine, index: int, breath: float = 0.0) -> Slice:
    """A slice of the stack."""
    plane, scan = cine.plane(index), cine.scan
    x, y = plane.offsets(FINE)
    coils = ring(scan.coils, scan.fov, scan.height(index))
    return Slice(
        cine=cine,
        plane=plane,
        look=appearance(cine, plane, FINE),
        coils=coils,
        sensitivities=coils.at(x, y).to(torch.complex64),
        breath=breath,
        along=(
            transform(y, scan.sampling.lines, scan.fov[1], 1),
            transform(x, scan.samples, scan.fov[0], scan.oversampling).T.contiguous(),
        ),
    )


def transform(position: torch.Tensor, points: int, fov: float, over: int) -> torch.Tensor:
    """complex64 [k, position]: the orthonormal transform gives the mean signal over a pixel."""
    k = (torch.arange(points, dtype=torch.float64) - points // 2) / (fov * over)
    phase = -2 * math.pi * k[:, None] * position[None, :]
    scale = math.sqrt(points) / (over * len(position))
    return torch.polar(torch.full_like(phase, scale), phase).to(torch.complex64)


@dataclass(kw_only=True, eq=False)
class CineSimulation:
    """A cine scan; its truth is complete when all readouts have been made."""

    cine: Cine
    lines: NDArray[Any]
    """``CINE_LINE``, [readout]."""

    mixing: torch.Tensor
    mix: torch.Tensor
    """complex128 [coil, coil]: of noise of sd 1, and of the samples' noise."""

    level: float
    """Standard deviation of the noise, in signal."""

    labels: list[torch.Tensor] = field(default_factory=list)
    """By slice, uint8 [state, y, x]."""

    images: list[torch.Tensor] = field(default_factory=list)
    """By slice, float32 [state, y, x]."""

    def noise(self) -> torch.Tensor:
        """The readouts without excitation, complex64 [readout, coil, sample]."""
        scan = self.cine.scan
        scale = math.sqrt(scan.dwell / scan.noise_dwell)
        return correlated(self.mix * scale, (scan.noise_readouts, scan.samples), generator(scan.seed, 1))

    def readouts(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """The samples of each slice: which readouts, and complex64 [readout, coil, sample]."""
        random = generator(self.cine.scan.seed, 2)
        for index in range(self.cine.scan.sampling.slices):
            rows = np.flatnonzero(self.lines["slice"] == index)
            part = self.lines[rows]
            gated = self.cine.gating == "retrospective"
            clean = self._gated(index, part, random) if gated else self._realtime(index, part)
            noise = correlated(self.mix, (len(part), clean.shape[-1]), random)
            yield slice(int(rows[0]), int(rows[-1]) + 1), clean + noise

    def _gated(self, index: int, part: NDArray[Any], random: torch.Generator) -> torch.Tensor:
        """Between the states of the cycle the lines are interpolated linearly."""
        cine = self.cine
        held = cine.breath * float(torch.randn((), generator=random))
        one = slice_at(cine, index, held)
        moments = [one.labels(state / cine.states) for state in range(cine.states)]
        kspace = torch.stack([one.kspace(each) for each in moments])
        self._known(one, moments, kspace)
        place = part["cycle"] % 1.0 * cine.states
        before = torch.from_numpy(place.astype(np.int64))
        weight = torch.from_numpy(place - np.floor(place)).float()[:, None, None]
        k1 = torch.from_numpy(part["k1"].astype(np.int64))
        skipped = cine.scan.skipped
        low = kspace[before % cine.states, :, k1, skipped:]
        return low + weight * (kspace[(before + 1) % cine.states, :, k1, skipped:] - low)

    def _realtime(self, index: int, part: NDArray[Any]) -> torch.Tensor:
        """Each frame shows the moment of its middle line."""
        cine = self.cine
        one = slice_at(cine, index)
        out = torch.empty(
            len(part), cine.scan.coils, cine.scan.samples - cine.scan.skipped, dtype=torch.complex64
        )
        moments, frames = [], []
        for frame in range(cine.frames):
            rows = np.flatnonzero(part["phase"] == frame)
            middle = part[rows[len(rows) // 2]]
            turn = 2 * math.pi * float(middle["time"]) / cine.breath_interval
            labels = one.labels(float(middle["cycle"]), cine.breath * (1 - math.cos(turn)) / 2)
            kspace = one.kspace(labels)
            k1 = torch.from_numpy(part["k1"][rows].astype(np.int64))
            out[torch.from_numpy(rows)] = kspace[:, k1, cine.scan.skipped :].transpose(0, 1)
            moments.append(labels)
            frames.append(kspace)
        self._known(one, moments, torch.stack(frames))
        return out

    def _known(self, one: Slice, moments: list[torch.Tensor], kspace: torch.Tensor) -> None:
        """Keep the true labels and images of a slice."""
        x, y = one.plane.offsets()
        maps = one.coils.at(x, y).to(torch.complex64)[None]
        seen = whitened(coil_images(kspace, self.cine.scan), self.mixing)
        image = combine(seen, whitened(maps, self.mixing)) / (self.level or 1.0)
        self.images.append(image.float())
        self.labels.append(torch.stack([segmented(each) for each in moments]))


def segmented(labels: torch.Tensor) -> torch.Tensor:
    """The label that most of each pixel has, from tissues [layer, y, x] in parts: uint8 [y, x]."""
    classes = torch.zeros(256, dtype=torch.uint8)
    for tissues, label in ((LEFT_CAVITY, CAVITY), (LEFT_MUSCLE, MUSCLE), ((Tissue.RIGHT_BLOOD,), RIGHT)):
        classes[[int(each) for each in tissues]] = label
    which = classes[labels.long()]
    shares = torch.stack([(which == label).float().mean(0) for label in range(4)])
    found: torch.Tensor = torch.nn.functional.avg_pool2d(shares, FINE).argmax(0).to(torch.uint8)
    return found


def simulate_cine(cine: Cine) -> CineSimulation:
    """The scan that is described; equal descriptions give equal samples.

    The signal-to-noise ratio is that of the left ventricle's blood in the middle slice, at end-diastole.
    """
    mix = mixing(cine.scan.coils, generator(cine.scan.seed, 0))
    index = cine.scan.sampling.slices // 2
    one = slice_at(cine, index)
    x, y = one.plane.offsets()
    maps = one.coils.at(x, y).to(torch.complex64)[None]
    labels = one.labels(0.0)
    signal = torch.nn.functional.avg_pool2d(one.look.image(labels).abs()[None], FINE)[0]
    strength = torch.linalg.vector_norm(whitened(maps, mix), dim=1)[0] * signal
    inside = segmented(labels) == CAVITY
    mean = float(strength[inside].mean()) if inside.any() else float(strength.max())
    level = mean / cine.scan.snr
    return CineSimulation(cine=cine, lines=plan_cine(cine), mixing=mix, mix=mix * level, level=level)
