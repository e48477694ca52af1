"""Rest, then stress: two connections to a server, and the reserve of the patient who was in both."""

import json
from dataclasses import replace

import numpy as np
import pytest

from server.client import converse
from server.files.header import write_header
from server.wire import encode
from tests.gadgets.cardiac.first_pass import CHAIN, simulated

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PARAMETERS = {"CorrectMotion": "{box: 64}", "SegmentMyocardium": '{model: ""}'}
NAMES = [type(each).__name__ for each in CHAIN]
STEPS = "\n".join(f"- {name}: {PARAMETERS.get(name, '{}')}" for name in NAMES)


def scanned(server, state, patient):
    """(texts, images) of a first pass that is sent as images."""
    scan, images, series = simulated(state)
    scan = replace(scan, parameters={**scan.parameters, "ContrastState": state})
    pieces = [
        encode.config_text(f"chain:\n{STEPS}\n", encode.GADGETRON),
        encode.header(write_header(scan, patient), encode.GADGETRON),
        *(encode.image(each, encode.GADGETRON) for each in images),
        encode.close(),
    ]
    found = []
    answer = converse(server, pieces, found.append, patience=280)
    assert answer.error == ""
    return answer.texts, found, series


def report(images):
    (page,) = (each for each in images if "ScansideReport" in each.meta)
    return json.loads(page.meta["ScansideReport"])


def flows(document):
    return {each["segment"]: each["mbf"] for each in document["segments"] if each.get("mbf")}


def test_stress_after_rest_gives_the_reserve_of_that_patient_and_of_no_other(server):
    texts, images, rest_truth = scanned(server, "rest", "JANEDOE")
    rest = report(images)
    assert any("flow at rest of scan" in each and "is kept" in each for each in texts)
    assert rest["reserve"] is None

    _, images, _ = scanned(server, "stress", "RICHARDROE")
    other = report(images)
    assert other["reserve"] is None
    assert all(each["mpr"] is None for each in other["segments"])

    texts, images, stress_truth = scanned(server, "stress", "JANEDOE")
    stress = report(images)
    assert stress["reserve"]["with"] == "rest"
    assert stress["reserve"]["refusals"] == []
    high, low = flows(stress), flows(rest)
    ratios = {each["segment"]: each["mpr"] for each in stress["segments"] if each["mpr"] is not None}
    assert sorted(ratios) == [7, 8, 9, 10, 11, 12]
    assert all(ratio == pytest.approx(high[n] / low[n], rel=1e-3) for n, ratio in ratios.items())
    true = stress_truth.truth.mbf / rest_truth.truth.mbf
    assert np.median([ratio / float(true[n - 1]) for n, ratio in ratios.items()]) == pytest.approx(1, abs=0.4)
    (painted,) = (each for each in images if each.head["image_series_index"] == 516)
    assert painted.meta["ScansideQuantity"] == "mpr"
    values = set(painted.data.flatten().tolist()) - {0}
    assert values == {round(1000 * each) for each in ratios.values()}
    assert "JANEDOE" not in "".join(texts)
