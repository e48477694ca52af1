import numpy as np
import pytest

from gadgets.head import IMAGE_HEAD, READOUT_HEAD
from server.errors import ProtocolError
from server.wire import composite
from server.wire.buffer import Buffer
from server.wire.decode import Decoder, decode_all
from server.wire.kinds import Limits

RNG = np.random.default_rng(0)


def data(*shape):
    return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(np.complex64)


def heads(dtype, *shape):
    return np.frombuffer(RNG.bytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(shape)


def buffer():
    return composite.Buffer(
        data=data(1, 2, 3, 4, 1, 6, 8),
        heads=heads(READOUT_HEAD, 1, 2, 3, 1, 6),
        sampling=heads(composite.SAMPLING, 1)[0],
        density=RNG.standard_normal((6, 8)).astype(np.float32),
    )


def acquisition(space=0, dims=0):
    head = np.zeros((), READOUT_HEAD)
    head["active_channels"], head["number_of_samples"], head["trajectory_dimensions"] = 2, 5, dims
    head["encoding_space_ref"], head["idx"]["slice"] = space, 3
    path = RNG.standard_normal((5, dims)).astype(np.float32) if dims else None
    return composite.Acquisition(head=head, data=data(2, 5), trajectory=path)


MESSAGES = {
    "recon data": lambda: composite.recon_data(
        composite.ReconData(bits=((buffer(), buffer()), (buffer(), None)))
    ),
    "image array": lambda: composite.image_array(
        composite.ImageArray(
            data=data(1, 1, 2, 1, 1, 4, 4), heads=heads(IMAGE_HEAD, 1, 1, 2), meta=("<a/>", "")
        )
    ),
    "bucket": lambda: composite.bucket(
        composite.Bucket(data=(acquisition(), acquisition(1, 3)), reference=(acquisition(),)), 2
    ),
}


def read(message):
    (found,) = Decoder(nodes=True).decode(memoryview(message))
    return found


def test_recon_data_come_back_as_they_were():
    sent = composite.ReconData(bits=((buffer(), buffer()), (buffer(), None)))
    found = read(composite.recon_data(sent))
    for (one, reference), (other, further) in zip(sent.bits, found.bits, strict=True):
        assert (one.data == other.data).all()
        assert (one.density == other.density).all()
        assert (one.heads.tobytes(), one.sampling.tobytes()) == (
            other.heads.tobytes(),
            other.sampling.tobytes(),
        )
        assert (reference is None) == (further is None)


def test_the_first_axis_of_gadgetron_is_the_fastest():
    message = composite.recon_data(composite.ReconData(bits=((buffer(), None),)))
    assert np.frombuffer(message, "<u8", 8, offset=10).tolist() == [7, 8, 6, 1, 4, 3, 2, 1]


def test_an_image_array_comes_back_as_it_was():
    sent = composite.ImageArray(
        data=data(1, 1, 2, 1, 1, 4, 4), heads=heads(IMAGE_HEAD, 1, 1, 2), meta=("<a/>", "b")
    )
    found = read(composite.image_array(sent))
    assert (found.data == sent.data).all()
    assert found.heads.tobytes() == sent.heads.tobytes()
    assert found.meta == sent.meta


def test_a_bucket_comes_back_as_it_was():
    sent = composite.Bucket(data=(acquisition(), acquisition(1, 3)), reference=(acquisition(),))
    found = read(composite.bucket(sent, 2))
    for one, other in zip((*sent.data, *sent.reference), (*found.data, *found.reference), strict=True):
        assert (one.data == other.data).all()
        assert one.head == other.head
        assert (one.trajectory is None) == (other.trajectory is None)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_composite_is_read_however_its_bytes_come(name):
    message = MESSAGES[name]() + b"\4\0"
    at = 0

    def receive(view):
        nonlocal at
        count = min(len(view), int(RNG.integers(1, 900)), len(message) - at)
        view[:count] = message[at : at + count]
        at += count
        return count

    assert len(list(Buffer(nodes=True).messages(receive))) == 2
    assert at == len(message)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_part_of_a_composite_is_no_message(name):
    message = MESSAGES[name]()
    for size in range(2, len(message), 97):
        decoder = Decoder(nodes=True)
        assert list(decoder.decode(memoryview(message)[:size])) == []
        assert size < decoder.need <= len(message)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_composite_with_wrong_bytes_is_refused_or_read_but_never_believed_without_limit(name):
    message = bytearray(MESSAGES[name]())
    for _ in range(300):
        wrong = bytearray(message)
        wrong[int(RNG.integers(2, min(len(wrong), 200)))] = int(RNG.integers(256))
        try:
            list(Decoder(Limits(message=1 << 20), nodes=True).decode(memoryview(bytes(wrong))))
        except (ProtocolError, ValueError) as error:
            assert isinstance(error, ProtocolError), error


@pytest.mark.parametrize("name", MESSAGES)
def test_a_scanner_may_send_none(name):
    with pytest.raises(ProtocolError, match="travels between the nodes"):
        decode_all(MESSAGES[name]())
