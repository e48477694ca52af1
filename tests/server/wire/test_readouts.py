import numpy as np
import pytest

from gadgets.data import Readouts
from gadgets.head import READOUT_HEAD
from server.wire import readouts
from server.wire.decode import Decoder
from server.wire.follow import Follower
from server.wire.readouts import message, run


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


@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 500, 511, 512, 513])
def test_a_run_ends_where_the_shape_changes_or_the_bytes_do(count):
    same, other = message(run_of(count)).tobytes(), message(run_of(3, samples=9)).tobytes()
    for rest in (b"", other, same[:100], b"\x04\x00"):
        records, size = run(memoryview(same + rest))
        assert (len(records), size) == (count, len(same))
    two, size = run(memoryview(same + other + same))
    assert (len(two), size) == (count, len(same))


@pytest.fixture
def seen(monkeypatch):
    """How many records were looked at, so far."""
    counts = []

    def frombuffer(view, dtype, count=-1, offset=0):
        counts.append(count)
        return np_frombuffer(view, dtype, count, offset)

    np_frombuffer = np.frombuffer
    monkeypatch.setattr(readouts.np, "frombuffer", frombuffer)
    return counts


def test_following_a_large_piece_of_small_mixed_messages_looks_at_each_a_bounded_number_of_times(seen):
    pair = message(run_of(1, 1, 2)).tobytes() + message(run_of(1, 1, 3)).tobytes()
    follower = Follower()
    marks = follower.feed(memoryview(pair * 1000))
    assert len(marks) == 2000
    assert sum(seen) < 140 * len(marks)


def test_a_long_run_is_seen_in_a_few_large_pieces(seen):
    run(memoryview(message(run_of(5000)).tobytes()))
    assert sum(seen) == 1 + 2 * 5000
    assert len(seen) == 6
