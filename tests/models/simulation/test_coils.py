import pytest
import torch

from models.simulation import coils
from models.simulation.coils import ring
from models.simulation.phantom import positions

FOV = (0.24, 0.24)
N = 40


def inside():
    p = positions(FOV[0], N)
    return torch.hypot(p[None, :], p[:, None]) < FOV[0] / 2


@pytest.mark.parametrize("count", [4, 8, 32])
def test_the_series_follows_biot_and_savart_within_a_thousandth(count):
    maps = ring(count, FOV, z=0.01).maps((N, N))[:, inside()]
    p = positions(FOV[0], N)
    fields = [coils._field(coil, count, FOV[0] / 2, p, p, 0.01) for coil in range(count)]
    field = torch.stack(fields)[:, inside()]
    scale = (maps.conj() * field).sum().real / field.abs().square().sum()
    assert (maps - scale * field).norm() < 1e-3 * maps.norm()


def test_the_root_sum_of_squares_has_mean_one_over_the_object():
    maps = ring(8, FOV).maps((N, N))
    assert float(maps.norm(dim=0)[inside()].mean()) == pytest.approx(1, abs=0.05)


def test_every_coil_is_strongest_at_its_own_place():
    maps = ring(8, FOV).maps((N, N)).abs() * inside()
    places = maps.flatten(1).argmax(1)
    assert len(places.unique()) == 8


def test_a_quarter_turn_of_the_ring_permutes_the_coils():
    maps = ring(8, FOV).maps((N + 1, N + 1)).abs()
    turned = maps.rot90(-1, (1, 2))
    torch.testing.assert_close(turned, maps.roll(-2, 0), rtol=0, atol=1e-2)


def test_slices_see_different_sensitivities():
    assert not torch.allclose(ring(4, FOV).maps((8, 8)), ring(4, FOV, z=0.05).maps((8, 8)), atol=1e-3)
