import math

import pytest
import torch

from models.simulation.phantom import Ellipse, positions, raster, shepp_logan, spectrum

FOV = (0.2, 0.24)
HEAD = shepp_logan(0.2, scale=0.9, rotation=math.radians(20))


def brute(ellipses, kx, ky, matrix, samples):
    """The Fourier integral as a sum over a fine raster."""
    x = _fine(FOV[0], matrix[0], samples)
    y = _fine(FOV[1], matrix[1], samples)
    image = raster(ellipses, FOV, (matrix[0] * samples, matrix[1] * samples), 4).to(torch.complex128)
    along_x = torch.exp(-2j * math.pi * x[:, None] * kx[None, :])
    along_y = torch.exp(-2j * math.pi * ky[:, None] * y[None, :])
    return along_y @ image @ along_x * (FOV[0] / len(x)) * (FOV[1] / len(y))


def _fine(fov, points, samples):
    return positions(fov, points * samples)


def test_the_spectrum_is_the_fourier_integral_of_the_raster():
    kx, ky = torch.linspace(-30, 31, 7).double(), torch.linspace(-28, 25, 6).double()
    exact = spectrum(HEAD, kx, ky)
    summed = brute(HEAD, kx, ky, (50, 60), 8)
    assert (exact - summed).abs().max() < 4e-4 * exact.abs().max()


def test_the_spectrum_at_zero_is_the_integral_of_the_signal():
    zero = torch.zeros(1, dtype=torch.float64)
    area = sum(each.intensity * math.pi * each.axes[0] * each.axes[1] for each in HEAD)
    assert spectrum(HEAD, zero, zero).item() == pytest.approx(area, rel=1e-12)


def test_moving_an_ellipse_turns_the_phase_of_its_spectrum():
    k = torch.tensor([0.0, 7.0, -11.0], dtype=torch.float64)
    there = Ellipse(intensity=2, axes=(0.03, 0.01), center=(0.02, -0.05), angle=0.3)
    here = Ellipse(intensity=2, axes=(0.03, 0.01), center=(0, 0), angle=0.3)
    phase = torch.exp(-2j * math.pi * (0.02 * k[None, :] - 0.05 * k[:, None]))
    torch.testing.assert_close(spectrum((there,), k, k), spectrum((here,), k, k) * phase)


def test_the_raster_weights_pixels_at_the_edge_by_their_area():
    disc = Ellipse(intensity=1, axes=(0.06, 0.06), center=(0, 0), angle=0)
    image = raster((disc,), FOV, (50, 60))
    pixel = FOV[0] / 50 * FOV[1] / 60
    assert float(image.sum()) * pixel == pytest.approx(math.pi * 0.06**2, rel=2e-3)
    assert ((image > 0) & (image < 1)).any()


def test_the_front_of_the_head_is_at_the_top():
    image = raster(shepp_logan(0.2), (0.2, 0.2), (64, 64))
    bright = image[18:24, 30:34].mean()
    assert bright > image[40:46, 30:34].mean() + 0.05


def test_the_ventricles_hold_no_signal_and_the_skull_most():
    image = raster(shepp_logan(0.2), (0.2, 0.2), (128, 128))
    assert float(image.max()) == pytest.approx(1.0, abs=1e-6)
    assert abs(float(image[70, 48])) < 1e-6
