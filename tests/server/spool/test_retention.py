from datetime import UTC, datetime, timedelta

from server.spool.index import records
from server.spool.retention import Retention
from tests.server.spool.scans import keep, scan

SIZE = len(scan())
LATER = datetime.now(UTC) + timedelta(days=10)


def filled(spool, *states):
    return [keep(spool, scan(), {"state": state}).name for state in states]


def names(folder):
    return [each.name for each in records(folder)]


def test_without_rules_nothing_is_removed(spool, folder):
    filled(spool, "complete", "failed")
    done = Retention().apply(folder, LATER)
    assert (done.removed, done.size, done.over) == ((), 2 * SIZE, 0)


def test_by_age_only_what_is_older_goes(spool, folder):
    held = filled(spool, "complete", "complete")
    assert Retention(days=11).apply(folder, LATER).removed == ()
    assert Retention(days=9).apply(folder, LATER).removed == tuple(held)


def test_by_size_the_oldest_go_first_and_no_more_than_needed(spool, folder):
    held = filled(spool, *["complete"] * 5)
    done = Retention(size=2 * SIZE + 1).apply(folder)
    assert done.removed == tuple(held[:3])
    assert done.size == 2 * SIZE
    assert names(folder) == held[3:]


def test_what_did_not_succeed_stays_and_the_excess_is_said(spool, folder):
    states = ("failed", "complete", "cut", "spooled", "interrupted", "refused", "complete")
    held = filled(spool, *states)
    done = Retention(days=1, size=SIZE).apply(folder, LATER)
    assert done.removed == (held[1], held[6])
    assert done.over == 4 * SIZE
    assert Retention(days=1, keep_failed=False).apply(folder, LATER).size == 0


def test_what_is_being_received_stays_even_when_all_else_may_go(spool, folder):
    living = keep(spool, scan())
    done = Retention(days=1, size=0, keep_failed=False).apply(folder, LATER)
    assert (done.removed, done.over) == ((), SIZE)
    living.close({"state": "complete"})
