import pytest
import torch

from models.sums import energy, total


@pytest.fixture(autouse=True)
def same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_sum_is_the_same_on_any_number_of_threads():
    array = torch.randn(14, 72, 193, generator=torch.Generator().manual_seed(0), dtype=torch.complex64)
    found = set()
    for threads in (1, 2, 3, 5):
        torch.set_num_threads(threads)
        found.add((total(array), energy(array)))
    assert len(found) == 1


def test_the_energy_is_the_square_of_the_norm():
    array = torch.randn(3, 50, 70, dtype=torch.complex64)
    assert energy(array) == pytest.approx(float(torch.linalg.vector_norm(array)) ** 2, rel=1e-5)
    assert total(array).real == pytest.approx(float(array.real.sum()), rel=1e-3, abs=1e-2)


def test_nothing_sums_to_zero():
    assert total(torch.zeros(0)) == 0
