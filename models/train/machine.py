"""What a training may use: the device, how many processes, how much time."""

import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import torch

CPU = torch.device("cpu")

RESERVE = 5.0
"""Seconds kept to judge and to save before a deadline."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Device, processes and time."""

    device: torch.device = CPU
    """Where batches are made and the network is."""

    jobs: int = 1
    """Processes that make the corpus."""

    deadline: float = math.inf
    """``time.monotonic()`` at which the weights must be written."""

    @classmethod
    def here(cls, jobs: int | None = None, seconds: float | None = None) -> "Machine":
        """This one: its GPU where there is one, its cores, so many ``seconds`` from now."""
        name = "cuda" if torch.cuda.is_available() else "cpu"
        cores = len(os.sched_getaffinity(0))
        end = math.inf if seconds is None else time.monotonic() + seconds
        return cls(device=torch.device(name), jobs=jobs or cores, deadline=end)


class Pace:
    """How far a training is: by its steps, or by its time where a deadline leaves less."""

    def __init__(self, steps: int, done: int, deadline: float) -> None:
        self._steps, self._done = steps, done
        self._begin = time.monotonic()
        self._span = max(deadline - RESERVE - self._begin, 1e-3)

    def at(self, step: int) -> int:
        """The step of a whole schedule that a training stands at behind ``step`` of its own.

        Near a deadline the steps that fit in make the whole schedule: the rate ends with the time.
        """
        gone = min((time.monotonic() - self._begin) / self._span, 1.0)
        return max(step, self._done + int((self._steps - self._done) * gone))


def alone() -> None:
    """One thread for this process, as each that makes pieces of a corpus has."""
    torch.set_num_threads(1)


@contextmanager
def single() -> Iterator[None]:
    """One thread for what is done within: many small operations wait for each other's threads."""
    threads = torch.get_num_threads()
    alone()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def pieces(
    make: Callable[[int], None], count: int, jobs: int, tell: Callable[[int], None] | None = None
) -> None:
    """Call ``make`` for every index below ``count``, in ``jobs`` processes; the same pieces however many.

    ``tell`` hears how many there are. With several processes ``make`` must be pickled.
    """
    if jobs == 1:
        with single():
            for index in range(count):
                make(index)
                if tell:
                    tell(index + 1)
        return
    with ProcessPoolExecutor(min(jobs, count), get_context("spawn"), alone) as pool:
        for done, each in enumerate(as_completed([pool.submit(make, index) for index in range(count)])):
            each.result()
            if tell:
                tell(done + 1)


@contextmanager
def arriving(
    make: Callable[[int], None], count: int, jobs: int, tell: Callable[[int], None] | None = None
) -> Iterator[Callable[[int, float], bool]]:
    """The same pieces, in their order, made by ``jobs`` other processes while the caller goes on.

    Gives a function of an index and a ``time.monotonic()``, which waits for that piece up to then, says
    whether it is there, and raises what its ``make`` raised. At the end the pieces that processes have begun,
    or have been handed, are finished first. ``tell`` hears how many there are, in a thread of its own.
    """
    with ProcessPoolExecutor(min(jobs, count), get_context("spawn"), alone) as pool:
        made = [pool.submit(make, index) for index in range(count)]
        if tell:
            for each in made:
                each.add_done_callback(lambda _: tell(sum(map(_good, made))))
        try:
            yield lambda index, deadline: _there(made[index], deadline)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _good(made: Future[None]) -> bool:
    return made.done() and not made.cancelled() and made.exception() is None


def _there(made: Future[None], deadline: float) -> bool:
    left = None if math.isinf(deadline) else max(deadline - time.monotonic(), 0)
    try:
        made.result(left)
    except TimeoutError:
        if made.done():
            raise
        return False
    return True
