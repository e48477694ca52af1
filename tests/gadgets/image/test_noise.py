"""Maps of the noise follow filters and interpolation: what is sent is the noise of the image that is sent."""

import dataclasses

import numpy as np
import pytest
import torch

from gadgets.data import Image
from gadgets.head import IMAGE_HEAD
from gadgets.image.combine import Combine
from gadgets.image.filter import KspaceFilter
from gadgets.image.noise import PixelNoise
from gadgets.image.partial_fourier import PartialFourier
from gadgets.image.resize import Resize
from gadgets.recon.fourier import Fourier
from gadgets.recon.grappa import Grappa
from gadgets.scan import Limit, Scan, Space

REPLICAS = 256
MORE = 512
"""Where blocks are interpolated and filtered, and so hold few independent samples."""


def reconstruct(recon, steps, items, scan, **companions):
    """The images of a chain whose combination takes the maps of the first item only."""
    stream = recon.process(iter(items), scan)
    stream = Combine(**companions).process(stream, scan)
    for step in steps:
        stream = step.process(stream, scan)
    return list(stream)


def replicas(phantom, white, scan, recon, steps, sampled, parts=2, count=REPLICAS):
    """Sd over replicas of the noise in phase with the signal, the map that is sent, the first image and SNR.

    Where the image is complex-linear both ``parts`` of the noise have that sd, and both count.
    """
    clean = phantom.lines
    items = [phantom.reference(clean, 20), phantom.kspace(clean, sampled)]
    times = sampled.clamp(min=1).sqrt()[:, None]
    for _ in range(count):
        noise = white(phantom.coils, phantom.height, phantom.width)
        items.append(phantom.kspace(clean + noise / times, sampled))
    images = reconstruct(recon, steps, items, scan, gfactor=True)
    images += reconstruct(recon, steps, items[:2], scan, snr=True)[1:]
    main = [image.data[0] for image in images if image.role == "image"]
    (gfactor,) = (image.data[0] for image in images if image.role == "gfactor")
    snr = next(image.data[0] for image in images if image.role == "snr")
    away = torch.stack(main[1:]) - main[0]
    turned = torch.view_as_real(away * torch.exp(-1j * main[0].angle()))[..., :parts]
    return turned.square().mean((0, -1)).sqrt(), gfactor, main[0], snr


