"""Calibration by the noise: every row of the equations counts as much as its error allows.

A GRAPPA kernel fits the centre of k-space, where its model errors (finite kernel) are large because the
signal is, and where the acquired lines are put back makes only lines far from it, where noise prevails. So
there the rows are weighted by 1 / (alpha + beta e): e is the mean energy of the samples used, alpha the error
that noise leaves, beta that of the model, both found from the residuals of a first fit (feasible generalised
least squares). Where the lines at the centre are made as well, their error counts most: all rows count alike.

Where the noise is known (prewhitened data), lambda makes up for the rows' having a higher signal-to-noise
ratio than the lines to be made: with S the mean energy of signal, weighted over the rows, and T that expected
in the lines to be made, lambda = 2 sigma^2 (S / T - 1) sum(w), 2 sigma^2 the noise energy of a sample, so
that signal over noise + lambda is that of those lines.
"""

import math

import torch

from gadgets.arrays import to_kspace
from gadgets.data import Notes, Reference
from gadgets.errors import DataError
from gadgets.recon.grappa.kernel import lags
from gadgets.recon.grappa.neighbours import Neighbours
from gadgets.recon.sampling import extent

NOISE = 2.0
"""Energy of the noise in a prewhitened sample: sd 1 in the real and in the imaginary part."""

ROWS, FIRST_ROWS = 32, 8
"""How many rows the equations have at most for each unknown, in the end and in the first fit."""

ROUNDING = 1e-6
"""What is added to the diagonal in any case, relative to it."""

Rows = tuple[torch.Tensor, torch.Tensor]
"""Samples used [row, kx and source and coil], samples made [row, target and coil]."""


def weighted(reference: Reference, group: Neighbours, width: int) -> tuple[torch.Tensor, float]:
    """The weights of one group, complex64 [kx, source, target, coil made, coil used], and lambda as used.

    For images that keep the reference lines as they were acquired. Raises DataError when these are empty.
    """
    lines = _lines(reference)
    coils = lines.shape[0]
    alpha, beta = _variance(lines, group, width)
    used, made = _rows(lines, group, width, ROWS)
    energy = _energy(used)
    counts = 1 / (alpha + beta * energy)
    noise = _noise(reference, lines, energy, counts)
    solution, relative = _solve(used, made, counts, noise)
    shape = (width, len(group.sources), coils, len(group.targets), coils)
    return solution.reshape(shape).permute(0, 1, 3, 4, 2).contiguous(), relative


def _variance(lines: torch.Tensor, group: Neighbours, width: int) -> tuple[float, float]:
    """alpha and beta, from a first fit whose rows count by their energy alone."""
    used, made = _rows(lines, group, width, FIRST_ROWS)
    energy = _energy(used)
    if not bool((energy > 0).any()):
        return 1.0, 0.0
    first, _ = _solve(used, made, 1 / (energy + energy[energy > 0].median()), 0.0)
    return variance(energy, _energy(made - used @ first))


def _lines(reference: Reference) -> torch.Tensor:
    """The reference lines as far as they were sampled along k0, complex64 [coil, k2, k1, k0]."""
    data = to_kspace(reference.data) if reference.transformed else reference.data
    first, last = (round((edge + 1) * data.shape[-1] / 2) for edge in extent(reference.notes, "X"))
    return data[..., first:last]


