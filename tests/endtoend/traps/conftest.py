"""Eighteen of the twenty traps in which servers were seen: what ours does, and how soon it says so."""

import pytest

from tests.endtoend.scans import said
from tests.endtoend.spawn import show, spawned
from tests.endtoend.traps.talk import FFT, SCAN, send


@pytest.fixture(scope="package")
def server(tmp_path_factory):
    with spawned(tmp_path_factory.mktemp("traps") / "state", memory=1 << 30, finish=10) as found:
        assert found.ready()
        send(found, said(FFT, SCAN))
        yield found


@pytest.fixture(scope="package")
def table(request):
    """Rows (trap, what the server did, seconds until the peer knew), shown at the end of the run."""
    rows = []
    yield rows
    lines = [
        f"{trap:>2} | {what} | {'' if seconds is None else f'{seconds:.2f} s'}"
        for trap, what, seconds in sorted(rows, key=str)
    ]
    show(request.config, sorted(lines))
