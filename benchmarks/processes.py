"""Servers as processes of their own, ours and a peer, and the memory that they take."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import SkippedError

PERIOD = 0.01
"""Seconds between two looks at the memory."""


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    port: int

    def processes(self) -> list[int]:
        """The server's process and all that descend from it."""
        return list(_family(self.process.pid))

    def memory(self) -> float:
        """Proportional set size of all its processes [MB]."""
        return sum(_proportional(pid) for pid in self.processes()) / 1e6

    def seconds(self) -> float:
        """Processor time of all its processes, those that have ended included."""
        return sum(_seconds(pid) for pid in self.processes())


@contextmanager
def ours(*options: str) -> Iterator[Server]:
    """``scanside serve`` on a free port."""
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(process, int(process.stdout.readline().rpartition(":")[2]))
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def fire() -> Iterator[Server]:
    """python-ismrmrd-server, where SCANSIDE_PEER_FIRE (its folder) and ..._PYTHON (its Python) say.

    Raises SkippedError when they do not.
    """
    folder, python = (os.environ.get(f"SCANSIDE_PEER_FIRE{word}") for word in ("", "_PYTHON"))
    if not folder or not python:
        raise SkippedError("set SCANSIDE_PEER_FIRE and SCANSIDE_PEER_FIRE_PYTHON")
    port = _free_port()
    command = [python, str(Path(folder) / "main.py"), "-H", "127.0.0.1", "-p", str(port)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, cwd=folder, env=clean
    ) as process:
        try:
            _await(port)
            yield Server(process, port)
        finally:
            process.kill()
            process.wait(30)


@dataclass
class Watch:
    """The memory of a server while something happens."""

    server: Server
    samples: list[float] = field(default_factory=list)

    @property
    def peak(self) -> float:
        """The most that was seen [MB]."""
        return max(self.samples)

    def __enter__(self) -> "Watch":
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(PERIOD):
            self.samples.append(self.server.memory())


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = [task.joinpath("children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return
    for child in " ".join(children).split():
        yield from _family(int(child))


def _proportional(pid: int) -> int:
    """Bytes; 0 for a process that has ended meanwhile."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _seconds(pid: int) -> float:
    """User and system time, its own and that of children which it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _await(port: int, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
