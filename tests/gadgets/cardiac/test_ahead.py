"""Slices are looked at while later ones come, and nothing of what comes out shows it."""

import threading

import numpy as np
import pytest
import torch

from gadgets.cardiac.ahead import Ahead
from gadgets.cardiac.segment import Segment
from gadgets.scan import Scan
from gadgets.testing import run, run_interrupted
from models.errors import ModelError
from tests.gadgets.cardiac.test_cine_function import by_role, images
from tests.models.cardiac.test_function import beat

WAIT = 20
"""Seconds after which nobody looks any more."""


@pytest.fixture(scope="module")
def labels():
    return beat()[0]


@pytest.fixture
def looked(monkeypatch):
    """The network reads labels off the image; the event says that it was asked."""
    asked = threading.Event()

    class Reader:
        name = "reader"

        def infer(self, inputs):
            asked.set()
            return -8 * (inputs[0][:, :1] - torch.arange(4.0)[None, :, None, None]) ** 2

    monkeypatch.setattr("models.runner.serving", lambda *_: (Reader(), ""))
    return asked


def told(items):
    """What a console can tell of labels, by place."""
    return {
        (int(one.head["phase"]), int(one.head["slice"])): (one.data.numpy().tobytes(), dict(one.meta))
        for one in by_role(items, "labels")
    }


def test_a_slice_is_looked_at_before_the_next_one_is_complete(labels, looked):
    phases = len(labels)
    seen = []

    def source():
        for number, each in enumerate(images(labels)):
            yield each
            if number == phases:
                seen.append(looked.wait(WAIT))

    run(Segment(contours=False), source(), Scan())
    assert seen == [True]


def test_from_the_second_slice_on_its_last_image_is_enough(labels):
    asked, items, phases = threading.Event(), images(labels), len(labels)

    def nobody(image):
        if int(image.head["slice"]) == 1:
            asked.set()

    with Ahead(reader=nobody) as ahead:
        for each in items[: 2 * phases - 1]:
            ahead.add(each)
        assert not asked.wait(0.1)
        ahead.add(items[2 * phases - 1])
        assert asked.wait(WAIT)


def test_labels_are_the_same_in_any_order_of_images(labels, looked):
    expected = told(run(Segment(contours=False), images(labels), Scan()))
    items = images(labels)
    mixed = [items[n] for n in np.random.default_rng(0).permutation(len(items))]
    by_phase = sorted(items, key=lambda one: int(one.head["phase"]))
    for order in (mixed, by_phase, items[::-1]):
        assert told(run(Segment(contours=False), order, Scan())) == expected


def test_a_slice_that_gets_more_images_later_is_looked_at_anew(labels, looked):
    items, phases = images(labels), len(labels)
    late = items[: phases // 2]
    order = [*items[phases // 2 :], *late]
    expected = told(run(Segment(contours=False), items, Scan()))
    assert told(run(Segment(contours=False), order, Scan())) == expected


def test_a_model_that_fails_ahead_fails_behind_the_images(labels, monkeypatch):
    def broken(*_):
        raise ModelError("no such backend")

    monkeypatch.setattr("models.runner.serving", broken)
    came = []
    with pytest.raises(ModelError, match="no such backend"):
        for item in Segment().process(iter(images(labels)), Scan()):
            came.append(item)
    assert len(came) == labels.shape[0] * labels.shape[1]


def test_a_broken_scan_leaves_no_thread_behind(labels, looked):
    before = threading.active_count()
    answers = run_interrupted(Segment(), images(labels), Scan())
    assert {item.role for item in answers} == {"image"}
    assert threading.active_count() == before
