"""Coils' shading over a first pass, and the ringing of small pools."""

import torch

from gadgets.arrays import to_image, to_kspace
from models.perfusion.pools import apodized, purest
from models.perfusion.resample import warp
from models.perfusion.shading import evened, slope, steadied

PIXEL = 0.002


def test_the_shading_of_the_coils_is_taken_out():
    random = torch.Generator().manual_seed(0)
    organs = 0.5 + torch.rand(5, 8, 8, generator=random).repeat_interleave(8, 1).repeat_interleave(8, 2)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    shade = torch.exp(1.2 * y - 0.5 * x)
    plain = evened(organs, organs[:2], PIXEL)
    shaded = evened(organs * shade, organs[:2] * shade, PIXEL)
    ratio = (shaded / plain)[:, 8:-8, 8:-8]
    assert float(ratio.max() / ratio.min()) < 1.25 < float(shade.max() / shade.min()) / 5


def breathing(rows):
    """A heart in dark lungs that moves by so many rows, as a coil sees it, [frame, y, x]."""
    y, x = torch.meshgrid(torch.arange(64) - 32.0, torch.arange(64) - 32.0, indexing="ij")
    frames = torch.stack([0.05 + torch.sigmoid(16 - torch.hypot(y - row, x - 4)) for row in rows.tolist()])
    return frames * torch.exp(-0.02 * y + 0.008 * x)


def test_the_slope_of_the_shading_is_found_beside_a_lung():
    found = slope(breathing(torch.zeros(2)), (32.0, 36.0), PIXEL)
    assert abs(found[0] + 0.02) < 0.002
    assert abs(found[1] - 0.008) < 0.002


def test_a_heart_that_breathes_under_a_coil_is_as_bright_in_every_frame():
    rows = torch.tensor([0.0, 0.0, 4.0, 6.0])
    shaded = breathing(rows)
    displacement = torch.zeros(4, 2, 64, 64)
    displacement[:, 0] = rows[:, None, None]
    still = warp(shaded, displacement)[:, 24:40, 28:44]
    found = steadied(warp(shaded, displacement), displacement, slope(shaded[:2], (32.0, 36.0), PIXEL))
    assert (still / still[0] - 1).abs().max() > 0.1
    assert (found[:, 24:40, 28:44] / still[0] - 1).abs().max() < 0.015


def test_without_proton_density_the_shading_has_no_slope():
    assert slope(torch.zeros(0, 8, 8), (4.0, 4.0), PIXEL) == (0.0, 0.0)


def test_without_proton_density_a_series_stays_as_it_is():
    series = torch.rand(4, 16, 16)
    assert evened(series, series[:0], PIXEL) is series


def seen(radius):
    """A disc as an image of 32 x 32 pixels shows it that knows no higher frequencies; radius [pixel]."""
    fine = 8
    at = torch.arange(32 * fine) / fine - 16
    disc = (at[:, None].square() + at.square() < radius**2).float()
    kspace = to_kspace(disc.to(torch.complex64), (-2, -1))
    middle = 16 * fine
    low = kspace[middle - 16 : middle + 16, middle - 16 : middle + 16]
    return to_image(low, (-2, -1)).real / fine, disc[::fine, ::fine] > 0


def test_a_small_pool_shows_its_own_signal_and_none_of_its_ringing():
    bolus = torch.tensor([0.0, 0, 0, 0, 0.2, 0.7, 1.0, 1.0, 0.6, 0.3, 0.2, 0.2])
    for radius in (2.6, 3.4, 4.3, 5.2):
        image, mask = seen(radius)
        series = image * bolus[:, None, None]
        smooth = apodized(series)
        found = float(smooth[6][purest(smooth, mask)].mean())
        assert abs(found - 1) < 0.045
    assert max(float(seen(radius)[0].max()) for radius in (2.6, 3.4)) > 1.08
