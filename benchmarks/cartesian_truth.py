"""A real brain, undersampled afterwards: our images and BART's, SigPy's and mrpro's against the full scan.

The same whitened samples for all, maps of each program's own, each at the best of the same weights. NRMSE at
the best scale and SSIM of the magnitude, inside the head, against the root sum of squares of the full scan.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figures import Figure, data_file
from benchmarks.rivals import Task, answers, nrmse, ssim
from gadgets.arrays import root_sum_of_squares, to_image
from gadgets.recon.cartesian import estimate_maps, expected_power, sense, sparse_sense
from server.files.arrays import arrange, read_array

FULL, UNDERSAMPLED = "cartesian/brain8_full.cfl", "cartesian/brain8_und2x2.cfl"
READOUT, PHASE, COIL = 1, 2, 3
CENTRE = 24
RIDGES = (1e-3, 1e-2, 3e-2, 1e-1)
"""lambda of the L2 norm; eigenvalues of A^H A are at most 1."""

STRENGTHS = (1.0, 3.0, 8.0, 20.0)
"""Of the prior from reference lines: 1 where it says the truth."""

LEVELS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
"""Thresholds in units of the noise in A^H y."""

THREADS = 2

PEERS = ("bart", "sigpy", "mrpro")
"""mrpro has no ESPIRiT and takes BART's maps."""


