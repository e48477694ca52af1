"""Where cores are few, the end of a line goes first until its first item is out."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from gadgets.data import Waveform
from gadgets.gadget import Gadget
from gadgets.scan import Scan
from server.engine import turns
from server.engine.line import Line
from tests.server.engine.test_line import wave

ITEMS = 8


@dataclass(frozen=True, kw_only=True)
class Early(Gadget):
    """Writes down what it takes."""

    log: list = field(default_factory=list)

    def process(self, stream: Iterable[Waveform], scan: Scan) -> Iterator[Waveform]:
        for item in stream:
            self.log.append("taken")
            yield item


@dataclass(frozen=True, kw_only=True)
class Late(Early):
    """Works, and gives one for several."""

    every: int = 1
    work: float = 0.05
    wanted: int = 0
    """It waits until so many were taken, for five seconds at most."""

    def process(self, stream: Iterable[Waveform], scan: Scan) -> Iterator[Waveform]:
        for count, item in enumerate(stream, 1):
            end = time.monotonic() + 5
            while self.log.count("taken") < self.wanted and time.monotonic() < end:
                time.sleep(0.002)
            time.sleep(self.work)
            if count % self.every == 0:
                self.log.append("given")
                yield item


def before_the_first(cores, **words):
    """How many items the first stage had taken when the last one gave its first."""
    log = []
    line = Line([Early(log=log), Late(log=log, **words)], Scan(), cores=cores)
    for index in range(ITEMS):
        line.inlet.put(wave(index))
    line.inlet.finish()
    line.start()
    assert len(list(line.outlet)) == ITEMS // words.get("every", 1)
    assert line.join(5)
    assert log.count("taken") == ITEMS
    return log.index("given")


@pytest.mark.parametrize("every", [1, 4])
def test_nobody_runs_ahead_of_the_first_item(every):
    assert before_the_first(turns.FEW, every=every) == every
    assert before_the_first(turns.FEW + 1, every=every, wanted=every + 1) > every


def test_a_line_that_is_late_gets_all_its_threads(monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.02)
    assert before_the_first(turns.FEW, work=0.0, wanted=ITEMS) == ITEMS


def test_a_stage_that_has_ended_holds_nobody_back():
    """Neither one that failed: it is gone, and nobody behind the failure has anything to do."""

    @dataclass(frozen=True, kw_only=True)
    class Fail(Gadget):
        def process(self, stream: Iterable[Waveform], scan: Scan) -> Iterator[Waveform]:
            yield next(iter(stream))
            raise ValueError("bad line")

    line = Line([Early(), Early(), Fail(), Early()], Scan(), cores=1)
    for index in range(ITEMS):
        line.inlet.put(wave(index))
    line.inlet.finish()
    begun = time.monotonic()
    line.start()
    assert line.join(5)
    assert time.monotonic() - begun < turns.PATIENCE
    assert str(line.failure) == "bad line"
