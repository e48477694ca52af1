"""The samples of a dual-sequence first pass: each line weighted by the magnetisation of its own pulse."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray

from models.simulation.cine.acquire import transform
from models.simulation.noise import correlated, mixing
from models.simulation.perfusion.appearance import Look, look, picture, strengths
from models.simulation.perfusion.array import array
from models.simulation.perfusion.plan import plan_perfusion
from models.simulation.perfusion.scene import MUSCLE, Scene, scene, segmented
from models.simulation.perfusion.sequence import Train
from models.simulation.perfusion.series import healthy, shading
from models.simulation.perfusion.study import Study
from models.simulation.perfusion.truth import Truth, known
from models.simulation.scan import generator as source
from models.simulation.scan import whitened

RANK = 3
"""Of the signals over the pulses of a train: beyond, they are alike to 3e-4 of the largest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Camera:
    """One image plane with its coils: from tables of signal to samples."""

    where: Scene
    train: Train
    weights: torch.Tensor
    """See ``strengths``, [node, y, x]."""

    coils: torch.Tensor
    """complex64 [coil, y, x], over the parts that are laid out; the voxel's volume in it."""

    down: torch.Tensor
    across: torch.Tensor
    """Transforms along y, [k1, y], and x, [x, k0]."""

    def lines(self, breath: float, table: torch.Tensor) -> torch.Tensor:
        """The acquired lines, complex64 [line, coil, k0], of signals [node, row, pulse]."""
        return self._seen(breath, table, self.down[list(self.train.lines)])

    def references(self, breath: float, table: torch.Tensor) -> torch.Tensor:
        """The reference lines, all with the signal of the pulse at the centre of k-space."""
        centre = table[..., self.train.center : self.train.center + 1]
        return self._seen(breath, centre, self.down[list(self.train.sampling.reference)])

    def _seen(self, breath: float, table: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
        nodes, rows, pulses = table.shape
        left, size, right = torch.linalg.svd(table.reshape(-1, pulses), full_matrices=False)
        rank = min(RANK, pulses)
        basis = (left[:, :rank] * size[:rank]).reshape(nodes, rows, rank)
        pictures = picture(self.where.shares(breath), basis, self.weights)
        there = torch.nonzero(pictures.abs().amax((0, 1)))[:, 0]
        body = slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, 1)
        shares = right[:rank].mT.to(torch.complex64)
        folded = (shares[:, :, None] * down[:, None, :]).flatten(1)
        near, inside = self.coils[..., body], pictures[..., body]
        seen = torch.stack([folded @ (coil * inside).flatten(0, 1) for coil in near], 1)
        return seen @ self.across[body]


