"""A program that is started for one scan, connects back to us, and does not outlive us."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from server.errors import ExternalError
from server.external.programs import Program

GUARD = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 9)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)
"""Has the kernel kill the program when the thread that started it ends, then becomes the program."""

TAIL = 1 << 16
"""Bytes of what it said on its standard error that are kept."""

TOLD = 4000
"""Characters of them that the console is told."""


class Child:
    """A program under way."""

    def __init__(self, process: "subprocess.Popen[bytes]", what: str) -> None:
        self._process, self._what = process, what
        self._said = b""
        self._reader = threading.Thread(target=self._listen, name="external's errors", daemon=True)
        self._reader.start()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        while piece := os.read(self._process.stderr.fileno(), 4096):
            self._said = (self._said + piece)[-TAIL:]

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None when it still runs after so long."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def dump(self) -> None:
        """Have Python write where it hangs (SIGABRT under its fault handler); it ends by that."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGABRT)
        self.wait(2.0)

    def kill(self) -> None:
        """End it, and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(2.0)
        if self._process.stderr and not self._reader.is_alive():
            self._process.stderr.close()

    def words(self) -> str:
        """The end of what it said on its standard error, from the first traceback in it."""
        self._reader.join(1.0)
        text = self._said.decode(errors="replace").strip()
        marks = ("Traceback (most recent call", "Fatal Python error")
        starts = [at for mark in marks if (at := text.find(mark)) >= 0]
        return text[min(starts, default=0) :][-TOLD:]


@contextmanager
def started(program: Program, target: str, patience: float) -> Iterator[tuple[Child, socket.socket]]:
    """The program, and the connection that it made; it is ended when the ``with`` is left.

    Raises ExternalError when it does not connect.
    """
    what = f"external {program.name}.{target}" if target else f"external {program.name}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = Child(_spawn(program, target, listener.getsockname()[1]), what)
        try:
            with _accepted(listener, child, what, patience) as connection:
                yield child, connection
        finally:
            child.kill()


def _spawn(program: Program, target: str, port: int) -> "subprocess.Popen[bytes]":
    command = [str(program.python), "-m", "gadgetron", str(port), program.name, *([target] if target else [])]
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_surroundings(program),
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise ExternalError(f"external {program.name} cannot be started: {error}") from None


def _surroundings(program: Program) -> dict[str, str]:
    """Our environment without what is ours alone."""
    ours = ("SCANSIDE_", "PYTHON", "MALLOC_", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    folders = os.pathsep.join(map(str, program.path))
    return kept | {
        "PYTHONPATH": folders,
        "PYTHONSAFEPATH": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONUNBUFFERED": "1",
        "GADGETRON_EXTERNAL_LOG_LEVEL": "INFO",
    }


def _accepted(listener: socket.socket, child: Child, what: str, patience: float) -> socket.socket:
    listener.settimeout(0.1)
    until = time.monotonic() + patience
    while time.monotonic() < until and not child.ended:
        with suppress(TimeoutError):
            connection, peer = listener.accept()
            if _own(peer[1], listener.getsockname()[1]):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
            connection.close()
    reason = f"ended with exit code {child.wait(0)}" if child.ended else f"did not connect in {patience:g} s"
    raise ExternalError(f"{what} {reason}: {child.words()}")


def _own(port: int, to: int) -> bool:
    """Whether the local connection from ``port`` is one of our own user's."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                here, there = (int(each.rpartition(":")[2], 16) for each in words[1:3])
                if (here, there) == (port, to):
                    return int(words[7]) == os.geteuid()
    return False
