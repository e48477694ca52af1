"""The record of who did what: whole, or the broken line is named."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from server import audit
from tests.endtoend.spawn import surroundings


@pytest.fixture
def folder(tmp_path):
    for number in range(4):
        audit.record("viewed", "page operator", tmp_path, session=f"s-{number}")
    return tmp_path


def test_what_was_recorded_is_whole_and_in_order(folder):
    chain = audit.verify(folder)
    assert chain.lines == 4
    assert [each["facts"]["session"] for each in audit.lines(folder)] == ["s-0", "s-1", "s-2", "s-3"]
    assert (folder / audit.NAME).stat().st_mode & 0o777 == 0o600
    assert audit.verify(folder, chain.head) == chain


def test_any_byte_that_changes_breaks_the_chain(folder):
    file = folder / audit.NAME
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(audit.AuditError, match=r"line \d|ends after"):
            audit.verify(folder)


def test_a_line_that_goes_comes_or_moves_breaks_the_chain(folder):
    file = folder / audit.NAME
    one, two, three, four = file.read_bytes().splitlines(keepends=True)
    for rest in (
        [one, three, four],
        [one, two, two, three, four],
        [two, one, three, four],
        [one, two, three],
    ):
        file.write_bytes(b"".join(rest))
        with pytest.raises(audit.AuditError):
            audit.verify(folder)


def test_an_end_that_was_cut_with_its_mark_is_found_by_a_digest_noted_elsewhere(folder):
    noted = audit.verify(folder).head
    file = folder / audit.NAME
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:3]))
    (folder / audit.HEAD).unlink()
    assert audit.verify(folder).lines == 3
    with pytest.raises(audit.AuditError, match="noted"):
        audit.verify(folder, noted)


def test_many_writers_make_one_chain(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: audit.record("viewed", "x", tmp_path, number=number), range(40)))
    assert audit.verify(tmp_path).lines == 40


def test_a_line_torn_by_a_power_cut_is_removed_and_that_is_recorded(folder):
    with (folder / audit.NAME).open("ab") as file:
        file.write(b'{"half')
    audit.record("exported", "x", folder)
    assert audit.verify(folder).lines == 5
    assert list(audit.lines(folder))[-1]["facts"] == {"torn_bytes_removed": 6}


def test_the_command_verifies_and_fails_on_a_broken_byte(folder):
    command = [sys.executable, "-m", "server.cli", "audit", "verify"]
    done = subprocess.run(command, env=surroundings(folder), capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["4", "lines,"])
    file = folder / audit.NAME
    file.write_bytes(file.read_bytes().replace(b"s-2", b"s-9"))
    done = subprocess.run(command, env=surroundings(folder), capture_output=True, text=True)
    assert done.returncode == 1
    assert "line 3" in done.stderr


def test_a_server_records_its_start_and_which_settings_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANSIDE_STATE", str(tmp_path))
    audit.begun("1", {"port": 9002, "log": "text"})
    audit.begun("1", {"port": 9002, "log": "json"})
    assert [each["did"] for each in audit.lines()] == ["started", "changed", "started"]
    assert list(audit.lines())[1]["facts"] == {"settings": ["log"]}


def test_a_full_disk_keeps_nobody_from_making_room(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SCANSIDE_STATE", str(tmp_path / "file"))
    audit.note("removed", entry="x")
    assert "cannot be written" in caplog.text
