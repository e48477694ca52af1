"""Stress over rest: of one patient, one model, one haematocrit, or not at all."""

import math
from dataclasses import replace

import pytest
import torch

from gadgets.cardiac.perfusion.kept import KeptFlow
from gadgets.cardiac.perfusion.reserve import reserve

NONE = math.nan


def kept(state, flows, sd=0.1, **more):
    flows = (*flows, *[NONE] * (16 - len(flows)))
    errors = tuple(sd if math.isfinite(each) else NONE for each in flows)
    known = {"model": "btex", "haematocrit": 0.42, "dispersion": 0.25, "whole": flows[0], **more}
    return KeptFlow(state=state, mbf=flows, sd=errors, **known)


@pytest.mark.parametrize("first", ["stress", "rest"])
def test_the_reserve_is_stress_over_rest_whichever_came_first(first):
    stress, rest = kept("stress", (3.0, 1.0, 2.0)), kept("rest", (1.0, 0.5, NONE), origin="f" * 16)
    own, other = (rest, stress) if first == "stress" else (stress, rest)
    found = reserve(own, [other])
    assert found.refusals == ()
    assert found.ratio == {1: 3.0, 2: 2.0}
    assert math.isnan(found.whole)  # a mean over segments that the other scan does not have is no ratio's


def test_the_reserve_of_the_whole_is_of_the_same_segments():
    assert reserve(kept("stress", (3.0, 1.0)), [kept("rest", (1.0, 0.5))]).whole == 3.0


def test_its_error_is_that_of_both_flows_as_drawn_numbers_have_it():
    found = reserve(kept("stress", (3.0,), sd=0.15), [kept("rest", (1.0,), sd=0.04)])
    random = torch.Generator().manual_seed(0)
    high, low = torch.randn(2, 100_000, generator=random) * torch.tensor([[0.15], [0.04]])
    drawn = ((3.0 + high) / (1.0 + low)).std()
    assert found.sd[1] == pytest.approx(float(drawn), rel=0.03)


def test_flow_of_the_same_state_is_no_reserve():
    assert reserve(kept("stress", (3.0,)), [kept("stress", (1.0,))]) is None
    assert reserve(None, [kept("rest", (1.0,))]) is None


def test_a_scar_at_rest_has_no_ratio():
    assert reserve(kept("stress", (0.4, 2.0)), [kept("rest", (0.1, 1.0))]).ratio == {2: 2.0}
    found = reserve(kept("stress", (0.4,)), [kept("rest", (0.1,))])
    assert found.ratio == {}
    assert "no segment has flow in both scans" in found.refusals[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "fermi"}, "fitted by FERMI, this by BTEX"),
        ({"haematocrit": 0.35}, "haematocrit 0.35, this 0.42"),
        ({"haematocrit": NONE}, "haematocrit nan"),
        ({"dispersion": 0.0}, "dispersed by 0.00 s, this by 0.25 s"),
        ({"conversion": "closed/bloch"}, "converted by the closed/bloch form"),
        ({"refusals": ("of somebody else",)}, "of somebody else"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(change, reason):
    found = reserve(kept("stress", (3.0,)), [replace(kept("rest", (1.0,)), **change)])
    assert found.ratio == {}
    assert any(reason in each for each in found.flags)


def test_the_flags_of_the_other_scan_stand_with_the_ratio():
    found = reserve(kept("stress", (3.0,)), [kept("rest", (1.0,), flags=("poor fit in segments 3",))])
    assert found.flags == ("rest scan: poor fit in segments 3",)


def test_what_is_not_to_be_used_has_no_other_reason():
    found = reserve(kept("stress", (3.0,)), [KeptFlow(state="rest", refusals=("30 h old",))])
    assert found.refusals == ("30 h old",)
