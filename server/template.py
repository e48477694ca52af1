"""The template: a process that has loaded torch and the gadgets, and forks itself into workers.

It runs no operation of torch and no second thread, so that a fork is sound. Requests come from the queue that
all keepers share. Told to leave (SIGUSR1), it takes no more of them and ends with its last worker.
"""

import gc
import json
import logging
import os
import select
import signal
import socket
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from server.asking import Fate, tell
from server.link import Orders

log = logging.getLogger(__name__)

LATE = ("numpy.fft", "numpy.ma")
"""What NumPy imports when it is first used (``numpy.unique`` the second): 20 ms in each worker."""


@dataclass
class _Nursery:
    """The workers that live, by pid, with the write ends of their status pipes."""

    children: dict[int, int] = field(default_factory=dict)

    def reap(self) -> None:
        """Report the deaths that have happened."""
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            pipe = self.children.pop(pid)
            tell(pipe, Fate.DIED, status)
            os.close(pipe)


def main(answering: int, ready: int) -> int:
    """Load, say so, and fork workers until nobody is left to ask, or until told to leave."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        _load()
    except Exception as error:  # the edge of a forked process
        log.exception("the template cannot be loaded")
        os.write(ready, f"{type(error).__name__}: {error}"[:1000].encode())
        return 1
    waking, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    leaving: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGUSR1, lambda number, _: leaving.append(number))
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    os.write(ready, b"+")
    os.close(ready)
    with socket.socket(fileno=answering) as asked:
        asked.setblocking(False)
        _answer(asked, (waking, woken), leaving)
    return 0


def _answer(asked: socket.socket, own: tuple[int, int], leaving: list[int]) -> None:
    """Fork workers until nobody can ask, or until told to leave and none lives."""
    nursery = _Nursery()
    while nursery.children or not leaving:
        for source in select.select([own[0]] if leaving else [asked.fileno(), own[0]], [], [])[0]:
            if source == own[0]:
                os.read(own[0], 4096)
            elif not leaving and not _request(asked, nursery, own):
                return
        nursery.reap()


def _request(asked: socket.socket, nursery: _Nursery, own: tuple[int, int]) -> bool:
    """Fork one worker; False when nobody can ask any more."""
    try:
        message, files, _, _ = socket.recv_fds(asked, 1 << 16, 4)
    except BlockingIOError:  # another template was quicker
        return True
    if not message:
        return False
    pid = os.fork()
    if not pid:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        asked.close()
        for file in (*own, *nursery.children.values()):
            os.close(file)
        _be(Orders(**json.loads(message)), files)
    link, ring, status, *spool = files
    nursery.children[pid] = status
    for file in (link, ring, *spool):
        os.close(file)
    return True


def _be(orders: Orders, files: list[int]) -> None:
    """The worker's life, in the fork."""
    from server.link import Link
    from server.ring import Ring
    from server.worker import work

    link, ring, status, *spool = files
    tell(status, Fate.BORN, os.getpid())
    os.close(status)
    try:
        work(Link(socket.socket(fileno=link)), Ring.attach(ring), spool[0] if spool else None, orders)
    except BaseException:
        log.exception("%s: the worker failed", orders.name)
    finally:
        logging.shutdown()
        os._exit(70)


def _load() -> None:
    """Import what every worker needs, and make sure that a fork of this process is sound."""
    from server.log import Form, begin
    from server.threads import quiet

    quiet()
    form: Form = "json" if os.environ.get("SCANSIDE_LOG") == "json" else "text"
    begin(bool(os.environ.get("SCANSIDE_VERBOSE")), form)
    import torch

    import server.worker  # noqa: F401 - loaded here, used in the forks
    from server.chain import chains, named
    from server.registry import warm
    from server.wire.header import load

    for name in LATE:
        import_module(name)
    for name in chains():
        named(name)
    warm()
    load()
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # a collection in a fork would touch, and so copy, all that is shared: 0.2 s of a first image
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise RuntimeError(f"the template has {threads} threads, expected 1: a fork of it would not be sound")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
