"""SENSE: the sd of pure noise, and of a phantom under 256 noises, over that of the noise maps."""

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.figures import Figure
from gadgets.arrays import to_kspace
from gadgets.data import CoilMaps, Kspace
from gadgets.head import READOUT_HEAD
from gadgets.image.filter import KspaceFilter
from gadgets.kspace.coilmaps import EstimateCoilMaps
from gadgets.kspace.coilmaps.centre import central
from gadgets.recon.sense import Sense
from gadgets.scan import Encoding, Limit, Scan, Space
from models.simulation.coils import ring
from models.simulation.phantom import raster, shepp_logan

SIZE, COILS, PURE, REPLICAS, BLOCK = 96, 8, 32, 256, 8
SIGNAL = 100.0

Case = tuple[str, tuple[int, int], int, int, bool]
"""Name, R along k1 and k2, embedded reference lines, lines that are missing at each edge, filter."""

CASES: tuple[Case, ...] = (
    ("R=2", (2, 1), 0, 0, False),
    ("R=3", (3, 1), 0, 0, False),
    ("R=4", (4, 1), 0, 0, False),
    ("R=3, 24 embedded reference lines", (3, 1), 24, 0, False),
    ("R=2 of 76 of 96 lines", (2, 1), 0, 10, False),
    ("R=3, Gaussian filter", (3, 1), 0, 0, True),
    ("R=2 x 2, CAIPI", (2, 2), 0, 0, False),
)


def run() -> Iterator[Figure]:
    """By case: the mean over the object, the worst block, and pure noise of 32 coils."""
    for case in CASES:
        yield from _replicas(case)
    yield from _pure()


def scanner(coils: int, factors: tuple[int, int], cut: int) -> tuple[Scan, torch.Tensor, torch.Tensor]:
    """A header, coil maps [coil, z, y, x] of unit norm, and the object [z, y, x]."""
    depth = 8 if factors[1] > 1 else 1
    fov = 0.256
    maps = torch.stack([_maps(coils, fov, plane) for plane in range(depth)], 1)
    anatomy = torch.as_tensor(raster(shepp_logan(fov), (fov, fov), (SIZE, SIZE)))
    space = Space(matrix=(SIZE, SIZE, depth), fov=(fov, fov, 0.008 * depth))
    limit = Limit(minimum=cut, maximum=SIZE - 1 - cut, center=SIZE // 2)
    other = Limit(minimum=0, maximum=depth - 1, center=depth // 2)
    limits = {"kspace_encode_step_1": limit, "kspace_encode_step_2": other}
    encoding = Encoding(encoded=space, recon=space, limits=limits, acceleration=factors)
    return Scan(encodings=(encoding,)), maps, SIGNAL * (anatomy > 0).float().expand(depth, SIZE, SIZE)


def _maps(coils: int, fov: float, plane: int) -> torch.Tensor:
    maps = ring(coils, (fov, fov), 0.02 * (plane - 3.5)).maps((SIZE, SIZE)).to(torch.complex64)
    return maps / torch.linalg.vector_norm(maps, dim=0)


def pattern(depth: int, factors: tuple[int, int], reference: int, cut: int) -> torch.Tensor:
    """int32 [k2, k1]; accelerated along both axes it is sheared."""
    sampled = torch.zeros(depth, SIZE, dtype=torch.int32)
    for row, k2 in enumerate(range(0, depth, factors[1])):
        sampled[k2, row % factors[0] if factors[1] > 1 else 0 :: factors[0]] = 1
    sampled[:, SIZE // 2 - reference // 2 : SIZE // 2 + reference // 2] = 1
    sampled[:, :cut] = sampled[:, SIZE - cut :] = 0
    return sampled


def _item(lines: torch.Tensor, sampled: torch.Tensor) -> Kspace:
    head = np.zeros((1, 1, 1), READOUT_HEAD)
    data = lines * (sampled > 0)[..., None]
    return Kspace(data=data[None, None, None], sampled=sampled[None, None, None], head=head, encoding=0)


def _white(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    return torch.complex(torch.randn(shape, generator=generator), torch.randn(shape, generator=generator))


def _replicas(case: Case) -> Iterator[Figure]:
    name, factors, reference, cut, smooth = case
    scan, truth, anatomy = scanner(COILS, factors, cut)
    sampled = pattern(truth.shape[1], factors, reference, cut)
    lines = to_kspace(anatomy * truth, (-3, -2, -1))
    generator = torch.Generator().manual_seed(1)
    whole = _item(lines + _white(lines.shape, generator), torch.ones_like(sampled))
    maps: CoilMaps = EstimateCoilMaps().estimate(next(central(whole)))

    def items() -> Iterator[CoilMaps | Kspace]:
        yield maps
        for _ in range(REPLICAS):
            yield _item(lines + _white(lines.shape, generator), sampled)

    step, total, squares, said = KspaceFilter(sigma=1.5), None, None, None
    phase: torch.Tensor | None = None
    for image in Sense(gfactor=True).process(items(), scan):
        seen = step.one(image, scan) if smooth else image
        if seen.role == "gfactor":
            said = seen.data[0]
            continue
        if phase is None:
            phase = torch.polar(torch.ones(seen.data.shape[1:]), -seen.data[0].angle())
            total, squares = torch.zeros_like(phase.real).double(), torch.zeros_like(phase.real).double()
        along = (seen.data[0] * phase).real.double()
        total, squares = total + along, squares + along.square()
    deviation = (squares - total.square() / REPLICAS) / (REPLICAS - 1)
    inside = (anatomy > 0) & (maps.data[0].abs().sum(0) > 0)
    ratio = torch.where(inside, deviation / said.double().square(), 0)
    blocks, counts = (_blocks(part) for part in (ratio, inside.double()))
    full = counts > 0.99 * BLOCK**2
    means = (blocks[full] / counts[full]).sqrt()
    yield Figure(
        name=f"{name}: mean of replica sd over map, less 1", value=abs(float(means.mean()) - 1), limit=0.005
    )
    worst = float((means - 1).abs().max())
    yield Figure(
        name=f"{name}: worst 8 x 8 block", value=worst, limit=0.03, note=f"of {int(full.sum())} blocks"
    )


def _blocks(array: torch.Tensor) -> torch.Tensor:
    depth = array.shape[0]
    rows = array.reshape(depth, SIZE // BLOCK, BLOCK, SIZE // BLOCK, BLOCK)
    return rows.sum((2, 4))


def _pure() -> Iterator[Figure]:
    """Real and imaginary part of combined images of pure noise, 32 coils, with maps that are known."""
    for name, factors, reference in (("R=2", (2, 1), 0), ("R=3 with 24 reference lines", (3, 1), 24)):
        scan, truth, _ = scanner(PURE, factors, 0)
        sampled = pattern(1, factors, reference, 0)
        generator = torch.Generator().manual_seed(2)
        maps = CoilMaps(data=truth[None], encoding=0, slice=0)
        noises = (_item(_white(truth.shape, generator), sampled) for _ in range(16))
        ratios, said = [], None
        for image in Sense(gfactor=True).process((item for part in ([maps], noises) for item in part), scan):
            if image.role == "gfactor":
                said = image.data[0]
            else:
                ratios.append(image.data[0])
        found = torch.stack(ratios) / said
        for part, values in (("real", found.real), ("imaginary", found.imag)):
            off = abs(float(values.std()) - 1)
            yield Figure(name=f"pure noise, {name}, {part} part: sd over map, less 1", value=off, limit=0.01)
