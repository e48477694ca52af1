"""The reference curves of OSIPI's code collection (Apache-2.0), within the tolerances that they state."""

import csv
import os
from pathlib import Path

import pytest
import torch

from models.kinetics.compartments import ExtendedTofts, Patlak, Tofts
from models.kinetics.fit import Problem, fit
from models.kinetics.inputs import parker

DATA = Path(os.environ.get("SCANSIDE_DATA", Path(__file__).parents[4] / "shared" / "data")) / "dce"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no {DATA}: set SCANSIDE_DATA")

PER_MINUTE = 1 / 60


def cases(name):
    with (DATA / name).open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def numbers(text):
    return torch.tensor([float(each) for each in text.split()], dtype=torch.float64)


def fitted(model, times, arterial, curve, low, high):
    """The fit on a grid of 0.5 s or finer; the given samples lie on it."""
    step = float(times[1] - times[0])
    assert torch.allclose(times.diff(), torch.full_like(times[1:], step), atol=1e-3)
    problem = Problem(
        model=model,
        arterial=arterial,
        step=step,
        low=torch.tensor(low, dtype=torch.float64),
        high=torch.tensor(high, dtype=torch.float64),
    )
    start = (problem.low * problem.high).sqrt()
    return fit(problem, curve[None], start[None], torch.zeros(1, dtype=torch.float64)).parameters[0]


def within(found, truth, absolute, relative=0.0):
    return abs(float(found) - truth) <= absolute + relative * abs(truth)


def test_tofts():
    for case in cases("dce_DRO_data_tofts.csv"):
        ktrans, ve = fitted(
            Tofts(),
            numbers(case["t"]),
            numbers(case["ca"]),
            numbers(case["C"]),
            (1e-3 * PER_MINUTE, 0.01),
            (5 * PER_MINUTE, 1.0),
        )
        assert within(ve, float(case["ve"]), 0.05), case["label"]
        assert within(ktrans / PER_MINUTE, float(case["Ktrans"]), 0.005, 0.1), case["label"]


def test_extended_tofts():
    for case in cases("dce_DRO_data_extended_tofts.csv"):
        ktrans, ve, vp = fitted(
            ExtendedTofts(),
            numbers(case["t"]),
            numbers(case["ca"]),
            numbers(case["C"]),
            (1e-3 * PER_MINUTE, 0.01, 1e-4),
            (5 * PER_MINUTE, 1.0, 0.5),
        )
        assert within(ve, float(case["ve"]), 0.05), case["label"]
        assert within(ktrans / PER_MINUTE, float(case["Ktrans"]), 0.005, 0.1), case["label"]
        assert within(vp, float(case["vp"]), 0.025), case["label"]


def test_patlak():
    for case in cases("patlak_sd_0.02_delay_0.csv"):
        times = numbers(case["t"])
        ps, vp = fitted(
            Patlak(),
            times - times[0],
            numbers(case["cp_aif"]),
            numbers(case["C_t"]),
            (1e-6 * PER_MINUTE, 1e-4),
            (5 * PER_MINUTE, 1.0),
        )
        assert within(ps / PER_MINUTE, float(case["ps"]), 0.005, 0.1), case["label"]
        assert within(vp, float(case["vp"]), 0.025), case["label"]


def test_the_population_average_of_parker():
    rows = [case for case in cases("ParkerAIF_ref.csv") if float(case["delay"]) == 0]
    times = torch.tensor([60 * float(case["time"]) for case in rows], dtype=torch.float64)
    blood = torch.tensor([float(case["Cb"]) for case in rows], dtype=torch.float64)
    assert len(rows) > 10
    assert float((parker(times) - blood).abs().max()) < 1e-9
