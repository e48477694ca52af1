"""The Fourier pair against its defining sum, in one piece and in many."""

import math

import pytest
import torch

from gadgets.arrays import (
    PIECE,
    resize,
    root_sum_of_squares,
    to_image,
    to_image_part,
    to_kspace,
    turn_to_image,
)


def _sum(array: torch.Tensor, axis: int, sign: float) -> torch.Tensor:
    """The definition, in double precision."""
    size = array.shape[axis]
    index = torch.arange(size, dtype=torch.float64) - size // 2
    matrix = torch.polar(
        torch.tensor(1 / math.sqrt(size), dtype=torch.float64),
        sign * 2 * math.pi / size * torch.outer(index, index),
    )
    return (array.to(torch.complex128).movedim(axis, -1) @ matrix.T).movedim(-1, axis)


@pytest.mark.parametrize("shape", [(3, 1, 8, 6), (3, 2, 7, 10), (20, 1, 130, 66), (5, 6, 64, 90)])
@pytest.mark.parametrize("axes", [(-1,), (-2,), (-2, -1), (-3, -2, -1), (-4, -1)])
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_a_transform_is_its_defining_sum(shape: tuple[int, ...], axes: tuple[int, ...], scale: float) -> None:
    data = torch.randn(shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    before = data.clone()
    expected = data.to(torch.complex128) * scale
    for axis in axes:
        expected = _sum(expected, axis, 1.0)
    found = to_image(data, axes, scale)
    assert torch.allclose(found.to(torch.complex128), expected, atol=1e-4)
    assert torch.equal(data, before)
    assert torch.allclose(to_kspace(found / scale, axes), data, atol=1e-4)


def test_some_of_the_shapes_are_worked_on_in_pieces() -> None:
    assert PIECE < 20 * 130 * 66


@pytest.mark.parametrize(
    ("points", "size"), [(32, 16), (32, 15), (30, 14), (30, 15), (16, 16), (15, 7), (8, 1)]
)
def test_a_part_of_the_image_is_the_same_as_the_image_cropped(points: int, size: int) -> None:
    data = torch.randn(4, 3, points, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(to_image_part(data, size), resize(to_image(data), -1, size), atol=1e-5)


@pytest.mark.parametrize("points", [12, 14, 15])
def test_a_transform_into_a_place_is_the_transform(points: int) -> None:
    kspace = torch.randn(3, 4, points, dtype=torch.complex64, generator=torch.Generator().manual_seed(3))
    expected = to_image(kspace, (-1,), 1.7)
    out = torch.zeros(3, 9, 4, points, dtype=torch.complex64)
    turn_to_image(kspace.clone(), 1.7, out[:, 2])
    torch.testing.assert_close(out[:, 2], expected)
    assert not out[:, :2].any() and not out[:, 3:].any()


def test_the_root_sum_of_squares_does_not_depend_on_the_order_in_memory() -> None:
    data = torch.randn(5, 2, 12, 9, dtype=torch.complex64, generator=torch.Generator().manual_seed(2))
    turned = data.mT.contiguous().mT
    assert torch.equal(root_sum_of_squares(turned), root_sum_of_squares(data))
    assert torch.allclose(root_sum_of_squares(data), data.abs().square().sum(0).sqrt())
