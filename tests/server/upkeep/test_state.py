"""What a server keeps survives a backup, an upgrade and a way back; another key makes other pseudonyms."""

import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing

import pytest

from server import audit
from server.dicom import schema
from server.dicom.outbox import Outbox
from server.errors import DicomError
from server.pseudonym import pseudonym, site_key
from server.spool.folder import Spool
from server.spool.index import records
from server.upkeep.backup import UpkeepError, backup, restore
from server.upkeep.rotation import rotate
from tests.endtoend.spawn import surroundings
from tests.server.dicom.test_outbox import filled
from tests.server.spool.scans import keep, scan, xml


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    site_key(folder / "site.key")
    (folder / "dependencies").mkdir()
    (folder / "dependencies" / "noise.npz").write_bytes(b"measured")
    box = Outbox(folder / "outbox")
    filled(box)
    box.close()
    audit.record("viewed", "x", folder)
    return folder


def contents(folder):
    names = (each.relative_to(folder) for each in folder.rglob("*") if each.is_file())
    return {name: (folder / name).read_bytes() for name in names if "outbox.db" not in name.name}


def entries(folder):
    box = Outbox(folder / "outbox")
    found = box.entries()
    box.close()
    return found


def test_a_backup_restored_elsewhere_is_the_same_state(state, tmp_path):
    file, other = tmp_path / "backup.tar", tmp_path / "other"
    backup(state, file)
    assert file.stat().st_mode & 0o777 == 0o600
    restore(file, other)
    assert contents(other) == contents(state)
    ours, theirs = entries(state), entries(other)
    assert [each.object for each in ours] == [each.object for each in theirs]
    assert all(each.file.is_relative_to(other) and each.file.exists() for each in theirs)
    assert audit.verify(other) == audit.verify(state)


def test_a_damaged_backup_restores_nothing(state, tmp_path):
    file, other = tmp_path / "backup.tar", tmp_path / "other"
    backup(state, file)
    file.write_bytes(file.read_bytes().replace(b"measured", b"measures"))
    with pytest.raises(UpkeepError, match="damaged"):
        restore(file, other)
    assert list(other.iterdir()) == []


def test_a_backup_is_restored_into_an_empty_folder_only(state, tmp_path):
    backup(state, tmp_path / "backup.tar")
    with pytest.raises(UpkeepError, match="already"):
        restore(tmp_path / "backup.tar", state)
    with pytest.raises(UpkeepError, match="already"):
        backup(state, tmp_path / "backup.tar")


@pytest.mark.parametrize("name", ["../evil", "/evil", "other"])
def test_a_file_that_has_no_place_in_a_backup_is_refused(tmp_path, name):
    with tarfile.open(tmp_path / "evil.tar", "w") as out:
        out.addfile(tarfile.TarInfo(name))
    with pytest.raises(UpkeepError, match="no place"):
        restore(tmp_path / "evil.tar", tmp_path / "other")


def table(folder):
    with closing(sqlite3.connect(folder / "outbox" / schema.NAME)) as base:
        rows = base.execute("SELECT object, file, state FROM objects ORDER BY number").fetchall()
        return schema.version(base), rows


def test_the_way_back_and_the_upgrade_keep_every_object(state):
    version, rows = table(state)
    assert version == schema.VERSION == 2
    command = [sys.executable, "-m", "server.cli", "state", "rollback", "1"]
    subprocess.run(command, env=surroundings(state), check=True, capture_output=True)
    version, old = table(state)
    assert version == 1
    assert [each[1] for each in old] == [str(state / "outbox" / each[1]) for each in rows]
    assert len(entries(state)) == 3, "this version upgrades it again"
    assert table(state) == (2, rows)
    with closing(sqlite3.connect(state / "outbox" / f"{schema.NAME}.v1")) as copy:
        assert schema.version(copy) == 1


def test_an_upgrade_that_fails_changes_nothing(state, monkeypatch):
    with closing(schema.opened(state / "outbox")) as base:
        schema.move(base, state / "outbox", 1)
    before = table(state)

    def broken(base, folder):
        base.execute("DELETE FROM objects")
        raise OSError("power cut")

    monkeypatch.setitem(schema.STEPS, 1, (broken, broken))
    with pytest.raises(OSError, match="power cut"):
        Outbox(state / "outbox")
    assert table(state) == before


def test_there_is_no_way_to_a_version_that_never_was(state):
    with closing(schema.opened(state / "outbox")) as base, pytest.raises(DicomError, match="versions 1 to 2"):
        schema.move(base, state / "outbox", 0)


def test_another_key_renames_patients_and_forgets_measurements(state, tmp_path):
    old, spool = site_key(state / "site.key"), tmp_path / "spool"
    keep(Spool(spool, room=0, key=old), scan(xml("P1")), {"state": "complete"})
    (before,) = records(spool)
    assert before.outcome["patient"] == pseudonym("P1", old)
    assert rotate(state, spool) == 1
    new, (after,) = site_key(state / "site.key"), records(spool)
    assert new != old
    assert after.outcome == {**before.outcome, "patient": pseudonym("P1", new)}
    assert not (state / "dependencies").exists()


def test_the_commands_of_the_document_do_it(state, tmp_path, monkeypatch, capsys):
    from server.cli import main

    def said(folder, *words):
        for each in ("STATE", "RUN"):
            monkeypatch.setenv(f"SCANSIDE_{each}", str(folder))
        assert main(["state", *words]) == 0
        return capsys.readouterr().out

    file, other, before = tmp_path / "backup.tar", tmp_path / "other", entries(state)
    assert said(state, "backup", str(file)).startswith(str(file))
    said(other, "restore", str(file))
    assert [each.object for each in entries(other)] == [each.object for each in before]
    said(other, "rollback", "1")
    assert "outbox.db: version 1" in said(other, "show")
    key = (other / "site.key").read_bytes()
    said(other, "rotate-key")
    assert (other / "site.key").read_bytes() != key
    assert [each["did"] for each in audit.lines(other)][-3:] == ["restored", "rolled back", "changed"]
