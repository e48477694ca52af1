"""Networks of frames: a unitary transform over time, series that do not see each other, no unit."""

import copy

import pytest
import torch

from gadgets.arrays import to_image, to_kspace
from models.nets.frames import FramesNet, over_time
from models.nets.unrolled import Design, Unrolled

DESIGN = Design(iterations=2, consistency="proximal", regulariser="frames", widths=(4, 4, 8), depth=1)
FRAMES, Y, X = 6, 16, 24


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Unrolled(DESIGN).requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def given():
    generator = torch.Generator().manual_seed(1)
    start, adjoint = torch.randn(2, FRAMES, 2, Y, X, generator=generator)
    matrix = torch.randn(FRAMES, X, Y, 2 * Y, generator=generator) / 8
    return start, adjoint, matrix, torch.rand(FRAMES, 1, Y, X, generator=generator)


def test_the_product_over_time_is_the_unitary_transform(given):
    frames = given[0]
    spectrum = over_time(frames, 1)
    whole = torch.complex(frames[:, 0], frames[:, 1]).roll(FRAMES // 2, 0)
    expected = to_kspace(whole, (0,) if whole.dim() == 1 else (-3,)).roll(-(FRAMES // 2), 0)
    assert torch.allclose(torch.complex(spectrum[:, 0], spectrum[:, 1]), expected, atol=1e-5)
    assert torch.allclose(over_time(spectrum, 1, back=True), frames, atol=1e-5)
    assert torch.allclose(to_image(expected.roll(FRAMES // 2, 0), (-3,)), whole, atol=1e-5)


def test_an_export_of_the_product_over_time_takes_any_number_of_frames(given):
    class Over(torch.nn.Module):
        def forward(self, frames):
            return over_time(frames, 1)

    free = {0: torch.export.Dim.DYNAMIC}
    program = torch.export.export(Over(), (given[0],), dynamic_shapes=(free,), strict=False)
    assert torch.allclose(program.module()(given[0][:5]), over_time(given[0][:5], 1), atol=1e-6)


def test_series_side_by_side_do_not_see_each_other(network, given):
    alone = network(*given)
    other = tuple(part if part.dim() == 4 and part.shape[-1] == 2 * Y else 3 * part for part in given)
    both = network.course(*(torch.cat(pair) for pair in zip(given, other, strict=True)), series=2)[-1]
    assert torch.allclose(both[:FRAMES], alone, atol=1e-5)
    assert torch.allclose(both[FRAMES:], 3 * alone, atol=1e-4)


def test_each_frame_sees_all_others(network, given):
    start, *rest = given
    changed = start.clone()
    changed[0] += 1
    moved = (network(changed, *rest) - network(*given)).abs().amax((1, 2, 3))
    assert (moved > 1e-6).all()


def test_a_single_frame_is_a_series_too(network, given):
    assert network(*(part[:1] for part in given)).shape == (1, 2, Y, X)


def test_in_half_precision_both_branches_run_and_say_the_same():
    torch.manual_seed(0)
    network = FramesNet(2, (4, 4, 8), 1)
    images = torch.randn(6, 5, 16, 16)
    found = copy.deepcopy(network).half()(images.half(), 1)
    assert found.dtype == torch.float16
    assert torch.allclose(found.float(), network(images, 1), atol=2e-2)
