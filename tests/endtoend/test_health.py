"""Health and metrics of a spawned server, as an orchestrator and Prometheus ask for them."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from contextlib import closing, suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.wire import encode
from tests.endtoend.scans import said, scan, send
from tests.endtoend.slowly import BYTES, SCAN, Slowly
from tests.endtoend.spawn import OFFER, spawned, start, surroundings, until
from tests.endtoend.test_faults import in_pieces

pytestmark = pytest.mark.timeout(400)
RAISING = said("chain:\n- Misbehave: {how: raise}\n- Accumulate\n- Fourier\n- Combine\n", SCAN)
FAILING = said("cartesian_fft", (SCAN[0], [SCAN[1][0], SCAN[1][-1], SCAN[1][-1]]))


def place(server):
    return until(lambda: server.status()["http"])


def ask(where, path, method="GET"):
    host, _, port = where.rpartition(":")
    with closing(http.client.HTTPConnection(host, int(port), timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def samples(where):
    status, text = ask(where, "/metrics")
    assert status == 200, text
    found = {}
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            key = (each.name, *each.labels.values())
            assert key not in found, f"{key} stands there twice"
            found[key] = each.value
    return found


def total(where, name):
    return sum(value for key, value in samples(where).items() if key[0] == name)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with spawned(tmp_path_factory.mktemp("health") / "state") as found:
        yield found


@pytest.fixture(scope="module")
def where(server):
    return place(server)


def test_the_server_lives_at_once_and_is_ready_when_its_gadgets_are_loaded(server, where):
    assert ask(where, "/livez") == (200, "ok\n")
    assert server.ready()
    assert until(lambda: ask(where, "/readyz") == (200, "ok\n"))


def test_metrics_count_what_was_sent_and_what_came_of_it(server, where):
    assert server.ready()
    before = samples(where)
    assert send(server.address, BYTES)[0].error == ""
    assert send(server.address, FAILING)[0].error
    assert send(server.address, said("no such chain", SCAN))[0].error
    assert send(server.address, BYTES[:200_001])[0].error

    def grown():
        now = samples(where)
        return {name: now[name] - before.get(name, 0) for name in now}

    assert until(lambda: sum(v for k, v in grown().items() if k[0] == "scanside_sessions_total") == 4)
    found = grown()
    assert found["scanside_sessions_total", "cartesian_fft", "complete"] == 1
    assert found["scanside_sessions_total", "cartesian_fft", "failed"] == 2
    assert found["scanside_sessions_total", "(unknown)", "failed"] == 1
    assert found["scanside_errors_total", "data"] == 1
    assert found["scanside_errors_total", "chain"] == 1
    assert found["scanside_errors_total", "connection"] == 1
    assert found["scanside_images_total",] >= 2
    sent = sum(map(len, (BYTES, FAILING, said("no such chain", SCAN), BYTES[:200_001])))
    assert found["scanside_received_bytes_total",] == sent
    lines = sum(len(each.head) for each in SCAN[1])
    assert found["scanside_readouts_total",] >= lines
    for gadget in ("Prewhiten", "Accumulate", "Fourier"):
        assert found["scanside_gadget_seconds_total", gadget] > 0
    assert until(lambda: total(where, "scanside_spool_entries") >= 4, 40)


@pytest.mark.slow
def test_labels_stay_few_over_three_hundred_sessions(server, where):
    """Of many kinds, with names of chains of their own; every label is a word of ours."""
    small = scan(columns=16, lines=16, reference_lines=4, noise_readouts=16)
    plans = [said("cartesian_fft", small), said("cartesian_fft", small)[:9000], encode.close()]

    def some(numbers):
        for number in numbers:
            data = said(f"chain-{number}", small) if number % 4 == 3 else plans[number % 4]
            with suppress(OSError):
                send(server.address, data)

    some(range(12))
    first = set(samples(where))
    some(range(12, 312))
    assert set(samples(where)) == first
    assert total(where, "scanside_sessions_total") >= 225
    assert not any("chain-" in word for key in first for word in key)


def test_only_the_three_paths_are_answered_and_nothing_is_written(where):
    assert ask(where, "/")[0] == 404
    assert ask(where, "/../../etc/passwd")[0] == 404
    assert ask(where, "/metrics", "POST")[0] == 501
    assert ask(where, "/livez", "HEAD") == (200, "")
    assert ask(where, "/" + "x" * 100_000)[0] == 414


def test_clients_that_say_nothing_hold_it_up_for_seconds_only(where):
    host, _, port = where.rpartition(":")
    idle = [socket.create_connection((host, int(port)), timeout=10) for _ in range(64)]
    try:
        assert until(lambda: _answers(where), 20)
    finally:
        for each in idle:
            each.close()


def _answers(where):
    with suppress(OSError, http.client.HTTPException):
        return ask(where, "/livez")[0] == 200


def test_it_is_replaced_when_it_dies_at_the_same_address(server, where):
    old = server.one("server.status")
    os.kill(old, signal.SIGKILL)
    assert until(lambda: _answers(where), 30)
    assert server.one("server.status") != old
    old = server.one("server.control")
    os.kill(old, signal.SIGKILL)
    assert ask(where, "/livez")[0] == 200
    assert until(lambda: ask(where, "/readyz")[0] == 200, 30)


def test_a_draining_server_lives_and_is_not_ready(tmp_path):
    server = start(tmp_path / "state")
    try:
        where = place(server)
        running = Slowly(server.address)
        assert until(lambda: ask(where, "/readyz")[0] == 200)
        server.process.terminate()
        assert until(lambda: ask(where, "/readyz") == (503, "the server is being stopped\n"))
        assert ask(where, "/livez") == (200, "ok\n")
        assert samples(where)["scanside_draining",] == 1
        assert running.end().error == ""
        assert server.process.wait(20) == 0
        assert not _answers(where)
    finally:
        server.process.kill()
        server.process.stdout.close()


@pytest.mark.slow
def test_broken_plug_ins_and_a_full_spool_are_said_and_kill_nobody(tmp_path):
    with spawned(tmp_path / "state", plugin="raise RuntimeError('broken')\n", spool_room=1 << 60) as server:
        where = place(server)
        assert until(lambda: "RuntimeError: broken" in ask(where, "/readyz")[1], 90)
        status, text = ask(where, "/readyz")
        assert status == 503
        assert "MiB free, expected at least" in text
        assert ask(where, "/livez")[0] == 200


@pytest.mark.slow
def test_a_listener_that_hangs_is_dead(tmp_path):
    with spawned(tmp_path / "state") as server:
        where = place(server)
        os.kill(server.process.pid, signal.SIGSTOP)
        assert until(lambda: ask(where, "/livez")[0] == 503, 60)
        assert "has said nothing" in ask(where, "/livez")[1]
        os.kill(server.process.pid, signal.SIGCONT)
        assert until(lambda: ask(where, "/livez")[0] == 200)


def test_it_leaves_with_a_listener_that_was_killed(tmp_path):
    with pytest.raises(AssertionError, match="the server died"), spawned(tmp_path / "state") as server:
        where = place(server)
        server.process.kill()
        assert until(lambda: not _answers(where), 20)


def test_it_can_be_left_out_and_beyond_loopback_it_needs_leave(tmp_path):
    with spawned(tmp_path / "state", http="false") as server:
        assert server.ready()
        assert server.status()["http"] is None
    environment = surroundings(tmp_path / "state", http_host="0.0.0.0")
    found = subprocess.run(OFFER, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "health and metrics on 0.0.0.0" in found.stderr


def test_log_lines_are_json_with_the_session(tmp_path):
    with spawned(tmp_path / "state", "-v", "--log", "json") as server:
        send(server.address, FAILING)
        assert server.ready()
        send(server.address, b"", in_pieces(RAISING))
        assert until(lambda: server.log.count('"outcome"') == 2, 30)
        time.sleep(0.2)
        lines = [json.loads(line) for line in server.log.splitlines()]
    assert {line["session"] for line in lines if "outcome" in line} == {"s-1", "s-2"}
    failed = [line["session"] for line in lines if "ZeroDivisionError" in line.get("traceback", "")]
    assert failed == ["s-2"]
    assert all(line["time"] and line["level"] and line["where"] for line in lines)
    assert {line["outcome"]["kind"] for line in lines if "outcome" in line} == {"data", "bug"}
