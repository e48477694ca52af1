"""What workers are made of dies, or cannot be loaded: scans wait for the next one, or are received only."""

import os
import signal
import time

import pytest

from server.client import converse
from tests.endtoend.conftest import PLUGIN
from tests.endtoend.scans import pixels, send
from tests.endtoend.slowly import BYTES, Slowly
from tests.endtoend.spawn import spawned, until

pytestmark = pytest.mark.timeout(400)
BROKEN = "raise RuntimeError('this plug-in is broken')\n"


def template(server):
    return next((pid for pid, line in server.tree().items() if "server.template" in line), None)


@pytest.mark.slow
def test_scans_go_on_when_the_template_dies_and_the_next_one_waits_for_another(tmp_path):
    with spawned(tmp_path / "state") as server:
        running = Slowly(server.address)
        alone = pixels(send(server.address, BYTES)[1])
        for _ in range(2):
            os.kill(template(server), signal.SIGKILL)
            answer, images = send(server.address, BYTES)
            assert answer.error == ""
            assert pixels(images) == alone
        assert running.end().error == ""
        assert pixels(running.images) == alone


@pytest.mark.slow
def test_a_scan_that_asked_a_template_which_dies_before_it_answers_gets_its_images(tmp_path):
    """The template is held still with the request in its queue, and killed."""
    with spawned(tmp_path / "state") as server:
        alone = pixels(send(server.address, BYTES)[1])
        old = template(server)
        os.kill(old, signal.SIGSTOP)
        images = []

        def parts():
            yield BYTES[:200_000]
            assert until(lambda: sum(each.size >= 200_000 for each in server.records) == 2)
            time.sleep(0.2)
            os.kill(old, signal.SIGKILL)
            yield BYTES[200_000:]

        answer = converse(server.address, parts(), images.append, patience=60)
        assert answer.error == ""
        assert pixels(images) == alone
        assert until(lambda: {each.state for each in server.records} == {"complete"})


@pytest.mark.slow
def test_a_template_that_cannot_be_loaded_is_started_ever_later_and_scans_are_kept(tmp_path):
    with spawned(tmp_path / "state", plugin=BROKEN) as server:
        first, images = send(server.address, BYTES)
        assert "cannot load its gadgets" in first.error
        assert first.sent is not None
        assert first.closed
        assert not images
        assert until(lambda: "this plug-in is broken" in server.status()["server"]["fault"], 90)
        assert not server.status()["server"]["ready"]
        count = server.log.count("failure")
        second, _ = send(server.address, BYTES)
        assert "cannot load its gadgets" in second.error
        time.sleep(2)
        assert server.log.count("failure") <= count + 2
        assert count == 2
        assert until(lambda: [each.state for each in server.records] == ["failed", "failed"])
        assert all(server.stream(each) == BYTES for each in server.records)

        (server.folder / "plugins" / "misbehaving.py").write_text(PLUGIN)
        server.process.send_signal(signal.SIGHUP)
        assert server.ready()
        assert server.status()["server"]["fault"] == ""
        answer, images = send(server.address, BYTES)
        assert (answer.error, len(images)) == ("", 2)


def test_a_scan_that_waits_for_a_worker_can_be_cancelled(tmp_path):
    from server.control.commands import send as command

    with spawned(tmp_path / "state") as server:
        assert server.ready()
        os.kill(template(server), signal.SIGSTOP)
        told = []

        def parts():
            yield BYTES[:200_000]
            assert until(lambda: server.status()["sessions"])
            command(server.folder / str(server.address[1]), server.status()["sessions"][-1]["id"], "cancel")
            assert until(lambda: told)
            yield BYTES[200_000:]

        answer = converse(server.address, parts(), told=told.append, patience=30)
        assert "cancelled" in answer.error
        assert until(lambda: [each.state for each in server.records] == ["failed"])
        assert server.stream(server.records[0]) == BYTES
        os.kill(template(server), signal.SIGCONT)
        assert send(server.address, BYTES)[0].error == ""


@pytest.mark.slow
def test_a_time_limit_holds_while_a_scan_waits_for_a_worker(tmp_path):
    with spawned(tmp_path / "state", finish=1) as server:
        assert server.ready()
        os.kill(template(server), signal.SIGSTOP)
        answer, _ = send(server.address, BYTES)
        assert "was not ready 1 s after the scan" in answer.error
        os.kill(template(server), signal.SIGCONT)
        assert send(server.address, BYTES)[0].error == ""
