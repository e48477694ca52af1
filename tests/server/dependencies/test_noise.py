from dataclasses import replace

import numpy as np
import pytest

from gadgets.data import Image, NoiseMeasurement, Text
from gadgets.scan import Scan
from gadgets.testing import run
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate
from server.acquisition import describe
from server.chain import build, named
from server.dependencies.noise import before, find, keep, masked
from server.dependencies.store import Owner, Store
from server.engine import line
from server.errors import ScansideError
from server.simulate import runs
from server.wire.readouts import split

NOISE_ID = "45387_JANEDOE_77_343"
NOISE_SCAN = Scan(measurement_id=NOISE_ID, patient_id="JANEDOE", noise_bandwidth=1.0, coil_labels=("a", "b"))
SCAN = Scan(measurement_id="45387_JANEDOE_77_349", dependencies=(("SenMap", NOISE_ID), ("NOISE", NOISE_ID)))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, b"k" * 32)


def noise(**change):
    covariance = np.array([[2, 1j], [-1j, 3]])
    plain = NoiseMeasurement(
        covariance=covariance, variance=np.array([2.0, 3.0]), samples=256, sample_time=5.0
    )
    return replace(plain, bandwidth=0.8, coil_labels=("a", "b"), **change)


@pytest.mark.parametrize(
    "change", [{}, {"bandwidth": None}, {"coil_labels": ()}, {"coil_labels": ("Wirbelsäule 1", "b")}]
)
def test_a_noise_measurement_comes_back_as_it_was_kept(store, change):
    item = replace(noise(), **change)
    text = keep(item, NOISE_SCAN, store)
    (found,) = before(SCAN, store)
    assert np.array_equal(found.covariance, item.covariance)
    assert np.array_equal(found.variance, item.variance)
    for name in ("samples", "sample_time", "bandwidth", "coil_labels"):
        assert getattr(found, name) == getattr(item, name)
    assert found.origin == store.name(NOISE_ID)
    assert isinstance(text, Text)
    assert found.origin in text.text
    assert "DOE" not in text.text


def test_an_absent_or_pseudonymised_patient_id_hinders_nothing(store):
    keep(noise(), NOISE_SCAN, store)
    assert len(before(replace(SCAN, patient_id=""), store)) == 1
    keep(noise(), replace(NOISE_SCAN, patient_id="", measurement_id="x"), store)
    assert len(before(replace(SCAN, patient_id="P1", dependencies=(("noise", "x"),)), store)) == 1
    keep(noise(), replace(NOISE_SCAN, patient_id="P1", measurement_id="y"), store)
    assert len(before(replace(SCAN, patient_id="P1", dependencies=(("noise", "y"),)), store)) == 1
    assert before(replace(SCAN, patient_id="P2", dependencies=(("noise", "y"),)), store) == []


def test_a_scan_without_dependencies_or_without_their_noise_gets_nothing(store):
    assert before(Scan(), store) == []
    assert before(SCAN, store) == []


def test_what_came_out_of_the_store_is_not_kept_under_another_scans_id(store):
    keep(noise(), NOISE_SCAN, store)
    (item,) = before(SCAN, store)
    assert keep(item, SCAN, store) is None
    assert find(SCAN.measurement_id, store) is None


def test_noise_of_a_scan_without_an_id_is_refused(store):
    with pytest.raises(ScansideError, match="no measurement id"):
        keep(noise(), Scan(patient_id="JANEDOE"), store)


def test_a_masked_scan_knows_what_its_measurements_may_be_called(store):
    scan = masked(SCAN, store)
    assert scan.pseudonyms == {each: store.name(each) for each in (NOISE_ID, SCAN.measurement_id)}
    assert "DOE" not in repr(scan)


@pytest.mark.parametrize(
    "change",
    [
        {"covariance": np.eye(3, dtype=complex)},
        {"covariance": np.eye(2)},
        {"covariance": np.full((2, 2), np.nan + 0j)},
        {"variance": np.array([-1.0, 1.0])},
        {"variance": np.ones((2, 1))},
        {"samples": np.array([1, 2])},
        {"samples": np.array(0)},
        {"sample_time": np.array(np.inf)},
        {"coil_labels": np.array([1, 2])},
        {"coil_labels": np.array("ab")},
        {"more": np.array(1)},
        {"variance": None},
    ],
)
def test_arrays_that_are_no_noise_measurement_are_not_used(store, change):
    keep(noise(), NOISE_SCAN, store)
    arrays = {**store.latest("noise", Owner(), NOISE_ID), **change}
    store.put(
        "noise", Owner(), NOISE_ID, {name: array for name, array in arrays.items() if array is not None}
    )
    assert before(SCAN, store) == []


@pytest.fixture(scope="module")
def parts():
    """(scan, noise readouts, imaging readouts) of a simulated scan."""
    protocol = Protocol(sampling=Sampling(lines=32), columns=32, coils=4, snr=50.0, noise_readouts=64, seed=0)
    items = [part for item in runs(simulate(protocol)) for part in split(item)]
    return describe(protocol, "shepp-logan"), items[:1], items[1:]


def images(chain, source, scan):
    out = list(line.run(build(named(chain)), source, scan))
    return [item for item in out if isinstance(item, Image)], out


def test_a_noise_scan_of_its_own_gives_the_same_image_as_noise_readouts_in_the_scan(store, parts):
    scan, readouts, imaging = parts
    _, (item,) = images("default_measurement_dependencies.xml", readouts, scan)
    keep(item, replace(scan, measurement_id=NOISE_ID), store)
    scan = masked(replace(scan, dependencies=(("Noise", NOISE_ID),)), store)
    (own,), _ = images("cartesian_fft", [*readouts, *imaging], scan)
    (other,), _ = images("cartesian_fft", [*before(scan, store), *imaging], scan)
    assert np.array_equal(own.data, other.data)
    assert other.meta["ScansideNoise"] == "dependency"
    assert other.meta["ScansideNoiseMeasurement"] == store.name(NOISE_ID)


def test_a_chain_without_prewhitening_lets_the_stored_measurement_pass(store):
    item = replace(noise(), origin=store.name(NOISE_ID))
    _, out = images("default_measurement_dependencies", [item], Scan())
    assert item in out
    assert run(*_measure(), Scan())[0].level == "warning"


def _measure():
    (gadget,) = build(named("default_measurement_dependencies.yml"))
    return gadget, []
