import numpy as np
import torch

from gadgets.data import Image
from gadgets.head import IMAGE_HEAD
from gadgets.image.deviation import SERIES, Deviation
from gadgets.scan import Scan
from gadgets.testing import run, run_interrupted


def images(role, count, slices=1, signal=100.0):
    generator = torch.Generator().manual_seed(0)
    for repetition in range(count):
        for index in range(slices):
            head = np.zeros((), IMAGE_HEAD)
            head["repetition"], head["slice"] = repetition, index
            noise = torch.randn(1, 1, 16, 16, dtype=torch.complex64, generator=generator) * 2**0.5
            start = signal * (repetition + 1) if repetition < 5 else signal
            yield Image(data=start + noise, head=head, role=role)


def test_in_snr_units_the_deviation_is_one():
    items = list(images("snr", 260, slices=2))
    *passed, one, other = run(Deviation(), items, Scan())
    assert passed == items
    for found in (one, other):
        assert (found.role, int(found.head["image_series_index"])) == ("noise", SERIES)
        assert found.data.dtype == torch.float32
        assert abs(float(found.data.mean()) - 1) < 0.02
    assert [int(found.head["slice"]) for found in (one, other)] == [0, 1]


def test_it_is_that_of_the_magnitudes_from_the_first_repetition_on():
    items = list(images("snr", 9))
    (found,) = [each for each in run(Deviation(start=6), items, Scan()) if each.role == "noise"]
    expected = torch.stack([each.data.abs() for each in items[6:]]).double().std(0)
    torch.testing.assert_close(found.data.double(), expected, rtol=1e-5, atol=1e-6)


def test_too_few_repetitions_other_roles_and_broken_scans_give_none():
    assert len(run(Deviation(), list(images("snr", 6)), Scan())) == 6
    assert len(run(Deviation(), list(images("image", 20)), Scan())) == 20
    assert len(run_interrupted(Deviation(), list(images("snr", 20)), Scan())) == 20
