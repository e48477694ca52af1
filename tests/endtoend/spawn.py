"""A server in a process group of its own, with its log, its spool and its processes in view."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from server.spool.index import records
from tests.endtoend.conftest import PLUGIN

OFFER = [sys.executable, "-m", "server.cli", "serve", "--port", "0"]


@dataclass
class Server:
    """One that runs; ``folder`` holds its state, its spool and its log."""

    folder: Path
    process: subprocess.Popen
    address: tuple[str, int]

    @property
    def log(self):
        return (self.folder / "log").read_text()

    @property
    def records(self):
        return records(self.folder / "spool")

    def stream(self, record):
        return (record.folder / "stream.mrd").read_bytes()

    def tree(self):
        """All processes of the server, by pid: what their command lines say."""
        found, fresh = {}, [self.process.pid]
        while fresh:
            pid = fresh.pop()
            with suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                tasks = Path(f"/proc/{pid}/task").iterdir()
                fresh += [int(n) for task in tasks for n in (task / "children").read_text().split()]
        return found

    def one(self, word):
        """The process whose command line holds ``word``, the eldest of them."""
        return min(pid for pid, line in self.tree().items() if word in line)

    def status(self):
        command = [sys.executable, "-m", "server.cli", "status", "--json", "--port", str(self.address[1])]
        shown = subprocess.run(command, env=surroundings(self.folder), capture_output=True, check=True)
        return json.loads(shown.stdout)

    def idle(self, seconds=10):
        """Wait until no session has a process any more."""
        lasting = ("server.template", "server.control", "server.status")
        return until(
            lambda: all(
                pid == self.process.pid or any(word in line for word in lasting)
                for pid, line in self.tree().items()
            ),
            seconds,
        )

    def ready(self, seconds=90):
        """Wait until its template is loaded."""
        return until(lambda: self.status()["server"]["ready"], seconds)

    def kill(self):
        """SIGKILL to every process at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


def surroundings(folder, **settings):
    known = {"STATE": folder, "RUN": folder, "PLUGINS": folder / "plugins", "SPOOL": folder / "spool"}
    known |= {name.upper(): value for name, value in settings.items()}
    return os.environ | {f"SCANSIDE_{name}": str(value) for name, value in known.items()}


def start(folder, *flags, plugin=PLUGIN, **settings):
    """A server that accepts; its template may still load."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "plugins").mkdir(mode=0o700, exist_ok=True)
    (folder / "plugins" / "misbehaving.py").write_text(plugin)
    environment = surroundings(folder, **{"threads": 1, **settings})
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [*OFFER, *flags],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            start_new_session=True,
        )
    port = int(process.stdout.readline().rpartition(":")[2])
    return Server(folder, process, ("127.0.0.1", port))


@contextmanager
def spawned(folder, *flags, **settings):
    """A server for the length of a ``with``; it must live to the end of it."""
    server = start(folder, *flags, **settings)
    try:
        yield server
        assert server.process.poll() is None, "the server died"
    finally:
        server.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait(30)
        server.process.stdout.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(true, seconds=10.0):
    """Wait until ``true()`` is; what it gave last."""
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def show(config, lines):
    """Write lines to the terminal, past pytest's capture."""
    with config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        for line in ("", *lines):
            config.pluginmanager.get_plugin("terminalreporter").write_line(line)
