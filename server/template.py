"""The template: a process that has loaded torch and the gadgets, and forks itself into workers.

It runs no operation of torch and no second thread, so that a fork is sound. Requests come over one socket
that all keepers share, each with its worker's files: link, ring, status, and the spool if there is one.
"""

import json
import logging
import os
import select
import signal
import socket
import struct
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from server.link import Orders

log = logging.getLogger(__name__)

STATUS = struct.Struct("<i")
"""What goes into a status pipe: first the worker's pid, then its wait status."""


MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 20),
}
"""How workers manage memory: blocks are used again at once, the buffers of whole images are given back."""


@dataclass
class Template:
    """The template as keepers and listener see it: where to ask."""

    asking: socket.socket
    process: int = 0
    ready: int = -1
    """Read end of a pipe on which the template says that it is loaded."""

    def ask(self, orders: Orders, link: socket.socket, ring: int, spool: int | None) -> int:
        """Have a worker made; the answer is the read end of its status pipe.

        Raises OSError when there is no template.
        """
        reading, writing = os.pipe()
        files = [link.fileno(), ring, writing, *([spool] if spool is not None else [])]
        try:
            socket.send_fds(self.asking, [json.dumps(asdict(orders)).encode()], files)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return reading

    def loaded(self) -> bool:
        """Wait until the template can make workers; False when it ended before."""
        return os.read(self.ready, 1) == b"+"

    def leave(self) -> None:
        """Ask no more: the template ends when no keeper can ask it either."""
        self.asking.close()
        os.close(self.ready)


def start(verbose: bool = False) -> Template:
    """Begin a template process; it loads while the server already accepts."""
    asking, answering = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "server.template", str(answering.fileno()), str(writing)]
    environment = MEMORY | os.environ | ({"SCANSIDE_VERBOSE": "1"} if verbose else {})
    files = (answering.fileno(), writing)
    for file in files:
        os.set_inheritable(file, True)
    process = os.posix_spawn(sys.executable, command, environment)
    answering.close()
    os.close(writing)
    return Template(asking, process, reading)


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
            _tell(pipe, status)
            os.close(pipe)


def main(answering: int, ready: int) -> None:
    """Load, say so, and fork workers until no keeper and no listener is left to ask."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _load()
    os.write(ready, b"+")
    os.close(ready)
    asked = socket.socket(fileno=answering)
    waking, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    nursery = _Nursery()
    while True:
        for source in select.select([asked.fileno(), waking], [], [])[0]:
            if source == waking:
                os.read(waking, 4096)
            elif not _request(asked, nursery, (waking, woken)):
                asked.close()
                return
        nursery.reap()


def _request(asked: socket.socket, nursery: _Nursery, own: tuple[int, int]) -> bool:
    """Fork one worker; False when nobody can ask any more."""
    message, files, _, _ = socket.recv_fds(asked, 1 << 16, 4)
    if not message:
        return False
    pid = os.fork()
    if not pid:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        asked.close()
        for file in (*own, *nursery.children.values()):
            os.close(file)
        _be(Orders(**json.loads(message)), files)
    link, ring, status, *spool = files
    nursery.children[pid] = status
    _tell(status, pid)
    for file in (link, ring, *spool):
        os.close(file)
    return True


def _be(orders: Orders, files: list[int]) -> None:
    """The worker's life, in the fork."""
    from server.link import Link
    from server.ring import Ring
    from server.worker import work

    link, ring, status, *spool = files
    os.close(status)
    try:
        work(Link(socket.socket(fileno=link)), Ring.attach(ring), spool[0] if spool else None, orders)
    except BaseException:
        log.exception("%s: the worker failed", orders.name)
    finally:
        logging.shutdown()
        os._exit(70)


def _tell(pipe: int, number: int) -> None:
    try:
        os.write(pipe, STATUS.pack(number))
    except OSError:
        return


def _load() -> None:
    """Import what every worker needs, and make sure that a fork of this process is sound."""
    from server.log import begin
    from server.threads import quiet

    quiet()
    begin(bool(os.environ.get("SCANSIDE_VERBOSE")))
    import torch

    import server.worker  # noqa: F401 - loaded here, used in the forks
    from server.chain import chains, named
    from server.registry import warm
    from server.wire.header import load

    for name in chains():
        named(name)
    warm()
    load()
    torch.set_num_threads(1)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise RuntimeError(f"the template has {threads} threads, expected 1: a fork of it would not be sound")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
