"""The blood pools: where the bolus comes first (right ventricle) and where it comes next (left ventricle)."""

from dataclasses import dataclass, field

import torch

from models.perfusion.curves import smoothed
from models.perfusion.regions import center, eroded, filled, grown, parts, roundness
from models.perfusion.resample import blur

BRIGHT = 0.45
"""Of the brightest rise: what rises as much is blood."""

NEXT = (1.0, 12.0)
"""The left ventricle's blood comes so much later than the right one's [s]."""

AREA = (1.5e-4, 60e-4)
"""Of the left ventricle's blood in a short-axis slice [m^2]."""

RISE = 8.0
"""A bolus rises by as many standard deviations of what was before it, at least."""


GROWTH = 0.7
"""And by this part of it: saturated blood is dark before a bolus, and no longer dark after one."""

FILLED = 0.96
"""Of the fullest pixel's rise: as full are those whose signal is the blood's."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pools:
    """What was found, and what speaks against it."""

    left: torch.Tensor
    """Blood of the left ventricle, bool [y, x]."""

    right: torch.Tensor
    """Blood of the right ventricle, bool [y, x]; empty when the slice does not show it."""

    arrival: tuple[float, float]
    """Half of the rise in the right and in the left ventricle [s]; not-a-number where there is none."""

    reasons: tuple[str, ...] = field(default=())
    """Why this is not to be used; empty when the gate is passed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Near:
    """Where and when blood may be, as other images of the same bolus have it."""

    mask: torch.Tensor
    """bool [y, x]."""

    latest: float
    """When the left ventricle has half of its rise, at the latest [s]."""


def find_pools(series: torch.Tensor, times: torch.Tensor, pixel: float, near: Near | None = None) -> Pools:
    """The blood pools of a registered first pass, float32 [frame, y, x], at ``times`` [s]; ``pixel`` [m].

    Blood is what rises most; of its parts that come late the left ventricle is the largest round one. A
    detector that always answers would be worth nothing: ``reasons`` say what is wrong with the answer.
    Spleen and liver, which enhance much, too, are ruled out by ``near``.
    """
    rise, arrival, fall, noise = _features(series, times)
    if near is not None:
        rise = rise * near.mask * (arrival <= near.latest)
    candidates = rise > BRIGHT * torch.quantile(rise.flatten(), 0.995)
    nothing = torch.zeros_like(candidates)
    above = float((rise / noise.clamp(min=1e-12))[candidates].median()) if bool(candidates.any()) else 0.0
    if above < RISE:
        reason = f"no bolus: it rises by {above:.1f} sd of the noise, expected {RISE:g}"
        return Pools(left=nothing, right=nothing, arrival=(torch.nan, torch.nan), reasons=(reason,))
    right, left = _split(candidates, rise, arrival, fall, pixel)
    left = filled(left)
    when = tuple(float(arrival[each].median()) if bool(each.any()) else torch.nan for each in (right, left))
    reasons = tuple(judged(series, left, right, (when[0], when[1]), pixel))
    return Pools(left=left, right=right & ~left, arrival=(when[0], when[1]), reasons=reasons)


