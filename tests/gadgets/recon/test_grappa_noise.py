"""The noise that a GRAPPA image says it has is the noise it has."""

import pytest
import torch

from gadgets.recon.grappa import Grappa

REPLICAS = 160


@pytest.fixture
def weights(phantom):
    return phantom.maps.conj()[:, None]


def replicas(phantom, white, sampled, scan, weights, **fields):
    """Sd over pseudo-replicas of the combined image of pure noise, and what the image says of it."""
    times = sampled.clamp(min=1).sqrt()[:, None]
    lines = phantom.lines + white(phantom.coils, phantom.height, phantom.width)

    def items():
        yield phantom.reference(lines, 20)
        for _ in range(REPLICAS):
            noise = white(phantom.coils, phantom.height, phantom.width)
            yield phantom.kspace(noise / times, sampled)

    _, *images = Grappa(**fields).process(items(), scan)
    combined = torch.stack([(weights * image.data).sum(0) for image in images])
    return (combined.abs().square().mean(0) / 2).sqrt(), images[0].noise.sd(weights)


@pytest.mark.parametrize("put_back", [True, False])
@pytest.mark.parametrize(
    ("acceleration", "offset", "averages"), [(2, 0, 1), (3, 1, 2), (4, 2, 1)], ids=["R2", "R3", "R4"]
)
def test_the_noise_map_is_that_of_pseudo_replicas(
    phantom, white, weights, acceleration, offset, averages, put_back
):
    sampled = phantom.pattern(acceleration, offset=offset) * averages
    sampled = torch.maximum(sampled, phantom.pattern(48, 20))
    found, said = replicas(phantom, white, sampled, phantom.scan(acceleration), weights, put_back=put_back)
    ratio = (found / said)[0]
    assert float(ratio.mean()) == pytest.approx(1, abs=0.01)
    blocks = ratio.reshape(6, 8, 4, 8).square().mean((1, 3)).sqrt()
    assert float((blocks - 1).abs().max()) < 0.04


def test_partial_sampling_and_edges_are_part_of_the_map(phantom, white, weights):
    sampled = phantom.pattern(3, 20)
    sampled[:9] = sampled[41:] = 0
    found, said = replicas(phantom, white, sampled, phantom.scan(3), weights)
    assert float((found / said).mean()) == pytest.approx(1, abs=0.01)


def test_put_back_lines_lower_the_noise(phantom, white, weights):
    items = [phantom.reference(phantom.lines + white(6, 48, 32), 20)]
    items.append(phantom.kspace(phantom.lines, phantom.pattern(3, 20)))
    kept, made = (
        list(Grappa(put_back=choice).process(iter(items), phantom.scan(3)))[1].noise.sd(weights)
        for choice in (True, False)
    )
    assert float(kept.mean()) < float(made.mean())


def test_all_images_of_a_slice_share_one_noise_as_long_as_their_lines_do(phantom):
    items = [phantom.reference(phantom.lines, 20)]
    items += [phantom.kspace(phantom.lines, phantom.pattern(2, offset=offset)) for offset in (0, 0, 1)]
    _, first, second, third = Grappa().process(iter(items), phantom.scan(2))
    assert first.noise is second.noise
    assert first.noise is not third.noise
