import math

import numpy as np
import pytest
import torch

from gadgets.data import Block, Navigation, Noise, SurfaceCoil, Text
from gadgets.errors import DataError
from gadgets.readout.noise import Prewhiten
from gadgets.readout.oversampling import RemoveOversampling
from gadgets.scan import Encoding, Scan, Space

CHANNELS = 6
SCAN = Scan(noise_bandwidth=1.0)


@pytest.fixture
def correlated(white):
    """Noise of correlated coils with differing gains, [readout, coil, sample]."""
    mixing = white(CHANNELS, CHANNELS) + 3 * torch.diag(torch.arange(1.0, CHANNELS + 1))

    def draw(lines, samples):
        return (mixing @ white(lines, CHANNELS, samples)).numpy()

    return draw


def run(items, gadget=None, scan=SCAN):
    out = list((gadget or Prewhiten()).process(iter(items), scan))
    return [item for item in out if not isinstance(item, Text)], [
        item for item in out if isinstance(item, Text)
    ]


def test_whitened_noise_has_sd_1_in_both_parts_and_no_correlation(correlated, readouts):
    (block,), texts = run([readouts(correlated(64, 256), Noise), readouts(correlated(64, 256))])
    samples = block.data.transpose(1, 0, 2).reshape(CHANNELS, -1)
    covariance = samples @ samples.conj().T / samples.shape[1]
    assert np.abs(covariance - 2 * np.eye(CHANNELS)).max() < 0.06
    assert samples.real.std() == pytest.approx(1, abs=0.01)
    assert samples.imag.std() == pytest.approx(1, abs=0.01)
    assert not texts


def test_few_noise_samples_leave_the_sd_that_wishart_says(white, readouts):
    counts, sds = 24, []
    for _ in range(60):
        noise, data = white(1, CHANNELS, counts).numpy(), white(8, CHANNELS, 128).numpy()
        (block,), _ = run([readouts(noise, Noise), readouts(data)])
        sds.append(np.mean(np.abs(block.data) ** 2) / 2)
    assert math.sqrt(np.mean(sds)) == pytest.approx(math.sqrt(counts / (counts - CHANNELS)), rel=0.02)


def test_the_scale_follows_bandwidth_and_sample_times_of_each_readout(correlated, readouts):
    noise, data = correlated(16, 64), correlated(4, 32)
    (reference,), _ = run([readouts(noise, Noise), readouts(data)])
    times = np.array([5, 20, 5, 20], np.float32)
    (block,), _ = run(
        [readouts(noise, Noise), readouts(data, sample_time_us=times)], Prewhiten(bandwidth=0.25)
    )
    gain = 0.5 * np.sqrt(times / 5)[:, None, None]
    np.testing.assert_allclose(block.data, gain * reference.data, rtol=1e-5)


def test_noise_readouts_of_differing_sample_times_count_at_one_level(correlated, readouts):
    noise, data = correlated(16, 64), readouts(correlated(4, 32))
    (one,), _ = run([readouts(noise, Noise), data])
    slow = readouts(noise[8:] / 2, Noise, sample_time_us=20)
    (two,), _ = run([readouts(noise[:8], Noise), slow, data])
    np.testing.assert_allclose(two.data, one.data, rtol=1e-4, atol=1e-4)


def test_an_unknown_sample_time_is_noted_and_counts_as_equal(correlated, readouts):
    noise, data = correlated(16, 64), correlated(4, 32)
    (known,), _ = run([readouts(noise, Noise), readouts(data)])
    (block,), _ = run([readouts(noise, Noise, sample_time_us=0), readouts(data, sample_time_us=40)])
    assert np.array_equal(block.data, known.data)
    assert block.notes["ScansideNoiseSampleTime"] == "unknown"


@pytest.mark.parametrize(
    ("parameter", "header", "used", "source"),
    [(0.5, 0.7, 0.5, "parameter"), (None, 0.7, 0.7, "header"), (None, None, 0.793, "assumed")],
)
def test_the_bandwidth_is_the_parameter_or_the_header_or_assumed(
    correlated, readouts, parameter, header, used, source
):
    items = [readouts(correlated(4, 64), Noise), readouts(correlated(1, 32))]
    (block,), _ = run(items, Prewhiten(bandwidth=parameter), Scan(noise_bandwidth=header))
    assert block.notes["ScansideNoiseBandwidth"] == used
    assert block.notes["ScansideNoiseBandwidthSource"] == source
    assert (block.notes["ScansideNoiseSamples"], block.notes["ScansideNoiseChannels"]) == (256, CHANNELS)


