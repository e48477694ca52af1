"""The time that a training has: its schedule ends with it."""

import time

import pytest

from models.train.machine import RESERVE, Machine, Pace, pieces


def test_without_a_deadline_the_schedule_goes_by_steps():
    pace = Pace(100, 10, Machine().deadline)
    assert [pace.at(step) for step in (10, 50, 100)] == [10, 50, 100]


def test_near_a_deadline_the_schedule_goes_by_time(monkeypatch):
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace(100, 20, now + RESERVE + 10)
    now = 1005.0
    assert pace.at(21) == 60
    assert pace.at(80) == 80
    now = 1011.0
    assert pace.at(30) == 100


def test_a_piece_that_fails_is_told():
    with pytest.raises(ZeroDivisionError):
        pieces(lambda index: 1 // (1 - index), 3, 1)
