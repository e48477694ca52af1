import os
import socket
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.link import Link, Say
from server.ring import Ring
from server.stream import AHEAD, Stream
from server.wire import encode
from server.wire.kinds import Limits
from tests.server.wire.test_decode import readouts

SIZE = 1 << 18
STREAM = (
    encode.config_file("x")
    + encode.header("<a/>")
    + b"".join(encode.readouts(readouts(5, coils=coils, samples=97)) for coils in (3, 1, 17, 64, 2) * 6)
    + encode.close()
)


class File:
    """A spool entry as far as the stream needs it."""

    def __init__(self):
        self.file = os.memfd_create("log")

    def __del__(self):
        os.close(self.file)

    def write(self, view):
        os.write(self.file, view)

    lost = False

    def fileno(self):
        return self.file


def source(pieces):
    rest = memoryview(STREAM)
    sizes = iter(pieces)

    def receive(view):
        nonlocal rest
        count = min(len(view), next(sizes, 1 << 20), len(rest))
        view[:count] = rest[:count]
        rest = rest[count:]
        return count

    return receive


def test_a_ring_is_seen_twice_and_shared():
    ring = Ring.create(1 << 16)
    other = Ring.attach(os.dup(ring.file))
    ring.view((1 << 16) - 3, (1 << 16) + 3)[:] = b"abcdef"
    assert bytes(other.view((1 << 16) - 3, (1 << 16) + 3)) == b"abcdef"
    assert bytes(other.view(0, 3)) == b"def"
    assert bytes(ring.view(7 * (1 << 16) - 1, 7 * (1 << 16) + 1)) == b"cd"
    ring.close()
    other.close()


@given(
    pieces=st.lists(st.integers(1, 60000), max_size=60),
    lags=st.lists(st.booleans(), min_size=1, max_size=40),
    spooled=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_a_reader_at_any_pace_reads_the_stream_as_it_was_sent(pieces, lags, spooled):
    """The reader answers now and then only; what it is told lies in the ring or in the spool."""
    ring, log = Ring.create(SIZE), File() if spooled else None
    waiting, read, places = [], bytearray(), set()

    def tell(place, offset):
        waiting.append((place, offset))

    def take():
        while waiting:
            place, offset = waiting.pop(0)
            places.add(place)
            if place is Say.RING:
                read.extend(ring.view(len(read), offset))
            else:
                read.extend(os.pread(log.fileno(), offset - len(read), len(read)))
            stream.read(len(read))

    stream = Stream(ring, log, tell, Limits())
    receive = source(pieces)
    pace = iter(lags * 1000)
    while True:
        if not spooled or next(pace):
            take()
        count, _ = stream.receive(receive)
        if not count:
            break
        stream.tell()
    take()
    assert bytes(read) == STREAM
    ring.close()


def test_a_reader_that_never_answers_sends_reception_into_the_spool():
    ring, log, told = Ring.create(SIZE), File(), []
    stream = Stream(ring, log, lambda place, offset: told.append(place), Limits())
    receive = source([])
    while stream.receive(receive)[0]:
        stream.tell()
    assert stream.received == len(STREAM)
    assert Say.FILE in told
    assert os.pread(log.fileno(), len(STREAM), 0) == STREAM
    ring.close()


def test_without_a_spool_the_peer_waits_until_the_reader_answers():
    ring = Ring.create(SIZE)
    stream = Stream(ring, None, lambda place, offset: None, Limits())
    receive, done = source([]), threading.Event()

    def all_of_it():
        while stream.receive(receive)[0]:
            stream.tell()
        done.set()

    thread = threading.Thread(target=all_of_it)
    thread.start()
    assert not done.wait(0.2)
    while not done.wait(0.01):
        stream.read(stream.received)
    thread.join()
    assert stream.received == len(STREAM)
    ring.close()


def test_a_message_larger_than_the_ring_needs_a_spool():
    big = encode.readouts(readouts(1, coils=64, samples=4096))
    ring = Ring.create(SIZE)
    stream = Stream(ring, None, lambda place, offset: None, Limits())
    rest = memoryview(big)

    def receive(view):
        nonlocal rest
        count = min(len(view), len(rest))
        view[:count], rest = rest[:count], rest[count:]
        return count

    with pytest.raises(ProtocolError, match="needs a spool"):
        while stream.receive(receive)[0]:
            pass
    ring.close()


def test_frames_arrive_whole_and_end_with_the_other_end():
    ours, theirs = socket.socketpair()
    left, right = Link(ours), Link(theirs)
    payload = np.random.default_rng(0).bytes(1 << 20)
    sender = threading.Thread(
        target=lambda: (left.say(Say.REPLY, 3, payload), left.say(Say.READ, 9), left.close())
    )
    sender.start()
    frames = list(right.frames())
    sender.join()
    assert [(frame.kind, frame.number, len(frame.payload)) for frame in frames] == [
        (Say.REPLY, 3, 1 << 20),
        (Say.READ, 9, 0),
    ]
    assert frames[0].payload == payload
    right.close()


def test_a_worker_that_answers_nothing_is_told_little_and_owed_the_rest():
    """Telling must never wait: a socket holds only so many frames that nobody reads."""
    ring, log, told = Ring.create(SIZE), File(), []
    stream = Stream(ring, log, lambda place, offset: told.append(offset), Limits())
    receive = source([100] * 100000)
    while stream.receive(receive)[0]:
        stream.tell()
    assert len(told) <= AHEAD
    stream.read(told[0])
    assert told[-1] == len(STREAM)
    ring.close()