def _rows(lines: torch.Tensor, group: Neighbours, width: int, most: int) -> Rows:
    """All positions of the kernel, or as many k0 evenly spread as give ``most`` rows for each unknown."""
    coils, size2, size1, points = lines.shape
    (low2, low1), (high2, high1) = group.box
    count2, count1 = size2 - (high2 - low2), size1 - (high1 - low1)
    reach = lags(width)
    inside = torch.arange(-min(reach), points - max(reach))
    unknowns = width * len(group.sources) * coils
    step = max(1, math.ceil(len(inside) * count2 * count1 / (most * unknowns)))
    inside = inside[(points // 2 - int(inside[0])) % step :: step] if len(inside) else inside

    def at(place: tuple[int, int], shift: int) -> torch.Tensor:
        k2, k1 = place[0] - low2, place[1] - low1
        return lines[:, k2 : k2 + count2, k1 : k1 + count1].index_select(-1, inside + shift)

    used = torch.stack([at(place, shift) for shift in reach for place in group.sources])
    made = torch.stack([at(place, 0) for place in group.targets])
    return _by_row(used), _by_row(made)


def _by_row(parts: torch.Tensor) -> torch.Tensor:
    """[line, coil, k2, k1, k0] to [row, line and coil]."""
    return parts.permute(2, 3, 4, 0, 1).flatten(0, 2).flatten(1)


def _energy(rows: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(rows).square().sum((1, 2)) / rows.shape[1]


def _solve(
    used: torch.Tensor, made: torch.Tensor, counts: torch.Tensor, noise: float
) -> tuple[torch.Tensor, float]:
    """The weighted equations' solution, and lambda over the mean of the diagonal."""
    factor = counts.sqrt().unsqueeze(1)
    weighty = used * factor
    normal = _gram(weighty).to(torch.complex128)
    right = (weighty.mH @ (made * factor)).to(torch.complex128)
    mean = float(normal.diagonal().real.mean())
    normal.diagonal().add_(noise + ROUNDING * mean)
    cholesky, failed = torch.linalg.cholesky_ex(normal)
    if int(failed) or not bool(torch.isfinite(cholesky).all()):
        raise DataError("the reference lines do not determine a kernel: they are empty or not finite")
    return torch.cholesky_solve(right, cholesky).to(torch.complex64), noise / mean


def _gram(rows: torch.Tensor) -> torch.Tensor:
    """A^H A; of two halves that mirror one another most of one is not computed."""
    size = rows.shape[1]
    step = -(-size // 4)
    out = rows.new_empty((size, size))
    for start in range(0, size, step):
        stop = min(start + step, size)
        torch.matmul(rows[:, start:stop].mH, rows[:, start:], out=out[start:stop, start:])
        out[stop:, start:stop] = out[start:stop, stop:].mH
    return out


def variance(energy: torch.Tensor, error: torch.Tensor) -> tuple[float, float]:
    """alpha and beta of error = alpha + beta energy, each row's scatter being as large as its value."""
    there = energy > 0
    energy, error = energy[there].double(), error[there].double()
    floor = max(float(error.median()), 1e-30)
    alpha, beta = floor, 0.0
    for _ in range(20):
        weight = (alpha + beta * energy).square().reciprocal()
        zero, one, two = (float((weight * energy**power).sum()) for power in (0, 1, 2))
        plain, sloped = float((weight * error).sum()), float((weight * error * energy).sum())
        det = zero * two - one * one
        if det <= 1e-12 * zero * two:
            break
        alpha = max((two * plain - one * sloped) / det, 1e-3 * floor)
        beta = max((zero * sloped - one * plain) / det, 0.0)
    return alpha, beta


def known_noise(notes: Notes) -> bool:
    """Whether the data were whitened, so that their noise is known."""
    return notes.get("ScansideNoise", "none") != "none"


def even(reference: Reference) -> float:
    """lambda, relative to the mean of the diagonal, where all rows count alike: all lines are made."""
    if not known_noise(reference.notes):
        return ROUNDING
    lines = _lines(reference)
    part = lines.shape[1] * lines.shape[2] / (reference.shape[0] * reference.shape[1])
    energy = float(torch.view_as_real(lines).square().sum(-1).mean())
    anywhere = max(part * energy + (1 - part) * _beyond(reference, lines) - NOISE, 1e-3 * NOISE)
    return max(NOISE * ((energy - NOISE) / anywhere - 1) / max(energy, NOISE), ROUNDING)


def _noise(reference: Reference, lines: torch.Tensor, energy: torch.Tensor, counts: torch.Tensor) -> float:
    """lambda; 0 where the noise is not known, or the lines to be made have as much signal as the rows."""
    if not known_noise(reference.notes):
        return 0.0
    rows = float((counts * energy).sum() / counts.sum()) - NOISE
    beyond = max(_beyond(reference, lines) - NOISE, 1e-3 * NOISE)
    return NOISE * max(rows / beyond - 1, 0.0) * float(counts.sum())


def _beyond(reference: Reference, lines: torch.Tensor) -> float:
    """Mean energy expected of a sample outside the reference lines.

    As far from the centre, relative to the matrix, as it is, the lines at the centre have that along k0.
    """
    profile = _profile(reference, lines)
    distances = [(torch.arange(size) - size // 2).abs() / (size / 2) for size in reference.shape]
    k2, k1 = distances[0] if reference.shape[0] > 1 else torch.zeros(1), distances[1]
    outside = torch.ones(reference.shape[:2], dtype=torch.bool)
    (first2, first1), (size2, size1) = reference.first, lines.shape[1:3]
    outside[first2 : first2 + size2, first1 : first1 + size1] = False
    place = (k2[:, None].square() + k1.square())[outside]
    radius = (place[:, None] + distances[2].square()).sqrt().clamp(max=1)
    return float(profile[(radius * (len(profile) - 1)).round().long()].mean()) if len(place) else 0.0


def _profile(reference: Reference, lines: torch.Tensor) -> torch.Tensor:
    """Energy along k0 from the centre outwards, of the lines next to the centre."""
    middle = lines
    for axis, size, first in zip((1, 2), reference.shape, reference.first, strict=False):
        have = lines.shape[axis]
        start = min(max(size // 2 - first - 2, 0), max(have - 4, 0))
        middle = middle.narrow(axis, start, min(4, have))
    energy = torch.view_as_real(middle).square().sum(-1).mean((0, 1, 2))
    first = round((extent(reference.notes, "X")[0] + 1) * reference.shape[2] / 2)
    centre = reference.shape[2] // 2 - first
    right, left = energy[centre:], energy[: centre + 1].flip(0)
    size = max(len(left), len(right))
    both = torch.stack([torch.nn.functional.pad(side, (0, size - len(side))) for side in (left, right)])
    there = torch.stack([torch.arange(size) < len(side) for side in (left, right)])
    return both.sum(0) / there.sum(0)
