import pytest
import torch

from gadgets.head import ImageType
from gadgets.image.combine import Combine
from gadgets.recon.fourier import Fourier
from gadgets.recon.grappa import Grappa


def run(phantom, items, acceleration=1, **fields):
    scan = phantom.scan(acceleration)
    recon = Grappa() if acceleration > 1 else Fourier()
    return list(Combine(**fields).process(recon.process(iter(items), scan), scan))


@pytest.mark.parametrize("reference", [True, False])
def test_the_adaptive_image_is_the_object(phantom, reference):
    items = [phantom.reference(phantom.lines, 24)] if reference else []
    (image,) = run(phantom, [*items, phantom.kspace(phantom.lines, phantom.pattern())])
    body = phantom.object > 0
    ratio = image.data[0, 0].abs()[body] / phantom.object[body]
    assert image.data.shape == (1, 1, 48, 32)
    assert float((ratio - 1).abs().mean()) < 0.01
    assert int(image.head["image_type"]) == ImageType.COMPLEX


def test_pure_noise_keeps_sd_1(phantom, white):
    items = [phantom.reference(phantom.lines, 24)]
    items += [phantom.kspace(white(6, 48, 32), phantom.pattern()) for _ in range(10)]
    images = run(phantom, items)
    samples = torch.stack([image.data for image in images])
    assert float(samples.real.std()) == pytest.approx(1, abs=0.02)
    assert float(samples.imag.std()) == pytest.approx(1, abs=0.02)


def test_rss_is_the_root_sum_of_squares(phantom):
    (image,) = run(phantom, [phantom.kspace(phantom.lines, phantom.pattern())], method="rss")
    torch.testing.assert_close(image.data[0, 0], phantom.object, atol=1e-3, rtol=0)
    assert int(image.head["image_type"]) == ImageType.MAGNITUDE


def test_the_order_of_the_coils_does_not_matter(phantom, white):
    lines = phantom.lines + white(6, 48, 32)
    order = [3, 0, 5, 1, 4, 2]
    first, second = (
        run(phantom, [phantom.reference(some, 24), phantom.kspace(some, phantom.pattern())])[0].data.abs()
        for some in (lines, lines[order])
    )
    torch.testing.assert_close(first, second, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("method", ["adaptive", "rss"])
def test_companions_follow_their_image_and_snr_times_g_is_the_image(phantom, white, method):
    lines = phantom.lines + white(6, 48, 32)
    items = [phantom.reference(lines, 20), phantom.kspace(lines, phantom.pattern(2))]
    image, gfactor, snr = run(phantom, items, 2, gfactor=True, snr=True, method=method)
    assert [one.role for one in (image, gfactor, snr)] == ["image", "gfactor", "snr"]
    assert gfactor.data.dtype == torch.float32
    torch.testing.assert_close(snr.data * gfactor.data, image.data)
    assert float(gfactor.data[0, 0][phantom.object > 0].mean()) > 1


def test_a_combined_image_knows_the_noise_that_its_map_shows(phantom):
    items = [phantom.reference(phantom.lines, 20), phantom.kspace(phantom.lines, phantom.pattern(2))]
    main, gfactor = run(phantom, items, 2, gfactor=True)
    assert torch.equal(main.noise.sd, gfactor.data[0])


def test_the_gfactor_is_sent_when_it_changes_and_only_then(phantom):
    items = [phantom.reference(phantom.lines, 20)]
    items += [phantom.kspace(phantom.lines, phantom.pattern(2, offset=offset)) for offset in (0, 0, 1)]
    roles = [image.role for image in run(phantom, items, 2, gfactor=True)]
    assert roles == ["image", "gfactor", "image", "image", "gfactor"]


def test_maps_of_a_slice_serve_all_its_images(phantom, white):
    first = phantom.kspace(phantom.lines, phantom.pattern())
    turned = phantom.kspace(1j * phantom.lines, phantom.pattern())
    before, after = run(phantom, [first, turned])
    torch.testing.assert_close(after.data, 1j * before.data, atol=1e-3, rtol=1e-4)
    other = phantom.kspace(white(6, 48, 32), phantom.pattern(), number=1)
    _, _, again = run(phantom, [first, other, first])
    assert torch.equal(again.data, before.data)


def test_the_first_maps_of_a_slice_serve_the_series_when_they_are_not_renewed(phantom):
    kspace = phantom.kspace(phantom.lines, phantom.pattern())
    first, other = phantom.reference(phantom.lines, 24), phantom.reference(phantom.lines.flip(0), 24)
    kept = run(phantom, [first, kspace, other, kspace], renew=False)
    assert torch.equal(kept[0].data, kept[1].data)
    renewed = run(phantom, [first, kspace, other, kspace])
    assert not torch.equal(renewed[0].data, renewed[1].data)
