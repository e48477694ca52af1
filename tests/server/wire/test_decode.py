import contextlib
import itertools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadgets.data import Block, Dummy, Image, Navigation, Noise, Readouts, Waveform
from gadgets.head import IMAGE_HEAD, READOUT_HEAD, WAVEFORM_HEAD, Flag
from server.errors import ProtocolError
from server.wire import encode
from server.wire import messages as said
from server.wire.buffer import Buffer
from server.wire.decode import Decoder, decode_all
from server.wire.kinds import Kind, Limits

RNG = np.random.default_rng(0)


def complex_noise(*shape):
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(np.complex64)


def readouts(count, coils=3, samples=8, dims=0, flags=0):
    head = np.zeros(count, READOUT_HEAD)
    head["active_channels"], head["number_of_samples"], head["trajectory_dimensions"] = coils, samples, dims
    head["scan_counter"] = np.arange(count)
    head["flags"] = flags
    path = RNG.standard_normal((count, samples, dims)).astype(np.float32) if dims else None
    return Readouts(head=head, data=complex_noise(count, coils, samples), trajectory=path)


def waveform():
    head = np.zeros((), WAVEFORM_HEAD)
    head["channels"], head["number_of_samples"] = 2, 5
    return Waveform(head=head, data=np.arange(10, dtype=np.uint32).reshape(2, 5))


CONVERSATION = b"".join(
    [
        encode.query(7, "gadgetron::info"),
        encode.config_file("cartesian_fft.yml"),
        encode.header("<ismrmrdHeader/>", encode.FIRE),
        encode.text('{"parameters": {}}', encode.FIRE),
        encode.readouts(readouts(3)),
        encode.waveform(waveform()),
        encode.readouts(readouts(2, coils=2, dims=2)),
        encode.readouts(readouts(1, samples=0)),
        encode.close(),
    ]
)


def shape(message):
    """A message as plain values; neighbouring readouts are told apart."""
    if isinstance(message, Readouts):
        path = None if message.trajectory is None else message.trajectory
        return [
            (type(message).__name__, h.tobytes(), d.tobytes(), None if path is None else path[i].tobytes())
            for i, (h, d) in enumerate(zip(message.head, message.data, strict=True))
        ]
    if isinstance(message, Waveform):
        return [(message.head.tobytes(), message.data.tobytes())]
    return [message]


def said_in(pieces):
    queue = [bytearray(piece) for piece in pieces if piece]

    def receive(view):
        if not queue:
            return 0
        count = min(len(view), len(queue[0]))
        view[:count] = queue[0][:count]
        del queue[0][:count]
        if not queue[0]:
            queue.pop(0)
        return count

    return [each for message in Buffer().messages(receive) for each in shape(message)]


def test_header_layouts_are_those_of_the_standard():
    assert (READOUT_HEAD.itemsize, IMAGE_HEAD.itemsize, WAVEFORM_HEAD.itemsize) == (340, 198, 40)
    assert {
        name: READOUT_HEAD.fields[name][1] for name in ("flags", "center_sample", "idx", "user_float")
    } == {
        "flags": 2,
        "center_sample": 172,
        "idx": 242,
        "user_float": 308,
    }
    assert IMAGE_HEAD.fields["image_series_index"][1] == 128
    assert WAVEFORM_HEAD.fields["waveform_id"][1] == 36


def test_a_conversation_comes_back_as_it_was_said():
    found = said_in([CONVERSATION])
    assert [type(each) for each in found[:4]] == [said.Query, said.ConfigFile, said.Header, said.TextMessage]
    assert found[1:3] == [said.ConfigFile("cartesian_fft.yml"), said.Header("<ismrmrdHeader/>")]
    assert [each[0] for each in found[4:7]] == ["Block"] * 3
    assert found[-1] == said.Close()
    assert len(found) == 12


@given(st.lists(st.integers(0, len(CONVERSATION)), max_size=12))
@settings(max_examples=50, deadline=None)
def test_where_the_bytes_are_cut_changes_nothing(cuts):
    edges = [0, *sorted(cuts), len(CONVERSATION)]
    pieces = [CONVERSATION[a:b] for a, b in itertools.pairwise(edges)]
    assert said_in(pieces) == said_in([CONVERSATION])


def test_every_truncation_gives_a_prefix_and_says_that_bytes_are_pending():
    whole = said_in([CONVERSATION])
    for size in range(len(CONVERSATION)):
        found = said_in([CONVERSATION[:size]])
        assert found == whole[: len(found)]


def test_a_block_owns_aligned_copies():
    wire = bytearray(encode.readouts(readouts(4)))
    decoder = Decoder()
    [block] = decoder.decode(memoryview(wire))
    before = block.data.copy()
    wire[:] = bytes(len(wire))
    assert block.data.flags.aligned
    assert block.data.flags.c_contiguous
    np.testing.assert_array_equal(block.data, before)


@pytest.mark.parametrize(
    ("flag", "kind"),
    [
        (Flag.NOISE_MEASUREMENT, Noise),
        (Flag.NAVIGATION, Navigation),
        (Flag.DUMMY_SCAN, Dummy),
        (Flag.PARALLEL_CALIBRATION, Block),
        (Flag.NOISE_MEASUREMENT | Flag.NAVIGATION, Noise),
    ],
)
def test_the_type_of_a_readout_is_its_kind(flag, kind):
    assert [type(each) for each in decode_all(encode.readouts(readouts(2, flags=flag)))] == [kind]


