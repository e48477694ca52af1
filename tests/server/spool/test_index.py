import shutil
import threading

import pytest

from server.pseudonym import pseudonym
from server.spool import index
from server.spool.index import entry, find, records, remove
from server.spool.room import SpoolError
from tests.server.spool.conftest import KEY
from tests.server.spool.scans import keep, scan, xml


def test_an_empty_or_missing_folder_holds_nothing(folder, spool, tmp_path):
    assert records(folder) == records(tmp_path / "nowhere") == []


def test_what_is_no_entry_is_not_listed(folder, spool):
    (folder / "lost+found").mkdir()
    (folder / "20260101T000000.000000Z-0123abcd").write_text("a file")
    (folder / "20260101T000000.000000Z-0123abce").mkdir()
    keep(spool, scan(), {"state": "complete"})
    assert len(records(folder)) == 1


def test_entries_are_listed_oldest_first_each_with_its_state(folder, spool):
    for state in ("complete", "failed", "cut", "refused", "spooled"):
        keep(spool, scan(), {"state": state})
    living = keep(spool, scan())
    assert [each.state for each in records(folder)] == [
        "complete", "failed", "cut", "refused", "spooled", "receiving"
    ]  # fmt: skip
    assert [each.succeeded for each in records(folder)] == [True] + 5 * [False]
    living.close({"state": "complete"})


def test_a_shorter_stream_or_an_unreadable_outcome_is_damaged_and_did_not_succeed(folder, spool):
    short, unreadable = (keep(spool, scan(), {"state": "complete"}) for _ in range(2))
    short.path.write_bytes(scan()[:-1])
    (unreadable.path.parent / "outcome.json").write_text('{"state": "comp')
    assert [each.state for each in records(folder)] == ["damaged", "damaged"]
    assert not any(each.succeeded for each in records(folder))


def test_a_removed_entry_is_gone_and_one_under_way_is_not_removed(folder, spool):
    done, living = keep(spool, scan(), {"state": "failed"}), keep(spool, scan())
    remove(entry(folder, done.name))
    with pytest.raises(SpoolError, match="still being received"):
        remove(entry(folder, living.name))
    assert [each.name for each in folder.iterdir()] == [living.name]
    with pytest.raises(SpoolError, match="has no entry"):
        entry(folder, done.name)
    living.close({"state": "complete"})


@pytest.mark.parametrize("name", ["", ".", "..", "../spool", "/etc", ".new-20260101T000000.000000Z-0123abcd"])
def test_a_name_that_is_no_entry_reaches_nothing(folder, spool, name):
    with pytest.raises(SpoolError, match="has no entry"):
        entry(folder, name)


def test_the_patient_is_known_by_pseudonym_whatever_became_of_the_outcome(folder, spool):
    for patient in ("a", "b"):
        keep(spool, scan(xml(patient)), {"state": "complete"})
    damaged = keep(spool, scan(xml("a")), {"state": "complete"})
    (damaged.path.parent / "outcome.json").write_text("")
    living = keep(spool, scan(xml("a")))
    wanted = pseudonym("a", KEY)
    assert [each.patient(KEY) == wanted for each in records(folder)] == [True, False, True, True]
    living.close({"state": "complete"})


def test_listing_bears_entries_that_come_and_go_meanwhile(folder, spool, monkeypatch):
    for _ in range(6):
        keep(spool, scan(), {"state": "complete"})
    read = index._outcome

    def vanish(where):
        shutil.rmtree(records_before.pop(), ignore_errors=True) if records_before else None
        return read(where)

    records_before = sorted(folder.iterdir())[:3]
    monkeypatch.setattr(index, "_outcome", vanish)
    assert len(records(folder)) <= 5


def test_listing_while_others_write_and_remove_never_fails(folder, spool):
    stop = threading.Event()
    faults = []

    def churn():
        while not stop.is_set():
            made = keep(spool, scan(count=1), {"state": "complete"})
            remove(entry(folder, made.name))

    def guarded():
        try:
            churn()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(3)]
    for each in threads:
        each.start()
    states = {each.state for _ in range(100) for each in records(folder)}
    stop.set()
    for each in threads:
        each.join()
    assert faults == []
    assert states <= {"receiving", "complete", "interrupted"}


def test_an_entry_is_found_by_folder_by_stream_and_by_name(folder, spool, tmp_path):
    made = keep(spool, scan(), {"state": "complete"})
    for what in (made.path, made.path.parent, made.path.parent.relative_to(folder)):
        assert find(what, folder).path.read_bytes() == scan()
    assert find(tmp_path / "scan.h5", folder) is None
    assert find(tmp_path, folder) is None
