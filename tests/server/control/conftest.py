import tempfile
from pathlib import Path

import pytest

from server.control import folder
from server.control.collect import Collector
from tests.server.control.wait import until


@pytest.fixture
def place(monkeypatch):
    """A runtime folder with a short path, of the server on port 9002."""
    with tempfile.TemporaryDirectory(prefix="ss") as path:
        monkeypatch.setenv("SCANSIDE_RUN", str(Path(path) / "run"))
        yield folder.runtime(9002)


@pytest.fixture
def collector(place):
    """A collector in a process of its own, as the listener starts it."""
    found = Collector(place)
    try:
        until(lambda: folder.running())
        yield found
    finally:
        found.stop()