def test_blocks_are_cut_behind_every_last_flag_and_at_a_change_of_encoding_space():
    run = readouts(6)
    run.head["flags"][2] = Flag.LAST_IN_SLICE
    run.head["encoding_space_ref"][4:] = 1
    assert [len(each.head) for each in decode_all(encode.readouts(run))] == [3, 1, 2]


def test_an_image_with_meta_makes_the_round_trip():
    import torch

    head = np.zeros((), IMAGE_HEAD)
    head["image_series_index"] = 4
    pixels = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    image = Image(data=pixels, head=head, meta={"Name": "a & b", "Row": ["1", "0"], "Count": 3})
    [back] = decode_all(encode.image(image, encode.FIRE))
    assert torch.equal(back.data, pixels)
    assert dict(back.meta) == {"Name": "a & b", "Row": ["1", "0"], "Count": "3"}
    assert back.head["matrix_size"].tolist() == [5, 4, 3]


@pytest.mark.parametrize("data_type", [1, 2, 3, 4, 5, 6, 7, 8])
def test_images_of_every_type_make_the_round_trip(data_type):
    import torch

    from server.wire.extent import PIXEL

    pixels = np.arange(6).astype(PIXEL[data_type]).reshape(1, 1, 2, 3)
    head = np.zeros((), IMAGE_HEAD)
    [back] = decode_all(encode.image(Image(data=torch.from_numpy(pixels), head=head)))
    assert int(back.head["data_type"]) == data_type
    np.testing.assert_array_equal(back.data.numpy(), pixels)


def test_compressed_readouts_are_named_and_the_stream_stays_in_step():
    head = np.zeros(1, READOUT_HEAD)
    head["flags"], head["active_channels"], head["number_of_samples"] = Flag.COMPRESSION_1, 4, 100
    wire = struct.pack("<H", 1008) + head.tobytes() + struct.pack("<I", 7) + b"1234567" + encode.close()
    found = decode_all(wire)
    assert [type(each) for each in found] == [said.Unsupported, said.Close]
    assert "compressed" in found[0].what


HUGE = [
    ("config", struct.pack("<HI", Kind.CONFIG_TEXT, 2**32 - 1)),
    ("header", struct.pack("<HI", Kind.HEADER, 2**32 - 1)),
    ("text", struct.pack("<HI", Kind.TEXT, 2**32 - 1)),
    ("query", struct.pack("<HQQQ", Kind.QUERY, 0, 0, 2**64 - 1)),
    ("response", struct.pack("<HQQ", Kind.RESPONSE, 0, 2**64 - 1)),
    ("error", struct.pack("<HQ", Kind.ERROR, 2**64 - 1)),
    ("readout", struct.pack("<H", 1008) + b"\xff" * 2 + bytes(8) + b"\xff" * 330),
    ("waveform", struct.pack("<H", Kind.WAVEFORM) + b"\xff" * 40),
    ("array", struct.pack("<HHHHQQ", Kind.NDARRAY, 8, 0, 2, 2**40, 2**40)),
    ("dicom", struct.pack("<HI", Kind.DICOM, 2**32 - 1)),
]


@pytest.mark.parametrize("wire", [wire for _, wire in HUGE], ids=[name for name, _ in HUGE])
def test_a_size_above_the_limit_is_refused_before_anything_is_allocated(wire):
    with pytest.raises(ProtocolError, match="above the limit"):
        decode_all(wire)


def test_an_image_that_claims_a_huge_meta_is_refused():
    head = np.zeros((), IMAGE_HEAD)
    head["data_type"] = 5
    with pytest.raises(ProtocolError, match="meta attributes of 18446744073709551615 bytes"):
        decode_all(struct.pack("<H", Kind.IMAGE) + head.tobytes() + struct.pack("<Q", 2**64 - 1))


@pytest.mark.parametrize("number", [0, 9, 1009, 1051, 65535])
def test_an_unknown_message_is_named(number):
    with pytest.raises(ProtocolError, match=f"message id {number} is unknown"):
        decode_all(struct.pack("<H", number))


@pytest.mark.parametrize(("number", "name"), [(1023, "recon data"), (1024, "image array"), (1050, "bucket")])
def test_messages_between_nodes_are_refused_by_name(number, name):
    with pytest.raises(ProtocolError, match=name):
        decode_all(struct.pack("<H", number))


def test_strings_are_read_with_nul_and_without():
    for profile in (encode.FIRE, encode.GADGETRON):
        assert decode_all(encode.header("<a/>", profile)) == [said.Header("<a/>")]


def test_a_message_larger_than_the_buffer_makes_it_grow():
    big = readouts(2, coils=64, samples=4096)
    found = said_in([encode.readouts(big)])
    assert found == shape(decode_all(encode.readouts(big))[0])


def test_limits_can_be_set():
    with pytest.raises(ProtocolError, match="a text of 100 bytes is above the limit of 10"):
        decode_all(encode.text("x" * 100), Limits(text=10))


@given(st.binary(max_size=600))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_messages_or_a_protocol_error(data):
    with contextlib.suppress(ProtocolError):
        decode_all(data, Limits(message=1 << 16))
