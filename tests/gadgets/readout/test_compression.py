"""Coil compression keeps the signal, and white noise white."""

import numpy as np
import pytest
import torch

from gadgets.arrays import to_image, to_kspace
from gadgets.data import Block, Navigation, Noise, Text
from gadgets.errors import DataError
from gadgets.head import Flag
from gadgets.readout.compression import CompressCoils
from gadgets.readout.noise import Prewhiten
from gadgets.testing import cartesian, cut, join, random_kspace, readouts, run

COILS, HEIGHT, WIDTH = 12, 32, 24


@pytest.fixture
def signal():
    """k-space of four coils' worth of signal in twelve channels, [coil, k2, k1, k0]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    body = ((y - 16) / 12) ** 2 + ((x - 12) / 9) ** 2 < 1
    base = np.stack([body * np.exp(1j * (n * y / 20 + (n % 2) * x / 10)) for n in range(4)])
    mixing = random_kspace((COILS, 4), seed=5)
    images = torch.from_numpy(np.einsum("cn,nyx->cyx", mixing, base).astype(np.complex64))
    return 30 * to_kspace(images, (-2, -1)).numpy()[:, None]


def energy(block):
    return float(np.square(np.abs(block.data)).sum())


def whole(items):
    return np.concatenate([item.data for item in items])


def test_as_many_channels_as_there_are_kinds_of_signal_hold_it_all(signal):
    block = readouts(signal, range(HEIGHT))
    (small,) = run(CompressCoils(), [block], cartesian((WIDTH, HEIGHT, 1)))
    assert small.data.shape == (HEIGHT, 4, WIDTH)
    assert set(small.head["active_channels"]) == {4}
    assert small.notes["ScansideCoils"] == "4 of 12"
    assert energy(small) == pytest.approx(energy(block), rel=1e-4)


def test_fewer_channels_do_where_they_may_differ_along_the_readout(signal):
    block = readouts(signal, range(HEIGHT))
    one, other = (
        run(CompressCoils(channels=2, geometric=choice), [block], cartesian((WIDTH, HEIGHT, 1)))[0]
        for choice in (False, True)
    )
    assert other.transformed
    assert energy(one) < 0.99 * energy(block)
    assert energy(other) > 0.995 * energy(block)


@pytest.mark.parametrize("geometric", [False, True])
def test_white_noise_stays_white(signal, geometric):
    scan = cartesian((WIDTH, HEIGHT, 1))
    noisy = [readouts(signal, range(HEIGHT))]
    noisy += [
        readouts(random_kspace(signal.shape, seed), range(HEIGHT), repetition=1) for seed in range(9, 49)
    ]
    out = run(CompressCoils(channels=3, geometric=geometric), noisy, scan)
    samples = whole(out[1:]).swapaxes(0, 1).reshape(3, -1)
    covariance = samples @ samples.conj().T / samples.shape[1] / 2
    np.testing.assert_allclose(covariance, np.eye(3), atol=0.02)


def test_geometric_channels_are_smooth_along_the_readout(signal):
    block = readouts(signal, range(HEIGHT))
    (small,) = run(CompressCoils(channels=4, geometric=True), [block], cartesian((WIDTH, HEIGHT, 1)))
    image = to_image(torch.from_numpy(small.data).permute(1, 2, 0)).numpy()[:, 6:18, 14:18]
    steps = np.abs(np.diff(image, axis=1)).max() / np.abs(image).max()
    assert steps < 0.5


def test_the_last_channels_stay_as_they_are(signal):
    block = readouts(signal, range(HEIGHT))
    scan = cartesian((WIDTH, HEIGHT, 1))
    (small,) = run(CompressCoils(channels=2, uncombined=3), [block], scan)
    assert small.data.shape[1] == 5
    np.testing.assert_array_equal(small.data[:, 2:], block.data[:, -3:])


def test_no_cut_of_the_blocks_changes_a_bit(signal):
    both = Flag.PARALLEL_CALIBRATION_AND_IMAGING
    lines = join(
        readouts(signal, [k1], flags=both if 8 <= k1 < 24 else 0, slice=at)
        for k1 in range(HEIGHT)
        for at in (0, 1)
    )
    gadget, scan = CompressCoils(lines=8), cartesian((WIDTH, HEIGHT, 1))
    once = whole(run(gadget, [lines], scan))
    for places in ([1], [17, 18], range(len(lines.head))):
        np.testing.assert_array_equal(whole(run(gadget, cut(lines, places), scan)), once)


def test_lines_leave_in_their_order_as_soon_as_the_centre_is_there(signal):
    received, left = 0, []

    def stream():
        nonlocal received
        for part in cut(readouts(signal, range(HEIGHT)), range(HEIGHT)):
            received += 1
            yield part

    for block in CompressCoils(lines=8).process(stream(), cartesian((WIDTH, HEIGHT, 1))):
        left += [(int(k1), received) for k1 in block.head["idx"]["kspace_encode_step_1"]]
    assert [k1 for k1, _ in left] == list(range(HEIGHT))
    assert max(at for k1, at in left if k1 < 20) == 20
    assert left[-1] == (HEIGHT - 1, HEIGHT)


def test_a_slice_without_central_lines_is_decided_by_what_it_has(signal):
    block = readouts(signal, range(2))
    (small,) = run(CompressCoils(channels=2), [block], cartesian((WIDTH, HEIGHT, 1)))
    assert small.data.shape == (2, 2, WIDTH)


def test_where_there_are_fewer_channels_than_asked_for_all_are_kept(signal):
    block, scan = readouts(signal, range(HEIGHT)), cartesian((WIDTH, HEIGHT, 1))
    (small,) = run(CompressCoils(channels=11, uncombined=2), [block], scan)
    assert small.data.shape == block.data.shape
    np.testing.assert_allclose(
        np.linalg.norm(small.data, axis=1), np.linalg.norm(block.data, axis=1), rtol=1e-4
    )


def test_no_channel_beside_those_that_stay_is_an_error(signal):
    with pytest.raises(
        DataError, match="CompressCoils needs a channel beside 12 that stay as they are, got 12"
    ):
        run(CompressCoils(uncombined=12), [readouts(signal, range(HEIGHT))], cartesian((WIDTH, HEIGHT, 1)))


def test_joined_with_prewhitening_it_gives_what_both_give(signal):
    """In one product: with a dead channel, two sample times, two slices, other readouts and any cuts."""
    scan = cartesian((WIDTH, HEIGHT, 1))
    silence = random_kspace((64, COILS, WIDTH), seed=3)
    silence[:, 5] = 0
    silence[:, 2] = 3 * silence[:, 2] + silence[:, 7]
    lines = readouts(signal, range(HEIGHT))
    noise = Noise(head=np.resize(lines.head, 64).copy(), data=silence)
    noise.head["sample_time_us"] = 5.0
    lines.head["sample_time_us"] = np.where(np.arange(HEIGHT) % 3, 5.0, 10.0)
    other = readouts(signal[:, :, ::-1], range(HEIGHT), slice=1)
    echo = Navigation(head=lines.head[:2], data=lines.data[:2])
    items = [noise, *cut(lines, [3, 11, 20]), echo, join([lines, other])]
    whiten, compress = Prewhiten(), CompressCoils(channels=3, uncombined=2)
    apart = run(compress, [each for each in run(whiten, items, scan) if isinstance(each, Block)], scan)
    joined = compress.joined(whiten)
    assert joined is not None
    found = run(joined, items, scan)
    aside = [each for each in found if not isinstance(each, Block)]
    assert [type(each) for each in aside] == [Text, Navigation]
    np.testing.assert_array_equal(aside[1].data, run(whiten, [noise, lines, echo], scan)[-1].data)
    blocks = [each for each in found if isinstance(each, Block)]
    assert [each.notes for each in blocks] == [each.notes for each in apart]
    np.testing.assert_allclose(whole(blocks), whole(apart), atol=1e-5 * np.abs(whole(apart)).max())
    np.testing.assert_array_equal(blocks[0].head, apart[0].head)


def test_geometric_channels_and_other_neighbours_stay_two():
    assert CompressCoils(geometric=True).joined(Prewhiten()) is None
    assert CompressCoils().joined(CompressCoils()) is None


def test_a_site_s_own_prewhitening_or_compression_is_never_joined():
    """The joined gadget would not run what a subclass does."""

    class Own(Prewhiten):
        """Does something else."""

    class Another(CompressCoils):
        """So does this."""

    assert CompressCoils().joined(Own()) is None
    assert Another().joined(Prewhiten()) is None
