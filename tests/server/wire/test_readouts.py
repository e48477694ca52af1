import numpy as np
import pytest

from gadgets.data import Readouts
from gadgets.head import READOUT_HEAD
from server.wire.decode import Decoder
from server.wire.readouts import message


def run_of(count, coils=2, samples=8, dimensions=0):
    """Readouts of noise, with a trajectory when it has dimensions."""
    generator = np.random.default_rng(count)
    head = np.zeros(count, READOUT_HEAD)
    head["active_channels"], head["number_of_samples"] = coils, samples
    head["trajectory_dimensions"] = dimensions
    shape = (count, coils, samples)
    data = (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(np.complex64)
    path = generator.standard_normal((count, samples, dimensions)).astype(np.float32) if dimensions else None
    return Readouts(head=head, data=data, trajectory=path)


@pytest.mark.parametrize("dimensions", [0, 2])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_block_keeps_its_values_when_the_receive_buffer_is_used_again(count, dimensions):
    sent = run_of(count, dimensions=dimensions)
    buffer = bytearray(message(sent).tobytes())
    (block,) = Decoder().decode(memoryview(buffer))
    buffer[:] = b"\xff" * len(buffer)
    assert np.array_equal(block.data, sent.data)
    assert block.head.tobytes() == sent.head.tobytes()
    assert dimensions == 0 or np.array_equal(block.trajectory, sent.trajectory)


@pytest.mark.parametrize("count", [1, 2])
def test_samples_of_a_block_are_aligned_whatever_stood_before_them_in_the_buffer(count):
    buffer = bytearray(message(run_of(count)).tobytes())
    (block,) = Decoder().decode(memoryview(buffer))
    assert block.data.flags.aligned
    assert block.data.flags.c_contiguous