@dataclass(kw_only=True, eq=False)
class PerfusionSimulation:
    """A scan of a study."""

    study: Study
    cnr: float
    coils: int = 12
    oversampling: int = 2
    dwell: float = 2.5e-6
    noise_dwell: float = 5e-6
    noise_readouts: int = 64
    seed: int = 0
    """Of the noise."""

    eyes: Look = field(repr=False)
    lines: NDArray[Any] = field(repr=False)
    """``plan.PERFUSION_LINE``, [readout]."""

    mix: torch.Tensor = field(repr=False)
    """Of the samples' noise, complex128 [coil, coil]."""

    scenes: dict[int, Scene] = field(default_factory=dict, repr=False)
    """What was laid out so far; another simulation of the same person and breathing may take it over."""

    def noise(self) -> torch.Tensor:
        """The readouts without excitation, complex64 [readout, coil, sample]."""
        samples = self.study.sequence.muscle.matrix[0] * self.oversampling
        scale = math.sqrt(self.dwell / self.noise_dwell)
        return correlated(self.mix * scale, (self.noise_readouts, samples), source(self.seed, 1))

    def readouts(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """The samples image by image: which readouts, and complex64 [readout, coil, sample]."""
        random = source(self.seed, 2)
        for rows, clean in self.clean():
            yield rows, clean + correlated(self.mix, (len(clean), clean.shape[-1]), random)

    def clean(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """The same without noise."""
        study = self.study
        cameras = {index: camera(self, index) for index in range(-1, study.sequence.slices)}
        times = {index: study.times(index) for index in cameras}
        breaths = {index: study.breaths(each).tolist() for index, each in times.items()}
        ready = {
            index: self.eyes.ready(one.train, times[index][: study.sequence.density])
            for index, one in cameras.items()
        }
        at = 0
        still = torch.ones_like(ready[-1][0]) if ready[-1] else torch.ones(4, len(self.eyes.t1)).double()
        for one in cameras.values():
            data = one.references(0.0, self.eyes.dark(one.train, still))
            if not len(data):
                continue
            yield slice(at, at + len(data)), data
            at += len(data)
        for beat in range(len(study.waves)):
            for index, one in cameras.items():
                data = self._image(one, beat, float(times[index][beat]), breaths[index][beat], ready[index])
                yield slice(at, at + len(data)), data
                at += len(data)

    def _image(
        self, one: Camera, beat: int, time: float, breath: float, ready: list[torch.Tensor]
    ) -> torch.Tensor:
        """All readouts of an image; the echoes of a pulse follow each other."""
        echoes = []
        for echo in range(len(one.train.echoes)):
            if beat < len(ready):
                table = self.eyes.dark(one.train, ready[beat], echo)
            else:
                table = self.eyes.bright(one.train, time, echo)
            echoes.append(one.lines(breath, table))
        return torch.stack(echoes, 1).flatten(0, 1)

    def truth(self) -> Truth:
        """Masks, curves and flow, at the matrix of the slices."""
        return known(self.eyes, [scene(self.study, index) for index in range(self.study.sequence.slices)])


def camera(simulation: PerfusionSimulation, index: int) -> Camera:
    """The plane of a slice (-1: of the arterial image); it is kept in ``scenes``."""
    study, over = simulation.study, simulation.oversampling
    sequence = study.sequence
    train = sequence.artery if index < 0 else sequence.muscle
    where = simulation.scenes.setdefault(index, scene(study, index, halves=True))
    x, y = where.plane.offsets()
    volume = (sequence.muscle.matrix[0] / train.matrix[0]) ** 2
    coils = array(simulation.coils, sequence.fov, x, y)
    return Camera(
        where=where,
        train=train,
        weights=strengths(study.field(x, y)),
        coils=coils * shading(where) * volume,
        down=transform(y, train.matrix[1], sequence.fov[1], 1),
        across=transform(x, train.matrix[0] * over, sequence.fov[0], over).T.contiguous(),
    )


def simulate_perfusion(
    study: Study, cnr: float = 12.0, coils: int = 12, seed: int = 0
) -> PerfusionSimulation:
    """The scan of a study; equal descriptions give equal samples.

    ``cnr``: peak enhancement of healthy muscle under stress over the sd of the noise behind the parallel
    imaging, SENSE's with the true maps; mean over the muscle of the middle slice at end-expiration.
    """
    mix = mixing(coils, source(seed, 0))
    eyes = look(study)
    loud = healthy(eyes, study.sequence.muscle)
    level = loud * _clear(study, coils, mix) / cnr
    return PerfusionSimulation(
        study=study,
        cnr=cnr,
        coils=coils,
        seed=seed,
        eyes=eyes,
        lines=plan_perfusion(study),
        mix=mix * level,
    )


def _clear(study: Study, coils: int, mix: torch.Tensor) -> float:
    """Signal over noise sd in the muscle, of a signal of 1 with noise of ``mix``, after acceleration."""
    where = scene(study, study.sequence.slices // 2)
    x, y = where.plane.offsets()
    maps = array(coils, study.sequence.fov, x, y) * shading(where)
    white = whitened(maps[None], mix)[0]
    held = where.shares(0.0)
    clear = _unfolded(white, held.of(0) < 1, study.sequence.muscle.acceleration)
    muscle = segmented(held) == MUSCLE
    return float(clear[muscle].mean())


def _unfolded(white: torch.Tensor, body: torch.Tensor, factor: int) -> torch.Tensor:
    """1 / (noise sd) of SENSE with whitened maps [coil, y, x] at ``factor`` along y, [y, x].

    K. Pruessmann et al., Magn. Reson. Med. 42 (1999) 952, eq. 22.
    """
    seen = white * body
    coils, height, width = seen.shape
    folded = seen.reshape(coils, factor, height // factor, width).permute(2, 3, 0, 1)
    gram = folded.mH @ folded
    eye = torch.eye(factor, dtype=gram.dtype)
    empty = gram.diagonal(dim1=-2, dim2=-1).real < 1e-9
    inverse = torch.linalg.inv(gram + eye * empty[..., None, :] + 1e-9 * eye)
    variance = inverse.diagonal(dim1=-2, dim2=-1).real * factor
    clear = torch.where(empty, 0.0, variance.clamp_min(1e-12).rsqrt())
    return clear.permute(2, 0, 1).reshape(height, width)