def agree(found, said, inside):
    """Every 8 x 8 block inside the object within 3 %, the mean within 0.5 %."""
    ratio = (found / said)[0]
    height, width = ratio.shape
    blocks = ratio.square().reshape(height // 8, 8, width // 8, 8).mean((1, 3)).sqrt()
    whole = inside.reshape(height // 8, 8, width // 8, 8).all(3).all(1)
    assert int(whole.sum()) >= 4
    assert float((blocks[whole] - 1).abs().max()) < 0.03
    assert float(blocks[whole].mean()) == pytest.approx(1, abs=0.005)


def larger(scan, matrix):
    encoding = scan.encodings[0]
    recon = Space(matrix=matrix, fov=encoding.encoded.fov)
    return dataclasses.replace(scan, encodings=(dataclasses.replace(encoding, recon=recon),))


def slowly(*values, now):
    """One case, left out of quick runs but for some."""
    return pytest.param(*values, marks=() if now else pytest.mark.slow)


STEPS = {
    "gaussian": [KspaceFilter(sigma=1.5)],
    "hanning": [KspaceFilter(shape="hanning")],
    "elliptical": [KspaceFilter(shape="tapered", width=0.5, elliptical=True)],
    "along y": [KspaceFilter(shape="hanning", axes="y")],
    "resized": [Resize()],
    "both": [Resize(), KspaceFilter(shape="hanning")],
}


@pytest.mark.parametrize(
    ("name", "acceleration", "put_back"),
    [
        slowly(name, acceleration, put_back, now=(name, acceleration) == ("elliptical", 3))
        for name in STEPS
        for acceleration, put_back in ((1, True), (2, False), (3, True))
    ],
)
def test_the_map_is_that_of_the_image_that_is_sent(phantom, white, acceleration, put_back, name):
    phantom = dataclasses.replace(phantom, height=64, width=48)
    steps, scan = STEPS[name], phantom.scan(acceleration)
    resized = any(isinstance(step, Resize) for step in steps)
    if resized:
        scan = larger(scan, (80, 96, 1))
    recon = Grappa(put_back=put_back) if acceleration > 1 else Fourier()
    sampled = torch.maximum(phantom.pattern(acceleration), phantom.pattern(64, 20))
    count = MORE if name == "both" else REPLICAS
    found, said, image, snr = replicas(phantom, white, scan, recon, steps, sampled, count=count)
    inside = image.abs()[0] > 0.3 * image.abs().max()
    agree(found, said, inside)
    torch.testing.assert_close(snr, image / said, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "acceleration", "put_back"),
    [
        slowly(
            name, acceleration, put_back, now=(name, acceleration, put_back) == ("resized homodyne", 2, True)
        )
        for name in ("filter", "homodyne", "homodyne and filter", "resized homodyne")
        for acceleration, put_back in ((1, True), (2, False), (2, True), (4, True))
    ],
)
def test_the_map_follows_partial_fourier_with_its_phase_frozen(phantom, white, acceleration, put_back, name):
    phantom = dataclasses.replace(phantom, height=64, width=48)
    scan = phantom.scan(acceleration, limits={"kspace_encode_step_1": Limit(maximum=47, center=16)})
    steps = [PartialFourier(method="filter" if name == "filter" else "homodyne", phase="first")]
    steps += [KspaceFilter(sigma=1.5)] if "and" in name else []
    if "resized" in name:
        scan, steps = larger(scan, (80, 96, 1)), [Resize(), *steps]
    recon = Grappa(put_back=put_back) if acceleration > 1 else Fourier()
    sampled = torch.maximum(phantom.pattern(acceleration), phantom.pattern(64, 20))
    sampled[:16] = 0
    parts = 2 if name == "filter" else 1
    # resized and real: a block of 64 pixels holds some 13 independent samples, 256 replicas scatter by 1.2 %
    count = 4 * REPLICAS if "resized" in name else REPLICAS
    found, said, image, snr = replicas(phantom, white, scan, recon, steps, sampled, parts, count)
    agree(found, said, image.abs()[0] > 0.3 * image.abs().max())
    torch.testing.assert_close(snr, image / said, rtol=1e-3, atol=1e-3)


def test_a_map_of_uncorrelated_pixels_follows_a_filter(white):
    sd = 1 + torch.rand(1, 32, 24)
    gadget = KspaceFilter(shape="hanning")
    head = np.zeros((), IMAGE_HEAD)
    said = gadget.one(Image(data=sd[None], head=head, role="gfactor", noise=PixelNoise(sd=sd)), Scan()).data
    noise = gadget.one(Image(data=sd * white(4000, 1, 32, 24), head=head), Scan()).data
    found = noise.abs().square().mean(0, keepdim=True).div(2).sqrt()
    torch.testing.assert_close(found, said, rtol=0.06, atol=0)
    assert float((found / said).mean()) == pytest.approx(1, abs=0.003)


def test_a_smaller_matrix_keeps_the_noise_of_a_full_scan_at_one(phantom):
    scan = larger(phantom.scan(), (24, 36, 1))
    items = [phantom.reference(phantom.lines, 20), phantom.kspace(phantom.lines, phantom.pattern())]
    said = reconstruct(Fourier(), [Resize()], items, scan, gfactor=True)[1]
    assert said.role == "gfactor"
    torch.testing.assert_close(said.data, torch.ones(1, 1, 36, 24))


def test_companions_carry_the_noise_and_images_know_it_until_a_step_changes_them(phantom):
    scan = larger(phantom.scan(1), (24, 36, 1))
    items = [phantom.reference(phantom.lines, 20), phantom.kspace(phantom.lines, phantom.pattern())]

    def known(steps):
        images = reconstruct(Fourier(), steps, items, scan, gfactor=True, snr=True)
        return {image.role: image.noise is not None for image in images}

    assert known([]) == {"image": True, "gfactor": True, "snr": True}
    assert known([Resize()]) == {"image": False, "gfactor": True, "snr": True}
