"""Branches: what each gets, the order in which they are merged, and how they end."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from gadgets.data import Block, Image, Noise, Text, Waveform
from gadgets.errors import ChainError, DataError, Interrupted
from gadgets.gadget import Gadget, Parallel, check
from gadgets.head import READOUT_HEAD, WAVEFORM_HEAD, Flag
from gadgets.scan import Scan
from server.chain import SOURCE, build, parse
from server.engine.branches import UNIT
from server.engine.line import Line, run
from server.parameters import apply
from server.step import Step


@dataclass(frozen=True, kw_only=True)
class Tell(Gadget):
    """A text for each readout that is a multiple of ``every``, slowly or not, and one at the end."""

    name: str = "a"
    every: int = 1
    pause: float = 0.0
    fail: int = -1

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Text]:
        count = 0
        for block in stream:
            for number in block.head["scan_counter"]:
                if int(number) == self.fail:
                    raise DataError("as asked")
                if int(number) % self.every == 0:
                    time.sleep(self.pause)
                    count += 1
                    yield Text(text=f"{self.name}{number}")
        yield Text(text=f"{self.name} end {count}")


@dataclass(frozen=True, kw_only=True)
class Flood(Gadget):
    """Many large items for each one."""

    count: int = 50

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Noise]:
        for block in stream:
            for _ in range(self.count):
                yield Noise(head=block.head, data=np.zeros((1, 1, 1 << 16), np.complex64))


def block(count, start=0, last=()):
    head = np.zeros(count, READOUT_HEAD)
    head["scan_counter"] = np.arange(start, start + count)
    for number in last:
        head["flags"][number - start] = Flag.LAST_IN_SLICE
    return Block(head=head, data=np.zeros((count, 1, 1), np.complex64))


def fork(**branches):
    return [Parallel(branches=branches)]


def texts(chain, items):
    return [each.text for each in run(chain, items, Scan()) if isinstance(each, Text)]


def test_what_branches_give_is_merged_segment_by_segment_in_their_order():
    chain = fork(slow=(Tell(name="s", pause=0.01),), fast=(Tell(name="f", every=2),))
    found = texts(chain, [block(4, 0, last=(1,)), block(2, 4)])
    assert found == ["s0", "s1", "f0", "s2", "s3", "s4", "s5", "s end 6", "f2", "f4", "f end 3"]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_does_not_depend_on_cuts_nor_on_speed(seed):
    random = np.random.default_rng(seed)
    count = 3 * UNIT + 17
    whole = block(count, last=(40, 300, 301))
    waveform = Waveform(head=np.zeros((), WAVEFORM_HEAD), data=np.zeros((1, 1), np.uint32))
    order = [Tell(name="a", every=7), Tell(name="b", every=5), Tell(name="c", every=100)]
    expected = texts(fork(a=(order[0],), b=(order[1],), c=(order[2],)), [whole, waveform])
    cuts = np.unique([0, count, *random.integers(0, count, 30)])
    pieces = [replace(whole, head=whole.head[i:j], data=whole.data[i:j]) for i, j in pairwise(cuts)]
    uneven = [replace(each, pause=random.choice([0, 0, 1e-3])) for each in order]
    chain = fork(a=(uneven[0],), b=(uneven[1],), c=(uneven[2],))
    assert texts(chain, [*pieces, waveform]) == expected


def test_an_item_that_no_branch_takes_passes_once_and_in_its_place():
    waveform = Waveform(head=np.zeros((), WAVEFORM_HEAD), data=np.zeros((1, 1), np.uint32))
    chain = fork(a=(Tell(name="a"),), b=(Tell(name="b"),))
    found = list(run(chain, [block(1), waveform, block(1, 1)], Scan()))
    assert [each is waveform for each in found].count(True) == 1
    assert found.index(waveform) == 2


def test_an_empty_branch_lets_pass_what_the_others_take():
    found = list(run(fork(as_it_is=(), told=(Tell(),)), [block(3)], Scan()))
    assert [type(each) for each in found] == [Block, Text, Text, Text, Text]


def test_a_branch_that_gives_much_more_than_it_gets_stops_nothing():
    """More than all channels hold, in the branch whose turn is last."""
    chain = fork(one=(Tell(pause=0.01),), other=(Flood(),))
    found = list(run(chain, [block(1, n, last=(n,)) for n in range(8)], Scan()))
    assert len([each for each in found if isinstance(each, Noise)]) == 8 * 50
    assert len(found) == 8 * 50 + 9


def test_branches_within_branches_keep_the_order():
    inner = Parallel(branches={"b": (Tell(name="b"),), "c": (Tell(name="c", pause=0.005),)})
    found = texts(fork(a=(Tell(name="a", pause=0.002),), inner=(inner,)), [block(2, 0, last=(0,))])
    assert found == ["a0", "b0", "c0", "a1", "a end 2", "b1", "b end 2", "c1", "c end 2"]


@pytest.mark.parametrize("failing", ["a", "b"])
def test_when_one_branch_fails_no_other_flushes(failing):
    branches = {name: (Tell(name=name, fail=2 if name == failing else -1),) for name in "ab"}
    found = []
    with pytest.raises(DataError, match="as asked"):
        for each in run(fork(**branches), [block(1, n, last=(n,)) for n in range(500)], Scan()):
            found.append(each.text)
    assert not [each for each in found if "end" in each]
    whole = [f"{name}{n}" for n in range(500) for name in "ab"]
    assert set(found) <= set(whole)


def test_when_the_source_fails_nobody_flushes_and_what_was_made_leaves():
    def source():
        yield block(2, 0, last=(0,))
        raise Interrupted

    found = []
    with pytest.raises(Interrupted):
        for each in run(fork(a=(Tell(name="a"),), b=(Tell(name="b"),)), source(), Scan()):
            found.append(each.text)
    assert found == ["a0", "b0", "a1", "b1"]


def test_when_nobody_listens_all_threads_leave():
    line = Line(fork(a=(Tell(name="a"),), b=(Tell(name="b"),)), Scan())
    line.start()
    line.outlet.abandon()
    with pytest.raises(BaseException):  # noqa: B017 - Closed, or what the fan made of it
        for number in range(10000):
            line.inlet.put(block(1, number, last=(number,)))
    assert line.join(10)


CHAIN = """chain:
- Accumulate
- parallel:
    accelerated: [Grappa, {Combine: {gfactor: true}}]
    plain:
    - Fourier
    - Combine: {method: rss}
