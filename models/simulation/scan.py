"""A simulated scan: the samples that coils around a head would give, and everything they were made from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.errors import SimulationError
from models.simulation.coils import HARMONICS, PERIOD, Sensitivities, ring
from models.simulation.noise import correlated, mixing
from models.simulation.phantom import Ellipse, positions, raster, shepp_logan, spectrum
from models.simulation.sampling import Sampling, plan

LIFT = 0.4
"""Coils around a slab lie in two rings at this distance from its middle, in fields of view."""

SLAB = 0.75
"""Depth of a slab in fields of view, the smaller one: as much as coils can encode by their places along z."""

EMPTY = 0.01
"""Pixels with less signal do not count as object."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is measured and how."""

    sampling: Sampling
    columns: int
    """Points of the image along the readout."""

    coils: int = 8
    pixel: float = 0.001
    """Side of a pixel [m]."""

    thickness: float = 0.005
    gap: float = 0.001
    """Of the slices [m]; a slab is as deep as ``SLAB`` says."""

    oversampling: int = 2
    """Along the readout: 1 or 2."""

    echo: float = 1.0
    """Acquired part of the readout, more than a half; the first samples are left out (asymmetric echo)."""

    snr: float = 30.0
    """Mean over the object of signal / noise sd in the fully sampled, optimally combined image of one average
    of repetition 0; infinite: no noise."""

    noise_readouts: int = 64
    dwell: float = 5e-6
    noise_dwell: float = 8e-6
    """Time between samples [s], of imaging and of noise readouts; the noise's power is inverse to it."""

    start: float = 36000.0
    """Time of the first readout since midnight [s]."""

    seed: int = 0

    def __post_init__(self) -> None:
        """Raise SimulationError where the numbers make no scan."""
        if self.oversampling not in (1, 2):
            raise SimulationError(f"oversampling is {self.oversampling}, expected 1 or 2")
        if self.coils < 1 or self.columns < 2:
            raise SimulationError(f"{self.coils} coils and {self.columns} columns, expected at least 1 and 2")
        if not 0.5 < self.echo <= 1:
            raise SimulationError(f"asymmetric echo is {self.echo}, expected above 0.5 and at most 1")
        if not self.snr > 0:
            raise SimulationError(f"SNR is {self.snr}, expected above 0")

    @property
    def matrix(self) -> tuple[int, int]:
        """Points of the image, (x, y)."""
        return self.columns, self.sampling.lines

    @property
    def fov(self) -> tuple[float, float]:
        """Field of view of the image [m], (x, y)."""
        return self.columns * self.pixel, self.sampling.lines * self.pixel

    @property
    def depth(self) -> float:
        """Field of view along z [m]."""
        return SLAB * min(self.fov) if self.sampling.partitions > 1 else self.thickness

    @property
    def samples(self) -> int:
        """Points of a full readout."""
        return self.columns * self.oversampling

    @property
    def skipped(self) -> int:
        """How many of them an asymmetric echo leaves out, at the beginning."""
        return self.samples - max(round(self.samples * self.echo), self.samples // 2 + 1)

    @property
    def planes(self) -> int:
        """How many planes the object is made of: slices, or partitions of the one slab."""
        return max(self.sampling.slices, self.sampling.partitions)

    def height(self, index: int) -> float:
        """Distance of a plane from the isocentre [m]; plane n // 2 of a slab lies at 0."""
        if self.sampling.partitions > 1:
            return (index - self.sampling.partitions // 2) * self.depth / self.sampling.partitions
        return (index - (self.sampling.slices - 1) / 2) * (self.thickness + self.gap)

    def intensity(self, repetition: NDArray[Any]) -> NDArray[np.float64]:
        """Factors of the signal in repetitions: 1, 1.1, 1.2, ..."""
        return 1 + 0.1 * repetition.astype(np.float64)

    def anatomy(self, index: int) -> tuple[Ellipse, ...]:
        """The head as cut by a plane: smaller and turned from slice to slice, and towards the slab's ends."""
        sampling = self.sampling
        step: float = index if sampling.partitions == 1 else abs(index - sampling.partitions // 2)
        if sampling.partitions > 1:
            step *= 16 / sampling.partitions
        return shepp_logan(min(self.fov), scale=1 / (1 + 0.05 * step), rotation=math.radians(5.0 * step))


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation:
    """Everything that is known about a simulated scan."""

    protocol: Protocol
    lines: NDArray[Any]
    """``sampling.LINE``, [readout]: the acquisition without the noise readouts."""

    kspace: torch.Tensor = field(repr=False)
    """complex64, [slice or k2, coil, k1, k0]: repetition 0 without noise, all lines of the full matrix."""

    object: torch.Tensor = field(repr=False)
    """float32, [slice or z, y, x]: signal of repetition 0, mean over each pixel. A slab consists of planes,
    band-limited along z."""

    sensitivities: torch.Tensor = field(repr=False)
    """complex64, [slice or z, coil, y, x]."""

    mix: torch.Tensor = field(repr=False)
    """complex128, [coil, coil]: A of the noise A w of imaging samples; 0 where there is no noise."""

    image: torch.Tensor = field(repr=False)
    """float32, [slice or z, y, x]: what a perfect reconstruction of noiseless full data of repetition 0 is:
    the coil images at the resolution of the matrix, combined along the true sensitivities after prewhitening,
    in units of the noise's sd (of the signal, where there is no noise)."""

    @property
    def covariance(self) -> torch.Tensor:
        """Covariance of the imaging samples' noise, of the real as of the imaginary part, [coil, coil]."""
        return self.mix @ self.mix.mH

    def noise(self) -> torch.Tensor:
        """The readouts without excitation, complex64 [readout, coil, sample]."""
        protocol = self.protocol
        scale = math.sqrt(protocol.dwell / protocol.noise_dwell)
        shape = (protocol.noise_readouts, protocol.samples)
        return correlated(self.mix * scale, shape, generator(protocol.seed, 1))

    def readouts(self, count: int = 256) -> Iterator[tuple[slice, torch.Tensor]]:
        """The samples, ``count`` readouts at a time: which ones, and complex64 [readout, coil, sample]."""
        random = generator(self.protocol.seed, 2)
        for start in range(0, len(self.lines), count):
            rows = self.lines[start : start + count]
            plane = _index(rows["slice"]) + _index(rows["k2"])
            clean = self.kspace[plane, :, _index(rows["k1"]), self.protocol.skipped :]
            factor = torch.from_numpy(self.protocol.intensity(rows["repetition"])).float()[:, None, None]
            noise = correlated(self.mix, (len(rows), clean.shape[-1]), random)
            yield slice(start, start + len(rows)), torch.addcmul(noise, clean, factor)


def simulate(protocol: Protocol) -> Simulation:
    """The scan that ``protocol`` describes; equal protocols give equal samples."""
    sampling = protocol.sampling
    planes = [_plane(protocol, index) for index in range(protocol.planes)]
    kspace, maps, objects = (torch.stack(parts) for parts in zip(*planes, strict=True))
    mix = mixing(protocol.coils, generator(protocol.seed, 0))
    white = whitened(maps, mix)
    strength = torch.linalg.vector_norm(white, dim=1) * objects
    level = float(strength[objects > EMPTY].mean()) / protocol.snr
    image = combine(whitened(coil_images(kspace, protocol), mix), white)
    return Simulation(
        protocol=protocol,
        lines=plan(sampling, protocol.seed),
        kspace=_along_z(kspace) if sampling.partitions > 1 else kspace,
        object=objects,
        sensitivities=maps,
        mix=mix * level,
        image=(image / level if level else image).float(),
    )


def _plane(protocol: Protocol, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    anatomy = protocol.anatomy(index)
    lift = LIFT * max(protocol.fov) if protocol.sampling.partitions > 1 else 0.0
    coils = ring(protocol.coils, protocol.fov, protocol.height(index), lift)
    maps = coils.maps(protocol.matrix).to(torch.complex64)
    return _acquire(protocol, anatomy, coils), maps, raster(anatomy, protocol.fov, protocol.matrix)


def _acquire(protocol: Protocol, anatomy: tuple[Ellipse, ...], coils: Sensitivities) -> torch.Tensor:
    """complex64 [coil, k1, k0]: sum_m c[m] spectrum(k - m / (PERIOD fov)), exact but for rounding.

    Scaled so that the orthonormal transform over the oversampled field of view gives the signal itself.
    """
    ny, fov, reach = protocol.sampling.lines, protocol.fov, HARMONICS
    step = PERIOD // protocol.oversampling
    samples = protocol.samples
    kx, ky = _lattice(samples, step, fov[0]), _lattice(ny, PERIOD, fov[1])
    fine = spectrum(anatomy, kx, ky).to(torch.complex64)
    scale = math.sqrt(samples * ny) / (fov[0] * protocol.oversampling * fov[1])
    weights = (coils.coefficients.flip(1, 2) * scale).reshape(protocol.coils, -1).to(torch.complex64)
    width = 2 * reach + 1
    windows = fine.unfold(0, width, PERIOD).unfold(1, width, step)
    out = torch.empty(protocol.coils, ny, samples, dtype=torch.complex64)
    for k1 in range(ny):
        torch.matmul(weights, windows[k1].reshape(samples, -1).T, out=out[:, k1])
    return out


def _along_z(planes: torch.Tensor) -> torch.Tensor:
    """The orthonormal transform of the planes, [k2, ...]; its origin is plane n // 2."""
    count = len(planes)
    back = _inverse(count, positions(1.0, count), 1.0)
    return torch.einsum("zk,zcyx->kcyx", back.conj(), planes)


def _lattice(points: int, step: int, fov: float) -> torch.Tensor:
    """Frequencies [1/m] at multiples of 1 / (PERIOD fov) that reach all harmonics of all points."""
    first = -(points // 2) * step
    return torch.arange(first - HARMONICS, first + (points - 1) * step + HARMONICS + 1) / (PERIOD * fov)


def coil_images(kspace: torch.Tensor, protocol: Protocol) -> torch.Tensor:
    """Coil images at the matrix of the image, by the defining sums of the transform."""
    columns, lines = protocol.matrix
    over = _inverse(
        kspace.shape[-1], positions(protocol.fov[0], columns), protocol.fov[0] * protocol.oversampling
    )
    down = _inverse(lines, positions(protocol.fov[1], lines), protocol.fov[1])
    return down @ (kspace @ over.T)


def _inverse(points: int, position: torch.Tensor, fov: float) -> torch.Tensor:
    """complex64 [position, k]: exp(2 pi i k r) / sqrt(points)."""
    phase = 2 * math.pi / fov * position[:, None] * (torch.arange(points) - points // 2)
    return torch.polar(torch.full_like(phase, points**-0.5), phase).to(torch.complex64)


def whitened(coils: torch.Tensor, mix: torch.Tensor) -> torch.Tensor:
    """L^-1 x for A A^H = L L^H, along axis 1 of [slice, coil, y, x]."""
    factor = torch.linalg.cholesky(mix @ mix.mH)
    flat = coils.flatten(2).to(torch.complex128)
    white: torch.Tensor = torch.linalg.solve_triangular(factor, flat, upper=False).reshape(coils.shape)
    return white


def combine(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Magnitude of the projection on the sensitivities, [slice, y, x]."""
    projection = (maps.conj() * images).sum(1).abs()
    combined: torch.Tensor = projection / torch.linalg.vector_norm(maps, dim=1)
    return combined


def _index(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.int64))


def generator(seed: int, stream: int) -> torch.Generator:
    """A source of random numbers; each use has a stream of its own."""
    return torch.Generator().manual_seed(seed * 16 + stream)
