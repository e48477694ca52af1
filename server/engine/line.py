"""One scan's chain at work: a thread for every gadget with a memory, channels between them.

Gadgets without memory (``Map``) ride in the thread of the gadget behind them: what they do to a block is less
than what it costs to hand it from thread to thread, and it still lies in the cache of the same core.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from gadgets.errors import Interrupted
from gadgets.gadget import AnyGadget, Gadget, Map, Parallel
from gadgets.scan import Scan
from server.engine.branches import Fan, Merge
from server.engine.channel import Channel, Closed
from server.engine.meter import Meter, Stats
from server.engine.turns import FEW, Turns


class Line:
    """A chain at work between its ``inlet`` and its ``outlet``.

    A gadget that raises fails the channel behind it and abandons the one before it, so that every other
    gadget of the line leaves its loop without flushing; ``failure`` is the first error. On few ``cores`` the
    threads at its end go first until it has given its first item, where it has no branches.
    """

    def __init__(self, chain: Sequence[AnyGadget], scan: Scan, cores: int = FEW + 1) -> None:
        self.failure: BaseException | None = None
        self._lock = threading.Lock()
        self._meters: list[Meter] = []
        self._threads: list[threading.Thread] = []
        straight = not any(isinstance(each, Parallel) for each in chain)
        self._turns = Turns(cores if straight else FEW + 1)
        self.inlet: Channel[Any] = self._channel()
        self.outlet = self._lay(chain, scan, self.inlet)
        self._turns.among(list(dict.fromkeys(meter.inlet for meter in self._meters)))

    def _channel(self) -> Channel[Any]:
        return Channel(size=weight, waits=self._turns.look)

    def _lay(self, chain: Sequence[AnyGadget], scan: Scan, inlet: Channel[Any]) -> Channel[Any]:
        """Make what a chain needs behind its inlet; where it ends."""
        for riders, each in _stages(chain):
            outlet = self._channel()
            if isinstance(each, Parallel):
                self._fork(each, scan, inlet, outlet)
            else:
                riding = [_Rider(rider, Meter(type(rider).__name__, inlet)) for rider in riders]
                meter = Meter(type(each).__name__.lstrip("_"), inlet)
                self._meters += [*(rider.meter for rider in riding), meter]
                self._thread(type(each).__name__, self._drive, riding, each, scan, meter, outlet)
            inlet = outlet
        return inlet

    def _fork(self, fork: Parallel, scan: Scan, inlet: Channel[Any], outlet: Channel[Any]) -> None:
        branches = list(fork.branches.values())
        inlets = [self._channel() for _ in branches]
        ends = [self._lay(branch, scan, own) for branch, own in zip(branches, inlets, strict=True)]
        fan = Fan(branches, inlets, self._record)
        merge = Merge(fan, inlets, ends, outlet)
        self._thread("fan", fan.drive, inlet)
        for number, name in enumerate(fork.branches):
            self._thread(f"merge {name}", merge.drive, number)

    def _thread(self, name: str, work: Callable[..., None], *words: object) -> None:
        self._threads.append(threading.Thread(target=work, args=words, name=name, daemon=True))

    def start(self) -> None:
        """Begin; items may be put into the inlet before."""
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for all gadgets to leave; False when one is still at work after ``seconds``."""
        until = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stats(self) -> list[Stats]:
        """What each gadget has done so far, in the order of the chain."""
        return [meter.read() for meter in self._meters]

    def _drive(
        self, riders: list["_Rider"], gadget: Gadget, scan: Scan, meter: Meter, outlet: Channel[Any]
    ) -> None:
        try:
            with closing(_results(riders, gadget, scan, meter, outlet, self._turns)) as results:
                meter.enter()
                for result in results:
                    meter.leave()
                    meter.items += 1
                    self._turns.gives(meter.inlet)
                    outlet.put(result)
                    del result
                    meter.enter()
        except Closed:
            pass
        except Interrupted as interruption:
            outlet.fail(interruption.__cause__ or interruption)
        except BaseException as error:  # noqa: BLE001 - the edge of a gadget thread: its channel must end
            self._record(error)
            outlet.fail(error)
        finally:
            meter.leave()
            meter.inlet.abandon()
            outlet.finish()

    def _record(self, error: BaseException) -> None:
        with self._lock:
            self.failure = self.failure or error


