"""The sd of pure noise, and of a phantom under 256 noises, over that of the noise maps: GRAPPA and SENSE.

The object and the coils are simulated; the noise of pure-noise scans is correlated between the coils, and
whitened by 64 noise readouts. Kernels, maps and phases are those of the first item; noise is in every line.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.figures import Figure
from gadgets.arrays import to_kspace
from gadgets.data import CoilMaps, Image, Kspace, Noise, Reference
from gadgets.gadget import Gadget
from gadgets.head import READOUT_HEAD
from gadgets.image.combine import Combine
from gadgets.image.filter import KspaceFilter
from gadgets.image.partial_fourier import PartialFourier
from gadgets.image.resize import Resize
from gadgets.kspace.coilmaps import EstimateCoilMaps
from gadgets.readout.measurement import measure
from gadgets.readout.whitening import Whitener, whiten
from gadgets.recon.grappa import Grappa
from gadgets.recon.sense import Sense
from gadgets.scan import Encoding, Limit, Scan, Space
from models.simulation.coils import ring
from models.simulation.phantom import raster, shepp_logan

SIZE, DEPTH, COILS, PURE, REPLICAS, BLOCK = 96, 8, 8, 32, 256, 8
READOUTS, SAMPLES = 64, 256
"""Of noise alone, for the whitening; from n samples that has a scatter of 1 / sqrt(2 n) itself."""

PURE_REPLICAS = 24
SIGNAL, FOV, REFERENCE = 100.0, 0.256, 24
MOST_OFF, MOST_PURE, WORST = 0.005, 0.01, 0.03

FILTER = KspaceFilter(sigma=1.5)
HOMODYNE = PartialFourier(method="homodyne", phase="first")
PARTIAL = SIZE // 4
"""Lines that are missing at one side: partial Fourier 6/8."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row of the table."""

    recon: str
    """``grappa`` or ``sense``."""

    factors: tuple[int, int] = (2, 1)
    """R along k1 and along k2, where the lattice is sheared (CAIPIRINHA)."""

    embedded: bool = True
    """Reference lines are part of the image."""

    missing: int = 0
    """Lines, at the lower side."""

    steps: tuple[Gadget, ...] = ()
    matrix: tuple[int, int] = (SIZE, SIZE)
    """Of the reconstruction, (x, y)."""

    @property
    def depth(self) -> int:
        """Planes of the matrix."""
        return DEPTH if self.factors[1] > 1 else 1

    @property
    def name(self) -> str:
        """What is asked of, in words."""
        first, second = self.factors
        words = [f"{self.recon.upper()} R={first}" + (f"x{second}" if second > 1 else "")]
        words += ["put back" if self.embedded else "not put back"] if self.recon == "grappa" else []
        words += ["reference lines"] if self.recon == "sense" and self.embedded else []
        words += ["6/8"] if self.missing else []
        return ", ".join(words + [_called(step) for step in self.steps])

    def gadgets(self, **companions: bool) -> list[Gadget]:
        """The chain behind k-space."""
        if self.recon == "sense":
            return [Sense(**companions), *self.steps]
        return [Grappa(put_back=self.embedded), Combine(**companions), *self.steps]


def _called(step: Gadget) -> str:
    named = {KspaceFilter: "shape", PartialFourier: "method"}
    name = named.get(type(step))
    return str(getattr(step, name)) if name else type(step).__name__


def _cases() -> Iterator[Case]:
    for recon in ("grappa", "sense"):
        for factors in ((2, 1), (3, 1), (4, 1), (2, 2)):
            for embedded in (True, False):
                if not (
                    recon == "sense" and factors == (2, 2) and embedded
                ):  # a volume has the lattice's map
                    yield Case(recon=recon, factors=factors, embedded=embedded)
        for factors, embedded in (((2, 1), True), ((3, 1), False), ((4, 1), True)):
            yield Case(recon=recon, factors=factors, embedded=embedded, steps=(FILTER,))
            yield Case(recon=recon, factors=factors, embedded=embedded, missing=PARTIAL, steps=(HOMODYNE,))
        yield Case(recon=recon, missing=PARTIAL, steps=(PartialFourier(method="filter"),))
        yield Case(recon=recon, embedded=False, missing=PARTIAL, steps=(HOMODYNE, FILTER))
        yield Case(recon=recon, embedded=False, steps=(Resize(), FILTER), matrix=(128, 120))


