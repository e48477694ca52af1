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
    """Of the slices [m]."""

    oversampling: int = 2
    """Along the readout: 1 or 2."""

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

    def height(self, index: int) -> float:
        """Distance of a slice from the isocentre [m]."""
        return (index - (self.sampling.slices - 1) / 2) * (self.thickness + self.gap)

    def intensity(self, repetition: NDArray[Any]) -> NDArray[np.float64]:
        """Factors of the signal in repetitions: 1, 1.1, 1.2, ..."""
        return 1 + 0.1 * repetition.astype(np.float64)

    def anatomy(self, index: int) -> tuple[Ellipse, ...]:
        """The head as cut by a slice: smaller and turned from slice to slice."""
        return shepp_logan(min(self.fov), scale=1 / (1 + 0.05 * index), rotation=math.radians(5.0 * index))


@dataclass(frozen=True, kw_only=True, eq=False)
class Simulation:
    """Everything that is known about a simulated scan."""

    protocol: Protocol
    lines: NDArray[Any]
    """``sampling.LINE``, [readout]: the acquisition without the noise readouts."""

    kspace: torch.Tensor = field(repr=False)
    """complex64, [slice, coil, k1, k0]: repetition 0 without noise, all lines of the full matrix."""

    object: torch.Tensor = field(repr=False)
    """float32, [slice, y, x]: signal of repetition 0, mean over each pixel."""

    sensitivities: torch.Tensor = field(repr=False)
    """complex64, [slice, coil, y, x]."""

    mix: torch.Tensor = field(repr=False)
    """complex128, [coil, coil]: A of the noise A w of imaging samples; 0 where there is no noise."""

    image: torch.Tensor = field(repr=False)
    """float32, [slice, y, x]: what a perfect reconstruction of noiseless full data of repetition 0 gives:
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
        shape = (protocol.noise_readouts, protocol.columns * protocol.oversampling)
        return correlated(self.mix * scale, shape, _generator(protocol.seed, 1))

    def readouts(self, count: int = 256) -> Iterator[tuple[slice, torch.Tensor]]:
        """The samples, ``count`` readouts at a time: which ones, and complex64 [readout, coil, sample]."""
        generator = _generator(self.protocol.seed, 2)
        for start in range(0, len(self.lines), count):
            rows = self.lines[start : start + count]
            clean = self.kspace[_index(rows["slice"]), :, _index(rows["k1"])]
            factor = torch.from_numpy(self.protocol.intensity(rows["repetition"])).float()[:, None, None]
            noise = correlated(self.mix, (len(rows), clean.shape[-1]), generator)
            yield slice(start, start + len(rows)), torch.addcmul(noise, clean, factor)


def simulate(protocol: Protocol) -> Simulation:
    """The scan that ``protocol`` describes; equal protocols give equal samples."""
    sampling = protocol.sampling
    slices = [_slice(protocol, index) for index in range(sampling.slices)]
    kspace, maps, objects = (torch.stack(parts) for parts in zip(*slices, strict=True))
    mix = mixing(protocol.coils, _generator(protocol.seed, 0))
    white = _whitened(maps, mix)
    strength = torch.linalg.vector_norm(white, dim=1) * objects
    level = float(strength[objects > EMPTY].mean()) / protocol.snr
    image = _combine(_whitened(_images(kspace, protocol), mix), white)
    return Simulation(
        protocol=protocol,
        lines=plan(sampling, protocol.seed),
        kspace=kspace,
        object=objects,
        sensitivities=maps,
        mix=mix * level,
        image=(image / level if level else image).float(),
    )


def _slice(protocol: Protocol, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    anatomy = protocol.anatomy(index)
    coils = ring(protocol.coils, protocol.fov, protocol.height(index))
    maps = coils.maps(protocol.matrix).to(torch.complex64)
    return _acquire(protocol, anatomy, coils), maps, raster(anatomy, protocol.fov, protocol.matrix)


def _acquire(protocol: Protocol, anatomy: tuple[Ellipse, ...], coils: Sensitivities) -> torch.Tensor:
    """complex64 [coil, k1, k0]: sum_m c[m] spectrum(k - m / (PERIOD fov)), exact but for rounding.

    Scaled so that the orthonormal transform over the oversampled field of view gives the signal itself.
    """
    (nx, ny), fov, reach = protocol.matrix, protocol.fov, HARMONICS
    step = PERIOD // protocol.oversampling
    samples = nx * protocol.oversampling
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


def _lattice(points: int, step: int, fov: float) -> torch.Tensor:
    """Frequencies [1/m] at multiples of 1 / (PERIOD fov) that reach all harmonics of all points."""
    first = -(points // 2) * step
    return torch.arange(first - HARMONICS, first + (points - 1) * step + HARMONICS + 1) / (PERIOD * fov)


def _images(kspace: torch.Tensor, protocol: Protocol) -> torch.Tensor:
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


def _whitened(coils: torch.Tensor, mix: torch.Tensor) -> torch.Tensor:
    """L^-1 x for A A^H = L L^H, along axis 1 of [slice, coil, y, x]."""
    factor = torch.linalg.cholesky(mix @ mix.mH)
    flat = coils.flatten(2).to(torch.complex128)
    white: torch.Tensor = torch.linalg.solve_triangular(factor, flat, upper=False).reshape(coils.shape)
    return white


def _combine(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Magnitude of the projection on the sensitivities, [slice, y, x]."""
    projection = (maps.conj() * images).sum(1).abs()
    combined: torch.Tensor = projection / torch.linalg.vector_norm(maps, dim=1)
    return combined


def _index(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.int64))


def _generator(seed: int, stream: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 16 + stream)
