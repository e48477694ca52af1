from dataclasses import replace

import numpy as np
import pytest
import torch

from gadgets.data import Block, Noise, NoiseMeasurement, Text
from gadgets.errors import DataError
from gadgets.readout.measurement import MeasureNoise
from gadgets.readout.noise import Prewhiten
from gadgets.scan import Scan
from gadgets.testing import run, run_interrupted

LABELS = ("A", "B", "C", "D", "E", "F")
SCAN = Scan(noise_bandwidth=0.8, coil_labels=LABELS)


@pytest.fixture
def correlated(white):
    mixing = white(6, 6) + 3 * torch.diag(torch.arange(1.0, 7))
    return lambda lines, samples: (mixing @ white(lines, 6, samples)).numpy()


def measured(*noise, scan=SCAN):
    (item,) = run(MeasureNoise(), noise, scan)
    return item


def stored(noise, **change):
    return replace(noise, origin="0123456789abcdef", **change)


def whitened(items, scan=SCAN, gadget=None):
    out = run(gadget or Prewhiten(), items, scan)
    return [each for each in out if isinstance(each, Block)], [each for each in out if isinstance(each, Text)]


def test_a_noise_scan_becomes_one_measurement_of_all_its_readouts(correlated, readouts):
    noise = correlated(8, 64)
    item = measured(readouts(noise[:3], Noise), readouts(noise[3:], Noise))
    samples = noise.astype(complex).transpose(1, 0, 2).reshape(6, -1)
    np.testing.assert_allclose(item.covariance, samples @ samples.conj().T / 512)
    np.testing.assert_allclose(item.variance, samples.var(axis=1))
    assert (item.samples, item.sample_time, item.bandwidth) == (512, 5, 0.8)
    assert (item.coil_labels, item.origin) == (LABELS, "")


def test_where_the_noise_scan_was_cut_into_blocks_changes_no_bit(correlated, readouts):
    noise = correlated(8, 64)
    one = measured(readouts(noise, Noise))
    many = measured(*(readouts(line[None], Noise) for line in noise))
    assert np.array_equal(one.covariance, many.covariance)
    assert np.array_equal(one.variance, many.variance)


def test_a_cut_noise_scan_leaves_no_measurement(correlated, readouts):
    assert run_interrupted(MeasureNoise(), [readouts(correlated(8, 64), Noise)], SCAN) == []


def test_a_scan_without_noise_readouts_is_told_so():
    (text,) = run(MeasureNoise(), [], SCAN)
    assert (text.level, "no noise readouts" in text.text) == ("warning", True)


def test_a_stored_measurement_whitens_bit_by_bit_as_the_same_noise_in_the_scan(correlated, readouts):
    noise, data = (
        readouts(correlated(16, 64), Noise),
        readouts(correlated(5, 32), sample_time_us=[5, 9, 5, 2, 2]),
    )
    (own,), _ = whitened([noise, data])
    (other,), texts = whitened([stored(measured(noise)), data])
    assert np.array_equal(own.data, other.data)
    assert not texts
    assert (own.notes["ScansideNoise"], other.notes["ScansideNoise"]) == ("scan", "dependency")
    assert other.notes["ScansideNoiseMeasurement"] == "0123456789abcdef"
    assert "ScansideNoiseMeasurement" not in own.notes
    assert other.notes["ScansideNoiseSamples"] == 1024


def test_dead_channels_are_dropped_from_a_stored_measurement_too(correlated, readouts):
    noise, data = correlated(16, 64), readouts(correlated(5, 32))
    noise[:, 1], noise[:, 4] = np.nan, 7
    (own,), _ = whitened([readouts(noise, Noise), data])
    item = stored(measured(readouts(noise, Noise)))
    (other,), texts = whitened([item, data])
    assert np.array_equal(own.data, other.data)
    assert np.isfinite(item.covariance).all()
    assert [name for name in LABELS if any(f"channel {name} is dead" in text.text for text in texts)] == [
        "B",
        "E",
    ]