def run() -> Iterator[Figure]:
    """By case: the mean over the object, the worst block; then pure noise of 32 coils."""
    for case in _cases():
        yield from _replicas(case)
    for recon in ("grappa", "sense"):
        for factor in (2, 3, 4):
            for embedded in (True, False):
                yield from _pure(Case(recon=recon, factors=(factor, 1), embedded=embedded))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scanner:
    """What a case is measured with."""

    case: Case
    coils: int
    generator: torch.Generator

    @property
    def scan(self) -> Scan:
        """The header."""
        depth, (width, height) = self.case.depth, self.case.matrix
        space = Space(matrix=(SIZE, SIZE, depth), fov=(FOV, FOV, 0.008 * depth))
        recon = Space(matrix=(width, height, depth), fov=space.fov)
        missing = self.case.missing
        limits = {
            "kspace_encode_step_1": Limit(maximum=SIZE - 1 - missing, center=SIZE // 2 - missing),
            "kspace_encode_step_2": Limit(maximum=depth - 1, center=depth // 2),
        }
        encoding = Encoding(encoded=space, recon=recon, limits=limits, acceleration=self.case.factors)
        return Scan(encodings=(encoding,))

    @property
    def anatomy(self) -> torch.Tensor:
        """Where the object is, float32 [z, y, x]."""
        plane = torch.as_tensor(raster(shepp_logan(FOV), (FOV, FOV), (SIZE, SIZE)))
        return (plane > 0).float().expand(self.case.depth, SIZE, SIZE)

    @property
    def maps(self) -> torch.Tensor:
        """Coil maps of unit norm, complex64 [coil, z, y, x]."""
        planes = [
            ring(self.coils, (FOV, FOV), 0.02 * (plane - 3.5)).maps((SIZE, SIZE))
            for plane in range(self.case.depth)
        ]
        maps = torch.stack(planes, 1).to(torch.complex64)
        return maps / torch.linalg.vector_norm(maps, dim=0)

    @property
    def pattern(self) -> torch.Tensor:
        """How many times each line is acquired, int32 [k2, k1]."""
        sampled, (first, second) = torch.zeros(self.case.depth, SIZE, dtype=torch.int32), self.case.factors
        for row, k2 in enumerate(range(0, self.case.depth, second)):
            sampled[k2, row % first if second > 1 else 0 :: first] = 1
        if self.case.embedded:
            sampled[:, SIZE // 2 - REFERENCE // 2 : SIZE // 2 + REFERENCE // 2] = 1
        sampled[:, : self.case.missing] = 0
        return sampled

    def white(self, shape: Iterable[int]) -> torch.Tensor:
        """Noise of sd 1 in both parts."""
        size = tuple(shape)
        return torch.complex(*(torch.randn(size, generator=self.generator) for _ in range(2)))

    def item(self, lines: torch.Tensor) -> Kspace:
        """A frame of these lines, [coil, k2, k1, k0]."""
        data = lines * (self.pattern > 0)[..., None]
        head = np.zeros((1, 1, 1), READOUT_HEAD)
        sampled = self.pattern[None, None, None]
        return Kspace(data=data[None, None, None], sampled=sampled, head=head, encoding=0)

    def calibration(self, lines: torch.Tensor) -> Reference | CoilMaps:
        """Reference lines of these, for GRAPPA; for SENSE the coil maps of them."""
        first = SIZE // 2 - REFERENCE // 2
        reference = Reference(
            data=lines[:, :, first : first + REFERENCE],
            first=(0, first),
            shape=(self.case.depth, SIZE, SIZE),
            encoding=0,
            slice=0,
            notes={"ScansideNoise": "scan"},
        )
        return reference if self.case.recon == "grappa" else EstimateCoilMaps().estimate(reference)


def _replicas(case: Case) -> Iterator[Figure]:
    generator = torch.Generator().manual_seed(1)
    scanner = Scanner(case=case, coils=COILS, generator=generator)
    lines = to_kspace(SIGNAL * scanner.anatomy * scanner.maps, (-3, -2, -1))
    calibration = scanner.calibration(lines + scanner.white(lines.shape))

    def items() -> Iterator[Reference | CoilMaps | Kspace]:
        yield calibration
        yield scanner.item(lines)
        for _ in range(REPLICAS):
            yield scanner.item(lines + scanner.white(lines.shape))

    images = _images(case, items(), scanner.scan)
    first, said = next(images).data[0], next(images).data[0]
    phase, real = torch.exp(-1j * first.angle()), HOMODYNE in case.steps
    power = torch.zeros(first.shape, dtype=torch.float64)
    for image in images:
        away = (image.data[0] - first) * phase
        power += away.real.double().square() if real else away.abs().double().square() / 2
    ratio = (power / REPLICAS).sqrt() / said
    inside = first.abs() > 0.5 * first.abs().quantile(0.95)
    yield from _blocks(case.name, ratio, inside)


def _images(case: Case, items: Iterator[Reference | CoilMaps | Kspace], scan: Scan) -> Iterator[Image]:
    stream: Iterable[object] = items
    for gadget in case.gadgets(gfactor=True):
        stream = gadget.process(stream, scan)
    return (item for item in stream if isinstance(item, Image))


def _blocks(name: str, ratio: torch.Tensor, inside: torch.Tensor) -> Iterator[Figure]:
    """The mean of the blocks that lie wholly inside, and the worst of them."""
    depth, height, width = (size // BLOCK * BLOCK if axis else size for axis, size in enumerate(ratio.shape))
    shape = (depth, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    squares, within = (part[:, :height, :width].reshape(shape) for part in (ratio.square(), inside.double()))
    full = within.mean((2, 4)) == 1
    means = squares.mean((2, 4))[full].sqrt()
    off, worst = abs(float(means.mean()) - 1), float((means - 1).abs().max())
    yield Figure(name=f"{name}: mean of replica sd over map, less 1", value=off, limit=MOST_OFF)
    yield Figure(name=f"{name}: worst block", value=worst, limit=WORST, note=f"of {int(full.sum())}")


def _pure(case: Case) -> Iterator[Figure]:
    """Combined images of noise alone that was whitened by noise readouts, and one channel's magnitude."""
    generator = torch.Generator().manual_seed(2)
    scanner = Scanner(case=case, coils=PURE, generator=generator)
    lines = to_kspace(SIGNAL * scanner.anatomy * scanner.maps, (-3, -2, -1))
    mixing = torch.eye(PURE) + 0.3 * scanner.white((PURE, PURE)) / PURE**0.5
    whitener = _whitener(scanner, mixing)

    def noise() -> torch.Tensor:
        mixed = torch.einsum("ij,jzyx->izyx", mixing, scanner.white(lines.shape))
        white: torch.Tensor = torch.einsum("ij,jzyx->izyx", whitener.scaled[1.0], mixed)
        return white

    def items() -> Iterator[Reference | CoilMaps | Kspace]:
        yield scanner.calibration(lines + noise())
        for _ in range(PURE_REPLICAS):
            yield scanner.item(noise())

    found, said = [], torch.zeros(())
    for image in _images(case, items(), scanner.scan):
        if image.role == "gfactor":
            said = image.data[0]
        else:
            found.append(image.data[0])
    inside = said > 0
    ratios = torch.stack([(one / said)[inside] for one in found])
    for part, values in (("real", ratios.real), ("imaginary", ratios.imag)):
        off = abs(float(values.square().mean().sqrt()) - 1)
        yield Figure(
            name=f"pure noise, {case.name}: {part} part's sd over map, less 1", value=off, limit=MOST_PURE
        )
    size = ratios.abs()
    for what, value, expected in (("mean", size.mean(), 1.253), ("sd", size.std(), 0.655)):
        off = abs(float(value) - expected) / expected
        note = f"{float(value):.4f}, expected {expected}"
        yield Figure(
            name=f"pure noise, {case.name}: magnitude's {what}", value=off, limit=MOST_PURE, note=note
        )


def _whitener(scanner: Scanner, mixing: torch.Tensor) -> Whitener:
    """What noise readouts say of coils whose noise is mixed."""
    samples = torch.einsum("ij,rjs->ris", mixing, scanner.white((READOUTS, PURE, SAMPLES)))
    head = np.zeros(READOUTS, READOUT_HEAD)
    head["number_of_samples"], head["active_channels"], head["sample_time_us"] = SAMPLES, PURE, 5
    whitener = whiten(measure([Noise(head=head, data=samples.numpy())], scanner.scan), 1.0)
    whitener.apply(Noise(head=head[:1], data=samples[:1].numpy()))
    return whitener
