import contextlib
import itertools
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from gadgets.data import Image, Text, Waveform
from gadgets.errors import Interrupted
from gadgets.gadget import Gadget, Map
from gadgets.head import WAVEFORM_HEAD
from gadgets.scan import Scan
from server.engine.channel import Channel, Closed
from server.engine.line import Line, run


@pytest.fixture(autouse=True, params=["many", "few"])
def cores(request, monkeypatch):
    """What holds with many cores holds where the end of a line goes first, too."""
    if request.param == "few":
        monkeypatch.setattr("server.engine.turns.FEW", 99)


def wave(number):
    return Waveform(head=np.zeros((), WAVEFORM_HEAD), data=np.full((1, 1), number, np.uint32))


def number(item):
    return int(item.data[0, 0])


@dataclass(frozen=True, kw_only=True)
class Double(Map):
    def one(self, item: Waveform, scan: Scan) -> Waveform:
        return wave(2 * number(item))


@dataclass(frozen=True, kw_only=True)
class Flush(Gadget):
    """Says how many there were, behind the loop."""

    def process(self, stream: Iterable[Waveform], scan: Scan) -> Iterator[Waveform | Text]:
        count = 0
        for item in stream:
            count += 1
            yield item
        yield Text(text=f"{count} in all")


@dataclass(frozen=True, kw_only=True)
class Fail(Gadget):
    at: int = 3

    def process(self, stream: Iterable[Waveform], scan: Scan) -> Iterator[Waveform]:
        for index, item in enumerate(stream):
            if index == self.at:
                raise ValueError("bad pixel")
            yield item


@dataclass(frozen=True, kw_only=True)
class Swallow(Gadget):
    """Catches whatever it may and flushes all the same."""

    def process(self, stream: Iterable[Waveform], scan: Scan) -> Iterator[Waveform]:
        with contextlib.suppress(Exception):
            yield from stream
        yield wave(999)


@dataclass(frozen=True, kw_only=True)
class Hold(Gadget):
    released: ClassVar[threading.Event] = threading.Event()

    def process(self, stream: Iterable[Waveform], scan: Scan) -> Iterator[Waveform]:
        try:
            yield from stream
        finally:
            self.released.set()


def collect(chain, source):
    found = []
    with pytest.raises(ValueError, match="bad pixel|cable") as info:
        for item in run(chain, source, Scan()):
            found.append(item)
    return found, info.value


def test_what_goes_in_comes_out_in_order_and_flushed():
    out = list(run([Double(), Flush()], map(wave, range(100)), Scan()))
    assert [number(each) for each in out[:-1]] == list(range(0, 200, 2))
    assert out[-1].text == "100 in all"


def test_items_that_a_gadget_does_not_take_pass_it_by():
    out = list(run([Double()], [wave(1), Text(text="a"), wave(2)], Scan()))
    assert {type(each) for each in out} == {Waveform, Text}


def test_behind_a_failed_gadget_nothing_is_flushed_and_the_error_names_it():
    found, error = collect([Fail(), Flush()], map(wave, range(10)))
    assert [number(each) for each in found] == [0, 1, 2]
    assert any("Fail(at=3)" in note and "item 4" in note for note in error.__notes__)


def test_behind_a_failed_source_nothing_is_flushed():
    def source():
        yield wave(0)
        raise ValueError("the cable was pulled")

    found, _ = collect([Double(), Flush()], source())
    assert [number(each) for each in found] == [0]


def test_a_gadget_cannot_turn_a_failure_into_an_end_by_catching_exceptions():
    def source():
        yield wave(0)
        raise ValueError("the cable was pulled")

    found, _ = collect([Swallow()], source())
    assert [number(each) for each in found] == [0]


def test_a_failed_gadget_stops_the_source():
    fed = []

    def source():
        for index in itertools.count():
            fed.append(index)
            yield wave(index)

    collect([Fail(at=1)], source())
    assert len(fed) < 200


def test_a_reader_that_leaves_stops_everything():
    Hold.released.clear()
    stream = run([Hold(), Double()], map(wave, itertools.count()), Scan())
    next(stream)
    stream.close()
    assert Hold.released.wait(5)


def test_no_thread_is_left():
    before = threading.active_count()
    list(run([Double(), Flush()], map(wave, range(5)), Scan()))
    collect([Fail(), Double()], map(wave, range(10)))
    assert threading.active_count() == before


def test_a_full_channel_makes_the_sender_wait():
    channel = Channel(depth=2)
    sent = []

    def send():
        for index in range(5):
            channel.put(index)
            sent.append(index)
        channel.finish()

    sender = threading.Thread(target=send)
    sender.start()
    sender.join(0.1)
    assert len(sent) == 2
    assert list(channel) == [0, 1, 2, 3, 4]
    sender.join()


