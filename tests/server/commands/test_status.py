import json
import os
import time

import pytest

from server.cli import main
from server.control.commands import Commands
from server.control.report import Reporter
from tests.server.control.conftest import collector, place
from tests.server.control.wait import until

__all__ = ["collector", "place"]


@pytest.fixture
def session(place, collector):
    reporter = Reporter(place, "s-1")
    collector.say("server", pid=os.getpid(), port=9002, since=time.time(), limits={})
    figures = [{"name": "Grappa", "seconds": 1.25, "items": 2, "queue": 3}]
    reporter.say("session", state="running", keeper_pid=os.getpid(), chain="cartesian_grappa")
    reporter.say("warning", template="unwhitened")
    reporter.say("progress", bytes=5_000_000, readouts=10, gadgets=figures)
    yield reporter
    reporter.close()


def asked(capsys, *words):
    assert main(["status", *words]) == 0
    return capsys.readouterr().out


def test_the_status_is_json_with_sessions_and_the_address_of_health_and_metrics(session, capsys):
    found = until(lambda: json.loads(asked(capsys, "--json"))["sessions"])
    assert found[0]["chain"] == "cartesian_grappa"
    facts = json.loads(asked(capsys, "--json"))
    assert facts.keys() == {"server", "sessions", "totals", "http"}
    assert facts["server"]["pid"] == os.getpid()


def test_the_status_in_a_terminal_shows_gadgets_and_warnings(session, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    until(lambda: "Grappa 1.25 s (3)" in asked(capsys))
    shown = asked(capsys)
    assert "s-1: the scan goes on without prewhitening" in shown
    assert "port 9002" in shown


def test_a_cancelled_session_hears_of_it(place, collector, capsys):
    with Commands(place, "s-1") as commands:
        assert main(["cancel", "s-1"]) == 0
        assert commands.take() == [{"do": "cancel"}]
    assert main(["cancel", "s-1"]) == 1
    assert "no session s-1" in capsys.readouterr().err


def test_a_server_that_is_to_drain_hears_of_it(place, collector):
    with Commands(place, "server") as commands:
        assert main(["drain", "--port", "9002"]) == 0
        assert commands.take() == [{"do": "drain"}]


@pytest.mark.parametrize("words", [["status"], ["cancel", "s-1"], ["drain"]])
def test_where_no_server_runs_the_command_says_so(place, words, capsys):
    assert main(words) == 1
    assert "no server" in capsys.readouterr().err
