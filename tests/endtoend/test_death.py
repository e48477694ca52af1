"""A gadget's process dies in the middle of a scan: how soon the peer knows, and what is kept of the scan."""

import re
import time

import pytest

from server.client import converse
from server.wire import encode
from server.wire.kinds import Kind
from tests.endtoend.conftest import PLUGIN
from tests.endtoend.scans import pixels, said, scan, send
from tests.endtoend.spawn import show, spawned, until

FINISH = 1.0
SCAN = scan(repetitions=3)
CHAIN = (
    "chain:\n- Misbehave: {{how: {}}}\n- RemoveOversampling\n- Prewhiten\n- Accumulate\n- Fourier\n"
    "- Combine: {{method: rss}}\n- Resize\n- Magnitude\n"
)
MARK = "open(os.environ['SCANSIDE_STATE'] + '/died', 'w').write(repr(time.time()))"
STAMPED = PLUGIN.replace("def act(self) -> None:\n", f"def act(self) -> None:\n        {MARK}\n")
REASONS = {
    "kill": "SIGKILL",
    "segfault": "SIGSEGV",
    "exit": "exit code 3",
    "memory": "memory",
    "loop": f"not ready {FINISH:g} s after the scan",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("death") / "state"
    with spawned(folder, plugin=STAMPED, memory=3 << 28, finish=FINISH) as found:
        assert found.ready(), "the limits count while the template loads, too"
        assert found.ready()
        yield found


@pytest.fixture(scope="module")
def whole(server):
    """The images of the undisturbed scan."""
    return pixels(send(server.address, said("cartesian_fft", SCAN))[1])


@pytest.fixture(scope="module")
def table(request):
    rows = []
    yield rows
    show(request.config, rows)


@pytest.mark.parametrize("how", REASONS)
def test_the_peer_knows_in_two_seconds_and_the_scan_is_kept_and_replays(server, whole, table, how):
    data, told = said(CHAIN.format(how), SCAN), []
    died = server.folder / "died"
    died.unlink(missing_ok=True)

    def parts():
        yield data[:-1000]
        if how != "loop":
            until(lambda: told, 5)
        yield data[-1000:]

    began, images = len(server.records), []
    answer = converse(server.address, parts(), images.append, lambda _: told.append(time.time()), patience=30)
    assert answer.sent is not None, "the scan was not received to its end"
    assert re.search(REASONS[how], answer.error), answer
    assert answer.closed
    death = float(died.read_text())
    seconds = told[-1] - (death + FINISH if how == "loop" else death)
    assert seconds < 2
    assert until(lambda: len(server.records) > began and server.records[-1].outcome)
    record = server.records[-1]
    assert record.state == "failed"
    assert server.stream(record) == data
    assert all(image in whole for image in pixels(images))
    named = encode.config_file("cartesian_fft")
    again = record.stream.edited(lambda kind, message: named if kind == Kind.CONFIG_TEXT else message)
    replayed = []
    assert not converse(server.address, again, replayed.append, patience=30).error
    assert pixels(replayed) == whole
    table.append(f"{how:8s} | {seconds:.2f} s | {answer.error} | {len(data)} bytes kept, replay the same")