def test_an_item_above_the_budget_is_handed_over_when_the_receiver_waits():
    channel = Channel(budget=10, size=len)
    done = threading.Event()
    sender = threading.Thread(target=lambda: (channel.put(b"x" * 100), done.set(), channel.put(b"y")))
    sender.start()
    assert not done.wait(0.1)
    reader = iter(channel)
    assert next(reader) == b"x" * 100
    assert done.wait(5)
    assert next(reader) == b"y"
    sender.join()


def test_a_channel_holds_bytes_within_its_budget():
    channel = Channel(budget=10, size=len)
    channel.put(b"x" * 9)
    done = threading.Event()
    sender = threading.Thread(target=lambda: (channel.put(b"yy"), done.set()))
    sender.start()
    assert not done.wait(0.1)
    reader = iter(channel)
    assert next(reader) == b"x" * 9
    assert done.wait(5)
    sender.join()


def test_a_failed_channel_delivers_what_was_put_and_then_interrupts():
    channel = Channel()
    channel.put(1)
    channel.fail(ValueError("gone"))
    channel.finish()
    reader = iter(channel)
    assert next(reader) == 1
    with pytest.raises(Interrupted, match="gone"):
        next(reader)


@pytest.mark.parametrize("end", [Channel.abandon, Channel.finish])
def test_nothing_can_be_put_into_an_ended_channel(end):
    channel = Channel()
    end(channel)
    with pytest.raises(Closed):
        channel.put(1)


def test_images_are_weighed_by_their_bytes():
    import torch

    from server.engine.line import weight

    assert weight(Image(data=torch.zeros(1, 1, 2, 3), head=np.zeros(()))) == 24


@dataclass(frozen=True, kw_only=True)
class Work(Gadget):
    """Works for a while on each item, and on the flush."""

    def process(self, stream: Iterable[Waveform], scan: Scan) -> Iterator[Waveform]:
        for item in stream:
            time.sleep(0.02)
            yield item
        time.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class Stuck(Gadget):
    """Never comes back before it is released."""

    released: ClassVar[threading.Event] = threading.Event()

    def process(self, stream: Iterable[Waveform], scan: Scan) -> Iterator[Waveform]:
        for item in stream:
            self.released.wait(10)
            yield item


def test_a_gadgets_seconds_are_its_own_and_not_its_neighbours():
    line = Line([Double(), Work(), Flush()], Scan())
    line.start()
    for index in range(5):
        line.inlet.put(wave(index))
    line.inlet.finish()
    assert len(list(line.outlet)) == 6
    line.join()
    double, work, flush = line.stats()
    assert [each["name"] for each in line.stats()] == ["Double", "Work", "Flush"]
    assert [each["items"] for each in line.stats()] == [5, 5, 6]
    assert work["seconds"] >= 0.12
    assert max(double["seconds"], flush["seconds"]) < work["seconds"]


def test_a_gadget_that_is_stuck_is_seen_while_it_is():
    Stuck.released.clear()
    line = Line([Stuck()], Scan())
    line.start()
    for index in range(4):
        line.inlet.put(wave(index))
    first = line.stats()[0]
    time.sleep(0.05)
    second = line.stats()[0]
    Stuck.released.set()
    line.inlet.finish()
    assert len(list(line.outlet)) == 4
    line.join()
    assert second["seconds"] >= first["seconds"] + 0.04
    assert second["queue"] == 3
    assert line.stats()[0]["queue"] == 0


@dataclass(frozen=True, kw_only=True)
class Where(Map):
    """Which thread it runs in."""

    def one(self, item: Text, scan: Scan) -> Text:
        return Text(text=f"{item.text} {threading.current_thread().name}".strip())


@dataclass(frozen=True, kw_only=True)
class Refuse(Map):
    def one(self, item: Waveform, scan: Scan) -> Waveform:
        raise ValueError("bad line")


def test_a_map_rides_in_the_thread_of_the_gadget_behind_it():
    [moved, _] = run([Where(), Flush()], [Text(text="")], Scan())
    assert moved == Text(text="Flush")
    assert list(run([Where(), Where()], [Text(text="")], Scan())) == [Text(text="Where Where")]


def test_what_a_riding_map_does_not_take_passes_it_in_order():
    items = [wave(1), Text(text="a"), wave(2), Text(text="b")]
    found = list(run([Double(), Where(), Double(), Flush()], items, Scan()))
    shown = [item.text if isinstance(item, Text) else number(item) for item in found]
    assert shown == [4, "a Flush", 8, "b Flush", "2 in all"]


def test_a_riding_map_that_fails_is_named_and_nothing_is_flushed():
    left = []
    with pytest.raises(ValueError, match="bad line") as failure:
        left.extend(run([Refuse(), Flush()], [wave(1)], Scan()))
    assert not left
    assert failure.value.__notes__ == ["in Refuse(), at its item 1"]
