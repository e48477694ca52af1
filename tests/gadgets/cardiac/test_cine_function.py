"""A labelled cine stack and its report, with a network that reads the labels off the image."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gadgets.cardiac.function import CardiacFunction
from gadgets.cardiac.segment import Segment
from gadgets.cardiac.stack import assemble
from gadgets.data import Image, Text
from gadgets.errors import DataError
from gadgets.head import IMAGE_HEAD
from gadgets.scan import Scan
from gadgets.testing import run, run_interrupted
from models.cardiac.regions import grown
from models.cardiac.ventricle import apex_first
from tests.models.cardiac.test_function import beat

PIXEL, SPACING, TICKS = 2.0, 10.0, 40


def image(labels, phase, index, pixel=PIXEL):
    head = np.zeros((), IMAGE_HEAD)
    head["matrix_size"] = *labels.shape[::-1], 1
    head["field_of_view"] = labels.shape[1] * pixel, labels.shape[0] * pixel, 8
    head["position"] = 0, 0, SPACING * index
    head["read_dir"], head["phase_dir"], head["slice_dir"] = np.eye(3)
    head["phase"], head["slice"] = phase, index
    head["physiology_time_stamp"][0] = phase * TICKS
    return Image(data=torch.from_numpy(labels[None, None].astype(np.float32)), head=head)


@pytest.fixture(scope="module")
def labels():
    return beat()[0]


@pytest.fixture
def reads(monkeypatch):
    """The network's scores are those of the label that a pixel's value is nearest to."""

    class Reader:
        name = "reader"

        def infer(self, inputs):
            return -8 * (inputs[0][:, :1] - torch.arange(4.0)[None, :, None, None]) ** 2

    monkeypatch.setattr("models.runner.serving", lambda *_: (Reader(), ""))


def images(labels, pixel=PIXEL):
    return [
        image(plane, phase, index, pixel)
        for index in range(labels.shape[1])
        for phase, plane in enumerate(labels[:, index])
    ]


def chain(items, scan=None, **parameters):
    """What Segment and CardiacFunction make of images; texts pass the latter by."""
    scan = scan or Scan()
    labelled = run(Segment(), items, scan)
    images_only = [item for item in labelled if isinstance(item, Image)]
    texts = [item for item in labelled if isinstance(item, Text)]
    return [*texts, *run(CardiacFunction(**parameters), images_only, scan)]


def by_role(items, role):
    return [item for item in items if isinstance(item, Image) and item.role == role]


def test_a_stack_is_assembled_by_position_whatever_the_order(labels):
    items = images(labels)
    other = replace(items[0], head=items[0].head.copy())
    other.head["slice_dir"] = 0, 1, 0
    mixed = [items[n] for n in np.random.default_rng(0).permutation(len(items))]
    stack = assemble([*mixed, other])
    np.testing.assert_array_equal(stack.data.numpy(), labels)
    assert (stack.spacing, stack.pixel, stack.left_out) == (SPACING, (PIXEL, PIXEL), 1)
    assert stack.voxel == pytest.approx(PIXEL * PIXEL * SPACING / 1000)
    assert stack.rate == pytest.approx(60 / (8 * TICKS * 2.5e-3))


def test_nothing_is_no_stack():
    with pytest.raises(DataError, match="no image"):
        assemble([])


def test_labels_and_report_say_what_the_stack_shows(labels, reads):
    items = chain(images(labels))
    assert len(by_role(items, "image")) == len(by_role(items, "labels")) == len(by_role(items, "contours"))
    found = assemble(by_role(items, "labels")).data.numpy()
    assert (found == labels).mean() > 0.99
    (report,) = by_role(items, "report")
    assert report.data.shape == (1, 1, 512, 512)
    document = json.loads(report.meta["ScansideReport"])
    values = {
        each["quantity"]: each["value"]
        for each in document["measurements"]
        if not each["site"].startswith("aha")
    }
    voxel = PIXEL * PIXEL * SPACING / 1000
    assert values["lv_edv"] == pytest.approx((labels[0] == 1).sum() * voxel, rel=0.06)
    assert values["lv_mass"] == pytest.approx((labels[0] == 2).sum() * voxel * 1.05, rel=0.08)
    assert values["lv_ef"] == pytest.approx(51, abs=5)
    assert values["heart_rate"] == pytest.approx(75, rel=0.01)
    assert values["lv_strain_endocardial"] == pytest.approx(-30, abs=1.5)
    assert min(document["strain_percent"]["midwall"]) == pytest.approx(values["lv_strain_midwall"], abs=0.01)
    for name in ("wall_thickness", "wall_thickening"):
        assert sum(each["quantity"] == name for each in document["measurements"]) == 16


def test_a_slice_taken_for_the_atrium_is_among_the_flags(labels, reads):
    two = labels[[0, 4]].copy()
    base = int(np.flatnonzero((two[1] == 1).any((1, 2)))[-1 if apex_first(two[0]) else 0])
    ventricle = np.isin(two[0, base], (1, 2))
    two[1, base] = np.where(ventricle, 1, np.where(grown(ventricle, 2), 2, 0))
    (report,) = by_role(chain(images(two)), "report")
    flags = json.loads(report.meta["ScansideReport"])["flags"]
    (said,) = (each for each in flags if "taken for the atrium" in each)
    assert said.startswith(f"slice {base + 1} is")


def test_the_report_waits_for_the_labels_and_not_for_the_contours(labels, reads):
    roles = [item.role for item in chain(images(labels)) if isinstance(item, Image)]
    places = {role: [n for n, each in enumerate(roles) if each == role] for role in set(roles)}
    assert max(places["labels"]) < places["report"][0] < min(places["contours"])
    assert len(places["report"]) == 1


@pytest.mark.parametrize("which", [slice(0, 8), slice(3, 6)])
def test_the_document_is_what_its_schema_says_with_numbers_and_without(labels, reads, which):
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    schema = json.loads((Path(__file__).parents[3] / "docs" / "function.schema.json").read_text())
    known = Scan(patient_height=1.8, patient_weight=80.0)
    (report,) = by_role(chain(images(labels[:, which]), known), "report")
    document = json.loads(report.meta["ScansideReport"])
    assert bool(document["measurements"]) == (which == slice(0, 8))
    assert [error.message for error in validator(schema).iter_errors(document)] == []


def test_label_images_carry_their_contours(labels, reads):
    items = run(Segment(contours=False), images(labels), Scan())
    one = by_role(items, "labels")[3]
    numbers = [float(each) for each in one.meta["ROI_LV_EPI"]]
    x, y = np.array(numbers[6::2]), np.array(numbers[7::2])
    assert np.median(np.hypot(x - 44, y - 40)) == pytest.approx(23, abs=1.5)
    assert one.meta["ScansideLabels"] == ("lv", "myocardium", "rv")
    assert one.data.dtype == torch.uint16


def test_indexed_values_need_height_and_weight(labels, reads):
    known = Scan(patient_height=1.8, patient_weight=80.0)
    items = chain(images(labels), known, rate=60)
    document = json.loads(by_role(items, "report")[0].meta["ScansideReport"])
    values = {each["quantity"]: each["value"] for each in document["measurements"]}
    assert values["bsa"] == pytest.approx(2.0)
    assert values["lv_edv_index"] == pytest.approx(values["lv_edv"] / 2, abs=0.01)


@pytest.mark.parametrize(
    ("which", "pixel", "reason"),
    [
        (slice(3, 6), PIXEL, "slices, expected"),
        (slice(0, 8), 5.0, "envelope"),
        (slice(0, 1), PIXEL, "no left"),
    ],
)
def test_what_is_refused_has_a_reason_and_no_numbers(labels, reads, which, pixel, reason):
    items = chain(images(labels[:, which], pixel))
    (report,) = by_role(items, "report")
    document = json.loads(report.meta["ScansideReport"])
    assert document["measurements"] == []
    assert any(reason in flag for flag in document["flags"])
    (empty,) = by_role(items, "labels")
    assert not empty.data.any()
    assert any(isinstance(item, Text) and item.level == "warning" for item in items)


def test_a_broken_scan_has_no_labels_and_no_report(labels, reads):
    answers = run_interrupted(Segment(), images(labels), Scan())
    assert {item.role for item in answers} == {"image"}


def test_one_phase_gives_a_report_without_what_needs_a_beat(labels, reads):
    items = chain(images(labels[:1]))
    (report,) = by_role(items, "report")
    document = json.loads(report.meta["ScansideReport"])
    names = {each["quantity"] for each in document["measurements"]}
    assert {"lv_edv", "lv_mass"} <= names and not {"lv_esv", "lv_ef", "lv_strain_midwall"} & names
    assert len(by_role(items, "contours")) == labels.shape[1]


def test_a_late_trigger_changes_no_volume(labels, reads):
    """The base is away at the first phase then: its slices were never looked at again."""
    beating = labels.copy()
    beating[3:6, 1] = 0
    found = []
    for late in (0, 4):
        (report,) = by_role(chain(images(np.roll(beating, -late, 0))), "report")
        document = json.loads(report.meta["ScansideReport"])
        found.append(
            {
                each["quantity"]: each["value"]
                for each in document["measurements"]
                if not each["site"].startswith("aha")
            }
        )
    for name in ("lv_edv", "lv_esv", "lv_mass", "rv_edv"):
        assert found[1][name] == pytest.approx(found[0][name], rel=0.02), name