def _features(
    series: torch.Tensor, times: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rise over the first frames, when half of it is reached [s], which part is lost behind the peak, and the
    noise, which differs where coils are near; all [y, x]."""
    smooth = smoothed(blur(series, 0.7).permute(1, 2, 0).contiguous(), 0.8)
    before = smooth[..., : max(3, _onset(smooth))].mean(-1)
    rise = smooth.amax(-1) - before
    above = smooth - before[..., None] >= rise[..., None] / 2
    first = above.to(torch.uint8).argmax(-1).clamp(min=1)
    high = smooth.gather(-1, first[..., None])[..., 0]
    low = smooth.gather(-1, first[..., None] - 1)[..., 0]
    part = ((before + rise / 2 - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    arrival = torch.lerp(times[first - 1].float(), times[first].float(), part)
    apart = smooth.diff(dim=-1)
    noise = apart.abs().median(-1).values * 1.48 / 1.41
    least = smooth.flip(-1).cummin(-1).values.flip(-1).gather(-1, smooth.argmax(-1, keepdim=True))[..., 0]
    fall = ((smooth.amax(-1) - least) / rise.clamp(min=1e-12)).clamp(0, 1)
    return rise, arrival, fall, noise


def _onset(smooth: torch.Tensor) -> int:
    """The first frame at which the brightest pixels rise."""
    peak = smooth.flatten(0, 1).amax(1)
    chosen = smooth.flatten(0, 1)[peak >= torch.quantile(peak, 0.98)]
    mean = chosen.mean(0)
    level = mean[:3].mean()
    above = torch.nonzero(mean > level + 0.1 * (mean.max() - level))[:, 0]
    return int(above[0]) if len(above) else 3


def _split(
    candidates: torch.Tensor, rise: torch.Tensor, arrival: torch.Tensor, fall: torch.Tensor, pixel: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Right and left blood among the candidates: the gap in the arrival times that parts best."""
    times = arrival[candidates].double()
    order = times.sort().values
    edges = torch.linspace(float(order[0]), float(torch.quantile(order, 0.98)), 14, dtype=torch.float64)[1:-1]
    best, found = 0.0, (torch.zeros_like(candidates), torch.zeros_like(candidates))
    for edge in edges:
        early, late = candidates & (arrival < edge), candidates & (arrival >= edge)
        weight = _between(times, float(edge))
        left = max(_round_parts(late, pixel), key=lambda each: each[0], default=None)
        right = max(_round_parts(early, pixel, round_matters=False), key=lambda each: each[0], default=None)
        if left is None or (right is not None and not _follows(arrival, right[1], left[1])):
            continue
        score = (
            weight
            * left[0]
            * float(fall[left[1]].mean())
            * (1.0 if right is None else min(1.0, right[0] / left[0]) + 0.2)
        )
        if score > best:
            best, found = score, (left[1] & False if right is None else right[1], left[1])
    return _whole(found[0], rise, arrival), _whole(found[1], rise, arrival)


def _follows(arrival: torch.Tensor, right: torch.Tensor, left: torch.Tensor) -> bool:
    """Whether one part's bolus comes as much later than the other's as the lungs take."""
    return NEXT[0] <= float(arrival[left].median() - arrival[right].median()) <= NEXT[1]


def _between(times: torch.Tensor, edge: float) -> float:
    """The part of the variance of arrival times that parting them at an edge explains (Otsu)."""
    early, late = times[times < edge], times[times >= edge]
    if len(early) == 0 or len(late) == 0:
        return 0.0
    share = len(early) / len(times)
    return float(share * (1 - share) * (late.mean() - early.mean()) ** 2 / times.var().clamp(min=1e-6))


def _round_parts(
    mask: torch.Tensor, pixel: float, *, round_matters: bool = True
) -> list[tuple[float, torch.Tensor]]:
    """The larger parts of a mask with their score: area, times roundness."""
    found = []
    for part in parts(mask)[:4]:
        area = float(part.sum()) * pixel**2
        if area >= AREA[0]:
            whole = filled(part)
            found.append((area * (roundness(whole) ** 2 if round_matters else 1.0), part))
    return found


def _whole(seed: torch.Tensor, rise: torch.Tensor, arrival: torch.Tensor) -> torch.Tensor:
    """The pool around its seed: neighbours that rise by half of what it does, at the same time."""
    if not bool(seed.any()):
        return seed
    level, when = rise[seed].median(), arrival[seed].median()
    like = (rise > 0.55 * level) & ((arrival - when).abs() < 1.5)
    mask = seed & like
    for _ in range(12):
        mask = grown(mask) & like
    return mask


def judged(
    series: torch.Tensor, left: torch.Tensor, right: torch.Tensor, arrival: tuple[float, float], pixel: float
) -> list[str]:
    """What speaks against the answer, each with what was found and what was expected."""
    area = float(left.sum()) * pixel**2
    if area == 0:
        return ["left ventricle not found: no part of what rises is large enough"]
    said = []
    if not AREA[0] <= area <= AREA[1]:
        said.append(
            f"left ventricle of {1e4 * area:.1f} cm2, expected {1e4 * AREA[0]:g} to {1e4 * AREA[1]:g}"
        )
    if (shape := roundness(left)) < 0.45:
        said.append(f"left ventricle is not round: {shape:.2f}, expected at least 0.45")
    later = arrival[1] - arrival[0]
    if bool(right.any()) and not NEXT[0] <= later <= NEXT[1]:
        said.append(
            f"left ventricle {later:.1f} s after the right one, expected {NEXT[0]:g} to {NEXT[1]:g} s"
        )
    curve = smoothed(series[:, inside(left)].mean(1), 0.8)
    peak = int(curve.argmax())
    base = float(curve[: max(1, min(5, peak))].mean())
    height = float(curve[peak]) - base
    if height < GROWTH * base:
        said.append(f"no bolus: the blood rises by {height / base:.2f} of its baseline, expected {GROWTH:g}")
    fall = float(curve[peak] - curve[peak:].min()) / max(height, 1e-12)
    if peak == len(curve) - 1 or fall < 0.2:
        said.append(
            f"no first pass: the blood falls by {100 * fall:.0f} % behind its peak, expected at least 20 %"
        )
    return said


def halfway(series: torch.Tensor, times: torch.Tensor, mask: torch.Tensor) -> float:
    """When the mean of a mask has half of its rise [s]; not-a-number where the mask is empty."""
    if not bool(mask.any()):
        return torch.nan
    curve = smoothed(series[:, inside(mask)].mean(1), 0.8)
    base = curve[: max(1, min(5, int(curve.argmax())))].mean()
    above = curve >= base + (curve.max() - base) / 2
    return float(times[int(above.to(torch.uint8).argmax())])


def inside(mask: torch.Tensor) -> torch.Tensor:
    """The mask without its rim, where something is left of it."""
    core = eroded(mask)
    return core if int(core.sum()) >= 4 else mask


def apodized(images: torch.Tensor) -> torch.Tensor:
    """Images [..., y, x] with a Hann window over their k-space: nothing rings, at half the resolution.

    A pool four pixels wide rings by a tenth of its height in its middle, and by that its peak would be wrong.
    """
    kernel = torch.tensor([0.25, 0.5, 0.25], dtype=images.dtype)
    flat = images.reshape(-1, 1, *images.shape[-2:])
    flat = torch.nn.functional.pad(flat, (1, 1, 1, 1), mode="replicate")
    flat = torch.nn.functional.conv2d(flat, kernel[None, None, :, None])
    return torch.nn.functional.conv2d(flat, kernel[None, None, None, :]).reshape(images.shape)


def purest(series: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The pixels of a pool that the bolus fills all but wholly, bool [y, x]: no muscle shares in them.

    ``series`` apodized [frame, y, x]. The mean of the whole mask would miss 5 to 9 % of the peak.
    """
    core = inside(mask)
    mean = smoothed(series[:, core].mean(1), 0.8)
    low = mean[: max(1, int(mean.argmax()))].min()
    full = mean > low + 0.6 * (mean.max() - low)
    level = series[full].mean(0) - series[: max(1, int(full.to(torch.uint8).argmax()) // 2)].mean(0)
    return mask & (level >= FILLED * level[mask].max())


def heart_center(series: torch.Tensor, times: torch.Tensor, pixel: float) -> tuple[float, float] | None:
    """Where the heart lies in frames as they came [frame, y, x]: (y, x) [pixel], None when nobody knows."""
    every = max(1, round(0.004 / pixel))
    small = torch.nn.functional.avg_pool2d(series[:, None], every)[:, 0]
    found = find_pools(small, times, pixel * every)
    if not bool(found.left.any()):
        return None
    y, x = center(found.left)
    if bool(found.right.any()):
        y, x = (0.75 * a + 0.25 * b for a, b in zip((y, x), center(found.right), strict=True))
    return (y + 0.5) * every - 0.5, (x + 0.5) * every - 0.5
