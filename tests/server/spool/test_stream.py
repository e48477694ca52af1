import pytest

from server.spool.stream import Spooled
from server.wire import encode
from server.wire.decode import decode_all
from server.wire.kinds import Kind
from tests.server.spool.scans import keep, scan

DATA = scan(parameters='{"parameters": {}}')


@pytest.fixture
def source(spool):
    return Spooled(keep(spool, DATA, {"state": "complete"}).path)


def test_the_pieces_are_the_bytes(source):
    assert b"".join(source.pieces()) == DATA
    assert b"".join(source.pieces(1000)) == DATA[1000:]


def test_the_messages_are_those_that_were_sent(source):
    assert [type(each) for each in source.messages()] == [type(each) for each in decode_all(DATA)]


def test_the_prologue_ends_with_the_first_data(source):
    kinds = [Kind.QUERY, Kind.CONFIG_FILE, Kind.HEADER, Kind.TEXT]
    assert [kind for kind, _ in source.prologue()] == kinds


def test_an_edit_that_changes_nothing_changes_nothing(source):
    assert b"".join(source.edited(lambda kind, message: message)) == DATA


@pytest.mark.parametrize("size", [0, 1, 30, 1100, 1500, len(DATA) - 1])
def test_a_cut_stream_is_edited_as_far_as_it_goes(spool, size):
    source = Spooled(keep(spool, DATA[:size], {"state": "cut"}).path)
    assert b"".join(source.edited(lambda kind, message: message)) == DATA[:size]
    assert source.extent().complete <= size == source.extent().size


def test_the_configuration_alone_is_replaced(source):
    other = encode.config_text("chain: []")
    edited = source.edited(lambda kind, message: other if kind == Kind.CONFIG_FILE else message)
    assert b"".join(edited) == DATA.replace(encode.config_file("cartesian_fft.yml"), other)


def test_the_extent_tells_the_last_complete_message(source):
    extent = source.extent()
    assert (extent.size, extent.complete, extent.last, extent.fault) == (
        len(DATA),
        len(DATA),
        Kind.CLOSE,
        "",
    )