def _stages(chain: Sequence[AnyGadget]) -> Iterator[tuple[list[Map], AnyGadget]]:
    """Each part of the chain that has threads, with those that ride in it: the maps before a gadget."""
    riders: list[Map] = []
    chain = _joined(chain)
    for i, each in enumerate(chain):
        alone = i + 1 == len(chain) or isinstance(chain[i + 1], Parallel)
        if isinstance(each, Map) and type(each).process is Map.process and not alone:
            riders.append(each)
        else:
            yield riders, each
            riders = []


def _joined(chain: Sequence[AnyGadget]) -> list[AnyGadget]:
    """The chain with those neighbours in one that do their work together at less cost."""
    out: list[AnyGadget] = []
    for each in chain:
        before = out[-1] if out else None
        one = each.joined(before) if isinstance(each, Gadget) and isinstance(before, Gadget) else None
        out[-1:] = [one] if one else [*out[-1:], each]
    return out


class _Rider:
    """A gadget without memory in the thread of another."""

    def __init__(self, gadget: Map, meter: Meter) -> None:
        self.gadget, self.meter = gadget, meter
        self.taken, _ = gadget.signature()

    def carry(self, item: Any, scan: Scan) -> Any:  # noqa: ANN401 - whatever flows
        """The item, or the gadget's answer to it."""
        if not isinstance(item, self.taken):
            return item
        self.meter.enter()
        try:
            item = self.gadget.one(item, scan)
        except Exception as error:
            error.add_note(f"in {self.gadget}, at its item {self.meter.items + 1}")
            raise
        finally:
            self.meter.leave()
        self.meter.items += 1
        return item


def _results(
    riders: list[_Rider], gadget: Gadget, scan: Scan, meter: Meter, outlet: Channel[Any], turns: Turns
) -> Generator[Any, None, None]:
    taken, _ = gadget.signature()
    seen = 0

    def mine() -> Iterator[Any]:
        nonlocal seen
        meter.leave()
        turns.wait(meter.inlet)
        for item in meter.inlet:
            for rider in riders:
                item = rider.carry(item, scan)
            if isinstance(item, taken):
                seen += 1
                meter.enter()
                only = [item]
                del item
                yield only.pop()  # so that the gadget alone holds it, and may let go of it
                meter.leave()
            else:
                outlet.put(item)
                del item
            turns.wait(meter.inlet)
        meter.enter()

    try:
        yield from gadget.process(mine(), scan)
    except Exception as error:
        if not hasattr(error, "__notes__"):
            error.add_note(f"in {gadget}, at its item {seen}")
        raise


def weight(item: object) -> int:
    """Bytes of an item's data."""
    data = getattr(item, "data", None)
    return int(getattr(data, "nbytes", 0))


def run(chain: Sequence[AnyGadget], source: Iterable[Any], scan: Scan) -> Iterator[Any]:
    """What leaves the chain when all of ``source`` has gone through it, in this process.

    Raises the first error of the source or of a gadget, after what left before it.
    """
    line = Line(chain, scan)
    faults: list[BaseException] = []

    def feed() -> None:
        try:
            for item in source:
                line.inlet.put(item)
        except Closed:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the reader
            faults.append(error)
            line.inlet.fail(error)
        finally:
            line.inlet.finish()

    feeder = threading.Thread(target=feed, name="source", daemon=True)
    line.start()
    feeder.start()
    try:
        yield from line.outlet
    except Interrupted:
        pass
    finally:
        line.outlet.abandon()
        line.join()
        feeder.join()
    for error in (line.failure, *faults):
        if error is not None:
            raise error
