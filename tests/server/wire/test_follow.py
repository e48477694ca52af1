import itertools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadgets.head import READOUT_HEAD, Flag
from server.errors import ProtocolError
from server.wire import encode
from server.wire.decode import Decoder
from server.wire.follow import Follower
from server.wire.kinds import Kind
from tests.server.wire.test_decode import CONVERSATION


def compressed():
    head = np.zeros((), READOUT_HEAD)
    head["flags"], head["active_channels"], head["number_of_samples"] = Flag.COMPRESSION_1, 4, 100
    return struct.pack("<H", 1008) + head.tobytes() + struct.pack("<I", 7) + b"1234567"


STREAM = compressed() + CONVERSATION[:-2] + compressed() + encode.close()


def follow(pieces):
    follower = Follower()
    marks = [mark for piece in pieces for mark in follower.feed(memoryview(piece))]
    return follower, marks


def boundaries(marks):
    """Offsets behind every message that is no readout, and behind the last."""
    return [(mark.kind, mark.stop) for mark in marks if mark.kind != Kind.ACQUISITION]


def test_the_marks_cover_the_stream_without_gap():
    follower, marks = follow([STREAM])
    assert marks[0].start == 0
    assert all(before.stop == behind.start for before, behind in itertools.pairwise(marks))
    assert marks[-1].stop == follower.complete == len(STREAM)


def test_it_ends_messages_where_the_decoder_does():
    decoder = Decoder()
    list(decoder.decode(memoryview(STREAM)))
    follower, _ = follow([STREAM])
    assert follower.complete == decoder.consumed


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
@settings(max_examples=100, deadline=None)
def test_where_the_bytes_are_cut_changes_no_boundary(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    follower, marks = follow(STREAM[a:b] for a, b in itertools.pairwise(edges))
    _, whole = follow([STREAM])
    assert follower.complete == len(STREAM)
    assert boundaries(marks) == boundaries(whole)
    assert [m.message for m in marks if m.message] == [m.message for m in whole if m.message]


def test_one_byte_at_a_time_gives_the_same_boundaries():
    _, marks = follow(STREAM[i : i + 1] for i in range(len(STREAM)))
    _, whole = follow([STREAM])
    assert boundaries(marks) == boundaries(whole)


def test_complete_never_passes_what_was_received():
    for size in range(0, len(STREAM), 3):
        follower, marks = follow([STREAM[:size]])
        assert follower.complete <= size
        assert all(mark.stop <= size for mark in marks)


def test_a_message_that_cannot_be_followed_is_named():
    with pytest.raises(ProtocolError, match="message id 999 is unknown"):
        follow([CONVERSATION[:-2], struct.pack("<H", 999)])


def test_small_messages_are_kept_whole_and_payloads_are_not():
    _, marks = follow([STREAM])
    kept = {mark.kind for mark in marks if mark.message}
    assert kept == {Kind.QUERY, Kind.CONFIG_FILE, Kind.HEADER, Kind.TEXT, Kind.CLOSE}
