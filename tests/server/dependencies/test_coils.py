"""A coil measurement of one scan calibrates another: kept, found by the header, used only if it fits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gadgets.data import CoilMeasurement, Image, Text
from gadgets.scan import Scan
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate
from server.acquisition import describe
from server.chain import build, named
from server.dependencies.coils import before, keep
from server.dependencies.store import Owner, Store
from server.engine.line import run
from server.errors import DataError
from server.simulate import runs
from server.wire.readouts import split

COIL_ID = "45387_JANEDOE_77_343"
MEASURE, RECALL = "coil_measurement_dependencies", "cartesian_grappa_external"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, b"k" * 32)


def scan(columns=64, pixel=2e-3, seed=1, **sampling):
    """(simulation, header, readouts); the field of view is 128 mm unless told otherwise."""
    protocol = Protocol(
        sampling=Sampling(lines=columns, slices=2, **sampling),
        columns=columns,
        pixel=pixel,
        coils=8,
        snr=200.0,
        noise_readouts=64,
        seed=seed,
    )
    simulation = simulate(protocol)
    items = [part for each in runs(simulation) for part in split(each)]
    return simulation, describe(protocol, "shepp-logan"), items


def measured(**options):
    _, header, items = scan(**options)
    found = list(run(build(named(MEASURE)), items, header))
    return next(each for each in found if isinstance(each, CoilMeasurement))


def images(coils, change=lambda items: items, **options):
    """Of an accelerated scan without reference lines; and the warnings."""
    simulation, header, items = scan(acceleration=2, reference_lines=0, **options)
    header = replace(header, dependencies=(("SenMap", COIL_ID),))
    found = list(run(build(named(RECALL)), [*coils, *change(items)], header))
    texts = [each.text for each in found if isinstance(each, Text)]
    return simulation, [each for each in found if isinstance(each, Image) and each.role == "image"], texts


def error(image, simulation):
    truth = simulation.image[int(image.head["slice"])].numpy()
    inside = truth > 0.1 * truth.max()
    pixels = image.data[0, 0].numpy() / float(image.meta["ScansideScale"])
    return np.linalg.norm((pixels - truth)[inside]) / np.linalg.norm(truth[inside])


@pytest.mark.parametrize("columns", [64, 32])
def test_a_scan_without_reference_lines_is_calibrated_by_another_of_any_resolution(columns):
    coils = measured(columns=columns, pixel=0.128 / columns)
    simulation, found, texts = images([replace(coils, origin="abc")])
    assert texts == []
    assert len(found) == 2
    for each in found:
        assert error(each, simulation) < 0.03
        assert each.meta["ScansideCoilMeasurement"] == "abc"
    with pytest.raises(DataError, match="no reference lines"):
        images([])


def test_it_is_kept_under_a_pseudonym_and_comes_back_as_it_was(store):
    coils = replace(measured(columns=32, pixel=4e-3), coil_labels=tuple("abcdefgh"))
    owner = Scan(measurement_id=COIL_ID, patient_id="JANEDOE", coil_labels=coils.coil_labels)
    said = keep(coils, owner, store)
    assert "2 slices, 8 channels" in said.text
    assert "DOE" not in said.text
    later = replace(owner, measurement_id="x", dependencies=(("senmap", COIL_ID),))
    (found,) = before(later, store)
    for name in ("data", "position", "directions"):
        assert np.array_equal(getattr(found, name), getattr(coils, name))
    assert (found.fov, found.origin) == (coils.fov, store.name(COIL_ID))
    assert keep(found, later, store) is None
    assert before(replace(later, patient_id="OTHER"), store) == []
    assert before(replace(later, dependencies=(("Noise", COIL_ID),)), store) == []

    turned = tuple("hgfedcba")
    (found,) = before(replace(later, coil_labels=turned), store)
    assert np.array_equal(found.data, coils.data[:, ::-1])
    assert before(replace(later, coil_labels=("z", *"bcdefgh")), store) == []


@pytest.mark.parametrize("name", ["data", "fov", "position", "directions", "coil_labels"])
@pytest.mark.parametrize("how", ["missing", "type", "shape", "nan"])
def test_a_damaged_one_is_not_used(store, name, how):
    arrays = {
        "data": np.ones((1, 2, 1, 8, 8), np.complex64),
        "fov": np.ones(3),
        "position": np.zeros((1, 3)),
        "directions": np.eye(3),
        "coil_labels": np.array(["a", "b"]),
    }
    later = Scan(dependencies=(("senmap", "id"),), coil_labels=("a", "b"))
    store.put("coil", Owner(), "id", arrays)
    assert len(before(later, store)) == 1
    if how == "missing":
        del arrays[name]
    elif how == "type":
        arrays[name] = np.zeros(arrays[name].shape, np.int32)
    elif how == "shape":
        arrays[name] = arrays[name][None]
    elif name != "coil_labels":
        arrays[name] = arrays[name] * np.nan
    else:
        return
    store.put("coil", Owner(), "id", arrays)
    assert before(later, store) == []


def moved(name, value):
    def change(items):
        for item in items:
            head = item.head.copy()
            head[name] = head[name] + np.asarray(value, np.float32)
            yield replace(item, head=head)

    return change


def turned(items):
    for item in items:
        head = item.head.copy()
        head["read_dir"], head["phase_dir"] = item.head["phase_dir"], item.head["read_dir"]
        yield replace(item, head=head)


UNFIT = {
    "moved": (moved("position", (3, 0, 0)), {}, "3.0 mm from the scan's, expected at most 0.5 mm"),
    "turned": (turned, {}, "another orientation"),
    "larger": (list, {"pixel": 2.2e-3}, "field of view is 128 x 128 mm, the scan's 141 x 141 mm"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_one_of_another_geometry_is_refused_with_the_reason_and_no_image_is_made(name):
    change, options, reason = UNFIT[name]
    coils = [replace(measured(), origin="abc")]
    said = []
    with pytest.raises(DataError, match="no reference lines"):
        _, header, items = scan(acceleration=2, reference_lines=0, **options)
        header = replace(header, dependencies=(("SenMap", COIL_ID),))
        for each in run(build(named(RECALL)), [*coils, *change(items)], header):
            said.append(each)
    texts = [each.text for each in said if isinstance(each, Text)]
    assert any(reason in each for each in texts), texts
    assert not any(isinstance(each, Image) for each in said)


def test_it_is_whitened_as_the_data_are():
    """Of a scan of equal size whose k-space is the measurement: both leave alike."""
    from gadgets.readout.whitening import Whitener

    generator = torch.Generator().manual_seed(2)
    matrix = torch.randn(4, 3, generator=generator, dtype=torch.complex128)
    data = torch.randn(2, 4, 1, 8, 8, generator=generator, dtype=torch.complex64)
    whitener = Whitener(matrix=matrix, live=(0, 1, 3))
    coils = CoilMeasurement(data=data.numpy(), fov=(1, 1, 1), position=np.zeros((2, 3)), directions=np.eye(3))
    found = whitener.whiten_coils(coils)
    expected = torch.einsum("cl,slzyx->sczyx", matrix, data[:, [0, 1, 3]].to(torch.complex128))
    assert np.allclose(found.data, expected.numpy(), atol=1e-4)
    assert whitener.whiten_coils(replace(coils, data=coils.data[:, :3])) is None
