"""One scan's chain at work: every gadget in a thread of its own, channels between them."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from gadgets.errors import Interrupted
from gadgets.gadget import AnyGadget, Gadget, Parallel
from gadgets.scan import Scan
from server.engine.branches import Fan, Merge
from server.engine.channel import Channel, Closed
from server.engine.meter import Meter, Stats


class Line:
    """A chain at work between its ``inlet`` and its ``outlet``.

    A gadget that raises fails the channel behind it and abandons the one before it, so that every other
    gadget of the line leaves its loop without flushing; ``failure`` is the first error.
    """

    def __init__(self, chain: Sequence[AnyGadget], scan: Scan) -> None:
        self.failure: BaseException | None = None
        self._lock = threading.Lock()
        self._meters: list[Meter] = []
        self._threads: list[threading.Thread] = []
        self.inlet: Channel[Any] = Channel(size=weight)
        self.outlet = self._lay(chain, scan, self.inlet)

    def _lay(self, chain: Sequence[AnyGadget], scan: Scan, inlet: Channel[Any]) -> Channel[Any]:
        """Make what a chain needs behind its inlet; where it ends."""
        for each in chain:
            outlet: Channel[Any] = Channel(size=weight)
            if isinstance(each, Parallel):
                self._fork(each, scan, inlet, outlet)
            else:
                self._meters.append(meter := Meter(type(each).__name__, inlet))
                self._thread(type(each).__name__, self._drive, each, scan, meter, outlet)
            inlet = outlet
        return inlet

    def _fork(self, fork: Parallel, scan: Scan, inlet: Channel[Any], outlet: Channel[Any]) -> None:
        branches = list(fork.branches.values())
        inlets: list[Channel[Any]] = [Channel(size=weight) for _ in branches]
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

    def _drive(self, gadget: Gadget, scan: Scan, meter: Meter, outlet: Channel[Any]) -> None:
        try:
            with closing(_results(gadget, scan, meter, outlet)) as results:
                meter.enter()
                for result in results:
                    meter.leave()
                    meter.items += 1
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


def _results(gadget: Gadget, scan: Scan, meter: Meter, outlet: Channel[Any]) -> Generator[Any, None, None]:
    taken, _ = gadget.signature()
    seen = 0

    def mine() -> Iterator[Any]:
        nonlocal seen
        meter.leave()
        for item in meter.inlet:
            if isinstance(item, taken):
                seen += 1
                meter.enter()
                yield item
                meter.leave()
            else:
                outlet.put(item)
            del item
        meter.enter()

    try:
        yield from gadget.process(mine(), scan)
    except Exception as error:
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
