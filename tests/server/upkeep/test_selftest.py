"""The phantom test passes what is right, and sees what is not."""

from dataclasses import replace

import numpy as np
import pytest

from models.simulation.scan import simulate
from server.upkeep import selftest
from server.upkeep.selftest import LIMITS, Outcome, keep, protocol


@pytest.fixture(scope="module")
def phantom():
    return simulate(protocol())


@pytest.fixture(scope="module")
def images(phantom):
    from gadgets.image.label import Labels
    from server.acquisition import describe
    from server.files.header import write_header
    from server.simulate import runs
    from server.wire.header import read_header
    from tests.endtoend.scans import offline

    xml = write_header(describe(phantom.protocol, "selftest"))
    labels = Labels(read_header(xml))
    return [labels.label(each) for each in offline(selftest.CHAIN, (xml, tuple(runs(phantom))))]


def outcome(images, phantom):
    values = {"images": 3.0, "seconds": 1.0}
    return Outcome(values=values | selftest._compared(images, phantom), fault="")


def changed(images, change):
    return [replace(each, data=change(each.data)) if each.role == "image" else each for each in images]


def test_what_is_right_passes(images, phantom):
    assert outcome(images, phantom).beyond == []


@pytest.mark.parametrize(
    ("change", "beyond"),
    [
        (lambda data: 1.1 * data, {"scale", "noise"}),
        (lambda data: data.flip(-1), {"nrmse"}),
        (lambda data: data.roll(2, -2), {"nrmse"}),
        (lambda data: data.mean(-1, keepdim=True).expand_as(data), {"nrmse"}),
    ],
)
def test_what_is_wrong_is_seen(images, phantom, change, beyond):
    assert beyond <= set(outcome(changed(images, change), phantom).beyond)


def test_an_image_in_another_place_is_seen(images, phantom):
    moved = []
    for each in images:
        head = each.head.copy()
        head["position"] = head["position"] + np.float32(1)
        moved.append(replace(each, head=head))
    assert outcome(moved, phantom).beyond == ["shift_mm"]


def test_an_answer_without_images_lies_beyond_every_limit():
    assert Outcome(values={"images": 0.0}, fault="").beyond == list(LIMITS)


def test_outcomes_are_added_to_the_record(tmp_path):
    import json

    for fault in ("", "ERROR x"):
        keep(tmp_path, "h:1", Outcome(values={"images": 4.0}, fault=fault))
    lines = [json.loads(each) for each in (tmp_path / selftest.RECORD).read_text().splitlines()]
    assert [each["fault"] for each in lines] == ["", "ERROR x"]
    assert not any(each["passed"] for each in lines)
