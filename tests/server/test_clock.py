"""A clock that was never set, or set back, is seen."""

import os
import time

from server.clock import clock, zone
from server.diagnosis import _archives, reached
from server.dicom.destination import Archive, Worklist
from server.settings import Settings
from tests.endtoend.spawn import free_port
from tests.server.dicom.archive import Scripted


def test_a_clock_that_was_never_set_or_set_back_is_seen(tmp_path):
    assert clock(tmp_path, now=0.0) == ("1970-01-01 00:00:00 UTC: it was never set", False)
    (tmp_path / "audit.jsonl").touch()
    later = time.time() + 3600
    os.utime(tmp_path / "audit.jsonl", (later, later))
    said, good = clock(tmp_path)
    assert not good
    assert "set back" in said
    assert "UTC" in clock(tmp_path, now=later)[0]


def test_a_zone_that_somebody_chose_is_shown_with_its_offset(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert zone() == ("+0545, UTC+05:45", True)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_archives_and_worklists_of_the_settings_are_asked(tmp_path):
    with Scripted().serving() as archive:
        settings = Settings(
            archives=(
                Archive(name="up", host="127.0.0.1", port=archive.port),
                Archive(name="down", host="127.0.0.1", port=free_port()),
                Archive(name="folder", folder=tmp_path),
                Archive(name="gone", folder=tmp_path / "gone"),
            ),
            worklist=Worklist(host="127.0.0.1", port=archive.port, title="ARCHIVE"),
        )
        found = {each.what: each.good for each in _archives(settings)}
    assert found == {
        "archive up": True,
        "archive down": False,
        "archive folder": True,
        "archive gone": False,
        "worklist": True,
    }
    assert "cannot be reached" in reached(f"http://127.0.0.1:{free_port()}/dicom-web")
