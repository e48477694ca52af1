import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

PLUGIN = """
import ctypes, os, signal, time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gadgets.data import Block
from gadgets.gadget import Gadget
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class Misbehave(Gadget):
    \"\"\"Does at its fortieth readout what a gadget must not do.\"\"\"

    how: str = "pass"

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Block]:
        seen = 0
        for block in stream:
            before, seen = seen, seen + len(block.head)
            if before < 40 <= seen:
                self.act()
            yield block

    def act(self) -> None:
        if self.how == "segfault":
            ctypes.string_at(0)
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "exit":
            os._exit(3)
        while self.how == "loop":
            pass
        if self.how == "raise":
            raise ZeroDivisionError("one over nothing")
        if self.how == "memory":
            self.kept = [np.zeros(1 << 28, np.uint8) for _ in range(1 << 8)]
        if self.how == "sleep":
            time.sleep(5)
"""


@contextmanager
def serving(folder, *flags, **settings):
    """A real server in a process of its own; its address."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "plugins").mkdir(mode=0o700, exist_ok=True)
    (folder / "plugins" / "misbehaving.py").write_text(PLUGIN)
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--threads", "2", *flags]
    environment = os.environ | {f"SCANSIDE_{name}": str(folder) for name in ("STATE", "RUN")}
    environment |= {"SCANSIDE_PLUGINS": str(folder / "plugins"), "SCANSIDE_SPOOL": str(folder / "spool")}
    environment |= {f"SCANSIDE_{name.upper()}": str(value) for name, value in settings.items()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            port = int(process.stdout.readline().rpartition(":")[2])
            yield ("127.0.0.1", port)
            assert process.poll() is None, "the server died"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """With room for scans that tests have cut, which end later than their tests on a loaded machine."""
    with serving(tmp_path_factory.mktemp("server") / "state", sessions=64) as address:
        yield address


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory):
    """One with narrow limits, for gadgets that pass them."""
    from tests.endtoend.spawn import spawned

    with spawned(tmp_path_factory.mktemp("strict") / "state", memory=3 << 28, finish=6) as found:
        assert found.ready(), "the limits count while the template loads, too"
        yield found.address


@pytest.fixture(scope="module")
def running_archive(tmp_path_factory):
    from tests.endtoend.orthanc import orthanc

    with orthanc(tmp_path_factory.mktemp("orthanc")) as archive:
        yield archive


@pytest.fixture
def archive(running_archive):
    """A real archive without objects."""
    running_archive.empty()
    return running_archive
