"""Frames as seen elsewhere, or by a blunter eye."""

import torch


def warp(series: torch.Tensor, displacement: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """Each frame [frame, y, x] as seen at the pixels plus a displacement [frame, (y, x), y, x]."""
    height, width = series.shape[1:]
    y = torch.arange(height, dtype=torch.float32)[:, None] + displacement[:, 0]
    x = torch.arange(width, dtype=torch.float32) + displacement[:, 1]
    places = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)
    found: torch.Tensor = torch.nn.functional.grid_sample(
        series[:, None], places, mode=mode, padding_mode="border", align_corners=True
    )
    return found[:, 0]


def blur(series: torch.Tensor, sd: float) -> torch.Tensor:
    """A Gaussian blur of each frame [..., y, x], ``sd`` [pixel]; the border is continued."""
    reach = max(1, int(3 * sd + 0.5))
    place = torch.arange(-reach, reach + 1, dtype=series.dtype)
    weights = torch.exp(-0.5 * (place / sd) ** 2)
    weights = weights / weights.sum()
    flat = series.reshape(-1, 1, *series.shape[-2:])
    flat = torch.nn.functional.pad(flat, (reach,) * 4, mode="replicate")
    flat = torch.nn.functional.conv2d(flat, weights[None, None, :, None])
    return torch.nn.functional.conv2d(flat, weights[None, None, None, :]).reshape(series.shape)