def test_no_result_depends_on_where_blocks_are_cut(correlated, readouts):
    noise, data = correlated(40, 64), correlated(50, 48)
    (whole,), _ = run([readouts(noise, Noise), readouts(data)])
    cuts = [1, 2, 7, 8, 24, 49]
    pieces = [readouts(part, Noise) for part in np.split(noise, [3, 4, 31])]
    pieces += [readouts(part) for part in np.split(data, cuts)]
    blocks, _ = run(pieces)
    assert np.array_equal(np.concatenate([block.data for block in blocks]), whole.data)


def test_whitening_and_oversampling_removal_commute(correlated, readouts):
    encoded, recon = (
        Space(matrix=(64, 8, 1), fov=(0.4, 0.2, 0.01)),
        Space(matrix=(32, 8, 1), fov=(0.2, 0.2, 0.01)),
    )
    scan = Scan(encodings=(Encoding(encoded=encoded, recon=recon),), noise_bandwidth=1.0)
    noise, block = readouts(correlated(8, 64), Noise), readouts(correlated(8, 64))
    (first,), _ = run([noise, RemoveOversampling().one(block, scan)], scan=scan)
    (whitened,), _ = run([noise, block], scan=scan)
    np.testing.assert_allclose(first.data, RemoveOversampling().one(whitened, scan).data, atol=1e-5)


@pytest.mark.parametrize("value", [0, 3 + 4j, np.nan])
def test_a_dead_channel_is_dropped_with_a_warning_that_names_it(correlated, readouts, value):
    noise, data = correlated(8, 64), correlated(4, 32)
    noise[:, 2] = value
    data[:, 2] = value
    scan = Scan(noise_bandwidth=1.0, coil_labels=("A", "B", "Spine:3", "D", "E", "F"))
    (block,), texts = run([readouts(noise, Noise), readouts(data)], scan=scan)
    assert len(texts) == 1
    assert "Spine:3" in texts[0].text
    assert list(block.notes["ScansideNoiseDeadChannels"]) == ["Spine:3"]
    assert np.all(block.data[:, 2] == 0)
    others = [0, 1, 3, 4, 5]
    (alone,), _ = run([readouts(noise[:, others], Noise), readouts(data[:, others])])
    np.testing.assert_allclose(block.data[:, others], alone.data, rtol=1e-4, atol=1e-5)


def test_what_noise_cannot_say_is_refused_by_name(correlated, readouts):
    with pytest.raises(DataError, match="n = 5 samples for p = 6 channels"):
        run([readouts(correlated(1, 5), Noise), readouts(correlated(1, 32))])
    with pytest.raises(DataError, match="readouts have 4 channels, but the noise scan has 6"):
        run([readouts(correlated(1, 64), Noise), readouts(correlated(1, 32)[:, :4])])
    with pytest.raises(DataError, match="4 and 6 channels"):
        run(
            [
                readouts(correlated(1, 64), Noise),
                readouts(correlated(1, 64)[:, :4], Noise),
                readouts(correlated(1, 8)),
            ]
        )
    copied = correlated(4, 64)
    copied[:, 1] = copied[:, 4]
    with pytest.raises(DataError, match="copies"):
        run([readouts(copied, Noise), readouts(correlated(1, 32))])
    with pytest.raises(DataError, match="none of the 6 channels"):
        run([readouts(np.zeros((1, 6, 64)), Noise), readouts(correlated(1, 32))])


def test_a_scan_without_noise_passes_with_one_warning_or_fails(correlated, readouts):
    blocks = [readouts(correlated(2, 32)) for _ in range(3)]
    out, texts = run(blocks)
    assert all(after.data is before.data for after, before in zip(out, blocks, strict=True))
    assert [text.level for text in texts] == ["warning"]
    assert {item.notes["ScansideNoise"] for item in out} == {"none"}
    with pytest.raises(DataError, match="no noise readouts"):
        run(blocks, Prewhiten(missing="fail"))


def test_the_first_imaging_line_fixes_the_whitening(correlated, readouts):
    noise, data = readouts(correlated(8, 64), Noise), readouts(correlated(2, 32))
    later = readouts(10 * correlated(8, 64), Noise)
    (before, after), texts = run([noise, data, later, later, data])
    assert np.array_equal(before.data, after.data)
    assert len(texts) == 1


def test_every_kind_of_readout_stays_what_it_is(correlated, readouts):
    body = readouts(correlated(1, 32)[:, :2], SurfaceCoil)
    items = [readouts(correlated(8, 64), Noise), readouts(correlated(1, 32), Navigation), body]
    (navigation, surface), _ = run([*items])
    assert isinstance(navigation, Navigation)
    assert navigation.notes["ScansideNoise"] == "scan"
    assert surface.data is body.data
    assert surface.notes["ScansideNoise"] == "none"


def test_inputs_are_not_written_into(correlated, readouts):
    block = readouts(correlated(2, 32))
    kept = block.data.copy()
    run([readouts(correlated(8, 64), Noise), block])
    assert isinstance(block, Block)
    assert np.array_equal(block.data, kept)
