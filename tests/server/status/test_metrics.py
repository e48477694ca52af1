import os
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from server.control.board import Board
from server.control.events import pack, unpack
from server.status.http import CollectorRegistry, Figures, choose_encoder
from server.status.spooled import Spooled

ROOT = Path(__file__).parents[3]


def tell(board, session, kind, /, **fields):
    board.take(unpack(pack(session, kind, fields)))


def board():
    made = Board()
    tell(made, "server", "server", pid=os.getpid(), since=5.0, ready=True, limits={"sessions": 16})
    gadget = {"name": "Fourier", "seconds": 2.5, "items": 3, "queue": 2}
    for name in ("a", "b"):
        tell(made, name, "session", state="running", chain="cartesian_fft", keeper_pid=os.getpid())
        tell(made, name, "progress", bytes=100, readouts=5, images=1, lag=7, gadgets=[gadget])
    tell(made, "b", "outcome", state="failed", error="x", kind="data", bytes=120)
    return made


def exposed(snapshot, folder=None, accept=""):
    registry = CollectorRegistry()
    registry.register(Figures(snapshot, Spooled(folder, room=9)))
    return choose_encoder(accept)[0](registry).decode()


def values(text):
    families = text_string_to_metric_families(text)
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def test_what_sessions_said_is_what_the_metrics_say(tmp_path):
    found = values(exposed(board().snapshot(), tmp_path))
    assert found["scanside_ready",] == 1
    assert found["scanside_sessions", "running"] == 1
    assert found["scanside_sessions_total", "cartesian_fft", "failed"] == 1
    assert found["scanside_received_bytes_total",] == 220
    assert found["scanside_readouts_total",] == 10
    assert found["scanside_images_total",] == 2
    assert found["scanside_errors_total", "data"] == 1
    assert found["scanside_errors_total", "bug"] == 0
    assert found["scanside_gadget_seconds_total", "Fourier"] == 5
    assert found["scanside_gadget_items_total", "Fourier"] == 6
    assert found["scanside_gadget_queue", "Fourier"] == 2
    assert found["scanside_lag_bytes",] == 7
    assert found["scanside_memory_bytes", "listener"] > 1 << 20
    assert found["scanside_spool_free_bytes",] > 0
    assert found["scanside_spool_room_bytes",] == 9


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"])
def test_both_formats_of_prometheus_are_given(accept):
    assert "scanside_images_total 2.0" in exposed(board().snapshot(), accept=accept)


def test_a_server_of_which_nothing_is_known_has_metrics():
    assert values(exposed(Board().snapshot()))["scanside_ready",] == 0


def test_without_a_spool_there_are_no_metrics_of_it():
    assert not any("spool" in name[0] for name in values(exposed(board().snapshot())))


def families(folder):
    """Names as Prometheus has them."""
    return {name for name, *_ in values(exposed(board().snapshot(), folder))} | {"scanside_spool_entries"}


def test_the_documents_name_every_metric_and_no_other(tmp_path):
    text = (ROOT / "docs" / "deploy.md").read_text()
    named = set(re.findall(r"^\| `(scanside_\w+)", text, re.MULTILINE))
    assert named == families(tmp_path)


def test_the_alerts_are_about_metrics_that_there_are(tmp_path):
    groups = yaml.safe_load((ROOT / "docker" / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 5
    for rule in rules:
        used = set(re.findall(r"scanside_\w+", rule["expr"]))
        assert used <= families(tmp_path), rule
        assert used or "up{" in rule["expr"]
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_what_waits_for_archives_is_counted_by_state(tmp_path, monkeypatch):
    from server.dicom.outbox import Outbox
    from server.status.waiting import waiting

    assert waiting(tmp_path / "none") == (
        dict.fromkeys(("built", "sent", "committed", "failed", "expired"), 0),
        0,
    )
    box = Outbox(tmp_path)
    box.add([("pacs", "1", f"1.{each}", "1.2", tmp_path / "x.dcm") for each in range(3)], "s")
    box.fail([1], "refused")
    box.sent([2])
    counts, oldest = waiting(tmp_path)
    box.close()
    assert counts == {"built": 1, "sent": 1, "committed": 0, "failed": 1, "expired": 0}
    assert 0 <= oldest < 60