def test_the_scans_own_noise_wins_over_the_stored_one(correlated, readouts):
    noise, data = readouts(correlated(16, 64), Noise), readouts(correlated(5, 32))
    other = stored(measured(readouts(9 * correlated(16, 64), Noise)))
    (alone,), _ = whitened([noise, data])
    for items in ([other, noise, data], [noise, other, data]):
        (block,), _ = whitened(items)
        assert np.array_equal(block.data, alone.data)
        assert block.notes["ScansideNoise"] == "scan"


@pytest.mark.parametrize("order", [(5, 3, 1, 0, 2, 4), (4, 1, 2)])
def test_channels_are_found_by_coil_label_in_any_order_and_number(correlated, readouts, order):
    noise, data = correlated(16, 64), correlated(5, 32)
    scan = replace(SCAN, coil_labels=tuple(LABELS[index] for index in order))
    (own,), _ = whitened([readouts(noise[:, order], Noise), readouts(data[:, order])], scan)
    (other,), texts = whitened([stored(measured(readouts(noise, Noise))), readouts(data[:, order])], scan)
    np.testing.assert_allclose(other.data, own.data, rtol=1e-6, atol=1e-6)
    assert not texts


def test_a_coil_that_the_stored_noise_lacks_is_refused_by_name(correlated, readouts):
    scan = replace(SCAN, coil_labels=("A", "B", "C", "Spine:7", "E", "F"))
    with pytest.raises(DataError, match="0123456789abcdef has no coil Spine:7 of the scan"):
        whitened([stored(measured(readouts(correlated(4, 64), Noise))), readouts(correlated(1, 32))], scan)


@pytest.mark.parametrize("labels", [(), ("A",) * 6, ("A", "B")])
def test_labels_that_do_not_tell_channels_apart_leave_them_in_order_with_a_warning(
    correlated, readouts, labels
):
    noise, data = readouts(correlated(16, 64), Noise), readouts(correlated(5, 32))
    (own,), _ = whitened([noise, data])
    item = stored(measured(noise, scan=replace(SCAN, coil_labels=labels)))
    (other,), texts = whitened([item, data])
    assert np.array_equal(own.data, other.data)
    assert ["in their order" in text.text for text in texts] == [True]


def test_unlabelled_channels_of_another_number_are_refused(correlated, readouts):
    bare = Scan()
    item = stored(measured(readouts(correlated(4, 64), Noise), scan=bare))
    with pytest.raises(DataError, match="4 channels, but the noise measurement 0123456789abcdef has 6"):
        whitened([item, readouts(correlated(1, 32)[:, :4])], bare)


def test_the_bandwidth_is_that_of_the_noise_scans_header_before_the_scans_own(correlated, readouts):
    noise, data = readouts(correlated(4, 64), Noise), readouts(correlated(1, 32))
    item = stored(measured(noise))
    scan = replace(SCAN, noise_bandwidth=0.5)
    cases = [(Prewhiten(), item, 0.8), (Prewhiten(), replace(item, bandwidth=None), 0.5)]
    for gadget, each, used in [*cases, (Prewhiten(bandwidth=1.0), item, 1.0)]:
        (block,), _ = whitened([each, data], scan, gadget)
        assert block.notes["ScansideNoiseBandwidth"] == used


def test_a_missing_measurement_is_called_by_its_pseudonym_and_never_by_its_id(correlated, readouts):
    scan = replace(
        SCAN,
        dependencies=(("SenMap", "x"), ("Noise", "1_DOE_2_3")),
        pseudonyms={"1_DOE_2_3": "fedcba9876543210"},
    )
    data = [readouts(correlated(1, 32))]
    (block,), (text,) = whitened(data, scan)
    assert text.level == "warning"
    assert "noise measurement fedcba9876543210 that it depends on was not found" in text.text
    assert block.notes["ScansideNoise"] == "none"
    with pytest.raises(DataError, match="fedcba9876543210") as failure:
        whitened(data, scan, Prewhiten(missing="fail"))
    assert "DOE" not in f"{text.text} {failure.value} {scan!r}"


def test_the_representation_of_a_measurement_holds_no_identifier_of_the_scan(correlated, readouts):
    scan = replace(SCAN, measurement_id="1_DOE_2_3", patient_id="DOE")
    item = measured(readouts(correlated(4, 64), Noise), scan=scan)
    assert isinstance(item, NoiseMeasurement)
    assert "DOE" not in f"{item!r} {scan!r}"
