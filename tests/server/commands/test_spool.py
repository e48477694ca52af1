import io
import json
import socket
import threading

import pytest

from server.cli import main
from server.files.scan import read_scan
from server.pseudonym import pseudonym, site_key
from server.spool.folder import Spool
from server.spool.index import records
from server.wire import encode
from tests.server.spool.scans import NAMES, keep, scan, xml


@pytest.fixture
def spool(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANSIDE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("SCANSIDE_STATE", str(tmp_path / "state"))
    return Spool(tmp_path / "spool", room=0)


@pytest.fixture
def console():
    """A server that notes what comes to CLOSE's half-close, and says CLOSE."""
    listening = socket.create_server(("127.0.0.1", 0))
    heard = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                heard.append(stream.read())
                connection.sendall(encode.close())

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"127.0.0.1:{listening.getsockname()[1]}", heard
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def test_the_list_shows_states_and_pseudonyms_and_no_identifier(spool, capsys):
    keep(spool, scan(), {"state": "complete", "images": 3})
    keep(spool, scan(), {"state": "failed"})
    assert main(["spool", "list"]) == 0
    text = capsys.readouterr().out
    assert main(["spool", "list", "--json"]) == 0
    both = text + capsys.readouterr().out
    assert pseudonym(NAMES["patientID"], site_key()) in text
    assert [each["state"] for each in json.loads(both.partition("spool\n")[2])] == ["complete", "failed"]
    assert not [value for value in NAMES.values() if value in both]


def test_a_patient_is_removed_by_the_pseudonym_of_the_identifier(spool, capsys, monkeypatch):
    for patient in ("a", "b", "a"):
        keep(spool, scan(xml(patient)), {"state": "failed"})
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    assert main(["spool", "pseudonym"]) == 0
    name = capsys.readouterr().out.strip()
    assert main(["spool", "remove", "--patient", name]) == 0
    assert len(records(spool.folder)) == 1
    assert main(["spool", "remove", "--patient", name]) == 1


def test_an_entry_is_removed_by_name_and_one_under_way_is_refused(spool, capsys):
    done, living = keep(spool, scan(), {"state": "failed"}), keep(spool, scan())
    assert main(["spool", "remove", done.name, living.name]) == 1
    assert "still being received" in capsys.readouterr().err
    assert [each.name for each in records(spool.folder)] == [living.name]
    assert main(["spool", "remove"]) == 2
    living.close({"state": "complete"})


def test_retention_says_what_it_must_keep(spool, capsys):
    for state in ("complete", "failed"):
        keep(spool, scan(), {"state": state})
    assert main(["spool", "retain", "--size", "1"]) == 1
    assert "did not succeed" in capsys.readouterr().err
    assert main(["spool", "retain", "--size", "1", "--failed"]) == 0
    assert records(spool.folder) == []


def test_export_and_convert_write_the_same_scan(spool, tmp_path):
    entry = keep(spool, scan(), {"state": "complete"})
    assert main(["spool", "export", entry.name, str(tmp_path / "a.h5")]) == 0
    assert main(["convert", entry.name, "-o", str(tmp_path / "b.h5")]) == 0
    assert main(["convert", str(entry.path.parent), "-o", str(tmp_path / "c.h5")]) == 0
    assert {read_scan(tmp_path / f"{name}.h5").readouts for name in "abc"} == {23}


def test_a_spooled_scan_is_replayed_byte_for_byte(spool, console):
    address, heard = console
    entry = keep(spool, scan(parameters="any"), {"state": "complete"})
    assert main(["replay", entry.name, "--to", address]) == 0
    assert heard == [scan(parameters="any")]


def test_another_chain_replaces_the_one_that_was_named(spool, console):
    address, heard = console
    text = '{"parameters": {"config": "first", "x": 1}}'
    entry = keep(spool, scan(parameters=text), {"state": "complete"})
    assert main(["replay", str(entry.path), "--to", address, "--chain", "other"]) == 0
    changed = encode.text(json.dumps({"parameters": {"x": 1}}))
    expected = scan(config=encode.config_file("other"), parameters=text)
    assert heard == [expected.replace(encode.text(text), changed)]


def test_replay_needs_a_chain_for_what_names_none_and_keeps_the_pace_of_what_was_spooled(spool, tmp_path):
    entry = keep(spool, scan(), {"state": "complete"})
    assert main(["replay", str(tmp_path / "scan.h5")]) == 2
    assert main(["replay", entry.name, "--pace", "real"]) == 2


def test_recover_tells_what_it_found(spool, capsys):
    entry = keep(spool, scan(close=False))
    entry._release()
    assert main(["spool", "recover"]) == 0
    assert "complete messages, cut" in capsys.readouterr().out
    assert records(spool.folder)[0].state == "interrupted"