def run() -> Iterator[Figure]:
    """By case: our best linear and sparse image, each beside those of the others."""
    full, below = whitened()
    truth = root_sum_of_squares(to_image(full, (-2, -1))).numpy()
    inside = truth > 0.1 * np.quantile(truth, 0.99)
    masks = {f"R={factor}": uniform(full.shape[1:], factor) for factor in (2, 3, 4)}
    partial = uniform(full.shape[1:], 2)
    partial[: full.shape[1] // 4] = 0
    masks |= {"R=2, 6/8": partial, "Poisson R=4": poisson(full.shape[1:], 4.0)}
    cases = {name: (full, mask) for name, mask in masks.items()}
    cases["2 x 2, one partition"] = (below, (below.abs().sum(0) > 0).float())
    for name, (lines, mask) in cases.items():
        yield from _case(name, lines * mask, mask, truth, inside)


Row = tuple[str, str, float, float, float]
"""Whose, which way, NRMSE, SSIM, weight."""


def _case(
    name: str, lines: torch.Tensor, mask: torch.Tensor, truth: NDArray[Any], inside: NDArray[np.bool_]
) -> Iterator[Figure]:
    rows = _ours(lines, mask, truth, inside)
    density = float(mask.mean()) ** 0.5
    tasks, peers = _tasks(lines, mask, tuple(level * density for level in LEVELS))
    for (peer, way, weights), found in zip(peers, tasks, strict=True):
        images = [(weight, image) for weight, (image, _) in zip(weights, found, strict=True)]
        rows.append((peer, way, *_best(images, truth, inside)))
    for peer, way, error, alike, weight in rows:
        yield Figure(name=f"{name}: {peer}, {way}", value=error, note=f"SSIM {alike:.4f}, weight {weight:g}")
    for kind in ("L2", "wavelet"):
        own, others = (
            [row for row in rows if row[1].startswith(kind) and (row[0] == "scanside") == ours]
            for ours in (True, False)
        )
        plain = [row for row in own if row[1] == kind]
        for told, some in ((kind, plain), (f"{kind} with prior", own))[: len(own)]:
            error = min(row[2] for row in some) / min(row[2] for row in others)
            alike = max(row[3] for row in some) / max(row[3] for row in others)
            yield Figure(name=f"{name}: {told}, NRMSE over the best other's", value=error, limit=1.01)
            yield Figure(
                name=f"{name}: {told}, SSIM over the best other's", value=alike, limit=0.99, sense="at least"
            )


def _ours(
    lines: torch.Tensor, mask: torch.Tensor, truth: NDArray[Any], inside: NDArray[np.bool_]
) -> list[Row]:
    maps = estimate_maps(lines, mask, noise=1.0)
    power = expected_power(lines, maps, mask)
    ways: dict[str, tuple[tuple[float, ...], Callable[[float], torch.Tensor]]] = {
        "L2": (RIDGES, lambda weight: sense(lines, maps, mask, ridge=weight, iterations=30)),
        "L2 with prior": (
            STRENGTHS,
            lambda weight: sense(lines, maps, mask, ridge=weight, iterations=30, power=power),
        ),
        "wavelet": (LEVELS, lambda weight: sparse_sense(lines, maps, mask, weight=weight, iterations=50)),
    }
    rows = []
    for way, (weights, work) in ways.items():
        images = [(weight, work(weight)[0, 0].numpy()) for weight in weights]
        rows.append(("scanside", way, *_best(images, truth, inside)))
    return rows


def _tasks(lines: torch.Tensor, mask: torch.Tensor, levels: tuple[float, ...]) -> Any:  # noqa: ANN401
    arrays = {"lines": lines.numpy(), "mask": mask.numpy()}
    makers = [Task(peer=peer, what="maps", lines="lines", mask="mask") for peer in ("bart", "sigpy")]
    for task, found in zip(makers, answers(makers, arrays, times=0, threads=THREADS), strict=True):
        arrays[task.peer] = found[0][0]
    if "mrpro" in PEERS:
        arrays["mrpro"] = arrays["bart"]
    tasks = [
        Task(peer=peer, what="cg", lines="lines", mask="mask", maps=peer, weights=RIDGES, iterations=30)
        for peer in PEERS
    ]
    tasks += [
        Task(peer=peer, what="l1", lines="lines", mask="mask", maps=peer, weights=levels, iterations=50)
        for peer in PEERS
    ]
    peers = [
        (task.peer, "wavelet", LEVELS) if task.what == "l1" else (task.peer, "L2", RIDGES) for task in tasks
    ]
    return answers(tasks, arrays, times=0, threads=THREADS), peers


def _best(
    images: list[tuple[float, NDArray[Any]]], truth: NDArray[Any], inside: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """NRMSE, SSIM and weight of the image with the least NRMSE."""
    weight, image = min(images, key=lambda one: nrmse(one[1], truth, inside))
    return nrmse(image, truth, inside), ssim(image, truth, inside), weight


def whitened() -> tuple[torch.Tensor, torch.Tensor]:
    """The full scan and the undersampled one, [coil, y, x], whitened by the corners of k-space."""
    full, below = (
        torch.from_numpy(arrange(read_array(data_file(name)), READOUT, PHASE, COIL)[0].copy())
        for name in (FULL, UNDERSAMPLED)
    )
    rows, columns = full.shape[1] // 10, full.shape[2] // 10
    corners = [
        full[:, y, x]
        for y in (slice(rows), slice(-rows, None))
        for x in (slice(columns), slice(-columns, None))
    ]
    noise = torch.cat([corner.flatten(1) for corner in corners], 1)
    factor = torch.linalg.cholesky(noise @ noise.mH / (2 * noise.shape[1]))
    white = [
        torch.linalg.solve_triangular(factor, lines.flatten(1), upper=False).reshape(lines.shape)
        for lines in (full, below)
    ]
    return white[0], white[1]


def uniform(shape: tuple[int, ...], factor: int) -> torch.Tensor:
    """Lines with (y - Y/2) mod R = 0 and the central ones, float32 [y, x]."""
    height, width = shape
    mask = torch.zeros(height, width)
    mask[height // 2 % factor :: factor] = 1
    mask[height // 2 - CENTRE // 2 : height // 2 + CENTRE // 2] = 1
    return mask


def poisson(shape: tuple[int, ...], factor: float) -> torch.Tensor:
    """Samples at random that keep a distance growing from the centre, and the centre, float32 [y, x]."""
    height, width = shape
    low, high = 0.3, 6.0
    for _ in range(12):
        spread = (low + high) / 2
        mask = _darts(height, width, spread)
        low, high = (spread, high) if mask.mean() > 1 / factor else (low, spread)
    return torch.from_numpy(mask)


def _darts(height: int, width: int, spread: float) -> NDArray[np.float32]:
    order = np.random.default_rng(0).permutation(height * width)
    y, x = np.divmod(order, width)
    radius = np.hypot((y - height / 2) / height, (x - width / 2) / width)
    reach = spread * (0.3 + 2 * radius)
    mask = np.zeros((height, width), np.float32)
    for row, column, least in zip(y.tolist(), x.tolist(), reach.tolist(), strict=True):
        near = int(least)
        some = mask[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1]
        if not some.any():
            mask[row, column] = 1
    mask[
        height // 2 - CENTRE // 2 : height // 2 + CENTRE // 2,
        width // 2 - CENTRE // 2 : width // 2 + CENTRE // 2,
    ] = 1
    return mask
