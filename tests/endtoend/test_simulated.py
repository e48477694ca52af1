"""Simulated scans through the chains that fit them: the image is what the scan was made from."""

import numpy as np
import pytest

from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate
from server.acquisition import describe
from server.files.header import write_header
from server.simulate import runs
from tests.endtoend.scans import offline


def image(chain, protocol):
    """(the chain's image [z, y, x], the true one)."""
    made = simulate(protocol)
    found = offline(chain, (write_header(describe(protocol, "x")), tuple(runs(made))))
    assert len(found) == 1
    return found[0].data[0].abs().numpy(), made.image.numpy()


def error(found, true):
    return np.linalg.norm(found - true) / np.linalg.norm(true)


def protocol(echo=1.0, **sampling):
    return Protocol(
        sampling=Sampling(**({"lines": 32} | sampling)), columns=32, coils=6, snr=200.0, echo=echo
    )


def test_a_slab_becomes_a_volume():
    found, true = image("cartesian_fft", protocol(partitions=6))
    assert found.shape == (6, 32, 32)
    assert error(found, true) < 0.03


@pytest.mark.parametrize("options", [{"partial_fourier": 0.75}, {"echo": 0.75}])
def test_what_was_not_acquired_lies_where_the_header_says(options):
    found, true = image("cartesian_fft", protocol(**options))
    full, _ = image("cartesian_fft", protocol())
    assert error(full, true) < 0.03
    assert error(found * (true * found).sum() / (found**2).sum(), true) < 0.2