- Magnitude
"""


def test_branches_in_yaml_are_checked_and_built():
    chain = build(parse(CHAIN))
    assert [type(each).__name__ for each in chain] == ["Accumulate", "Parallel", "Magnitude"]
    assert list(chain[1].branches) == ["accelerated", "plain"]
    assert Image in check(chain, SOURCE)


@pytest.mark.parametrize(
    ("inner", "says"),
    [
        ("a: [Grappa, Combine], b: [Accumulate]", "branch b: Accumulate.* takes Block, but here"),
        ("a: [Grappa]", "two or more branches"),
        ("a: Grappa, b: []", "branch a of parallel is no list"),
        ("a: [], b: []", "no branch of a, b takes anything"),
        ("a: [Grappa], b: [{External: {name: x}}]", "External may not stand in a branch"),
        ("a: [Grappa], b: [Fuorier]", "did you mean Fourier"),
    ],
)
def test_branches_that_cannot_run_are_refused(inner, says):
    with pytest.raises(ChainError, match=says):
        build(parse(f"chain: [Accumulate, {{parallel: {{{inner}}}}}]"))


def test_parameters_reach_the_gadgets_of_branches():
    steps, ignored = apply(parse(CHAIN), {"Grappa.kernel": [3, 2], "kernel": "[3, 4]", "x": 1})
    assert steps[1].branches["accelerated"][0] == Step("Grappa", {"kernel": [3, 4]})
    assert ignored == ["x"]
    assert parse(CHAIN)[1].branches["accelerated"][0] == Step("Grappa", {})
