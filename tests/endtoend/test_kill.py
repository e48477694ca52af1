"""SIGKILL to every process of the server at once: what it had received is kept, said, and replays."""

import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from server.client import converse
from server.wire.follow import Follower
from tests.endtoend.scans import offline, pixels, said, scan
from tests.endtoend.spawn import show, spawned, start, until

REPETITIONS = 6
SCANNERS = 4
SECONDS = 1.5
"""How long one scan is sent; a scanner does hardly anything else."""

PIECES = 48


@cache
def case(seed):
    """(the bytes of a scan that tells itself from all others, its images)."""
    xml, (noise, *imaging) = scan(repetitions=REPETITIONS)
    scale = 1 + seed / 4096
    one = xml, (noise, *(replace(each, data=each.data * scale) for each in imaging))
    return said("cartesian_fft", one), pixels(offline("cartesian_fft", one))


@cache
def triggers():
    """Where in the stream the last line of each repetition ends."""
    data = case(0)[0]
    stops = [
        mark.stop for at in range(0, len(data), 64) for mark in STEP.feed(memoryview(data)[at : at + 64])
    ]
    return stops[-2::-32][REPETITIONS - 1 :: -1]


STEP = Follower()


def complete(data):
    """Bytes up to the end of the last whole message."""
    follower = Follower()
    follower.feed(memoryview(data))
    return follower.complete


class Scanner(threading.Thread):
    """Sends one scan behind the other, in pieces of chance, until the server is gone."""

    def __init__(self, address, seeds, chance):
        super().__init__(daemon=True)
        self._address, self._seeds, self._chance = address, seeds, chance
        self.heard = {}
        """How many images came back, by the scan."""
        self.sending = 0
        """The scan that is being sent at this moment; 0 while the scanner waits for the end of its answer."""

    def run(self):
        for seed in self._seeds:
            self.heard[seed] = 0
            try:
                answer = converse(
                    self._address, self._pieces(seed), lambda _, it=seed: self._hear(it), patience=20
                )
            except OSError:
                return
            if not answer.closed:
                return

    def _hear(self, seed):
        self.heard[seed] += 1

    def _pieces(self, seed):
        data, self.sending = case(seed)[0], seed
        edges = sorted(self._chance.sample(range(1, len(data)), PIECES - 1))
        for at, stop in itertools.pairwise([0, *edges, len(data)]):
            yield data[at:stop]
            time.sleep(self._chance.random() * 2 * SECONDS / PIECES)
        self.sending = 0


def life(folder, number, span):
    """Scanners send, and at a moment of chance everything is killed: what each scan had brought and kept.

    The moments of every other life count from the start of the server, where its template still loads; the
    others' from the first image on. (images by scan, bytes by entry, scans that were being sent.)
    """
    chance = random.Random(number)
    seeds = range(1 + 300 * number, 301 + 300 * number)
    for which in range(SCANNERS):
        case(seeds[which])  # made now: a first one takes longer than the moment of the kill may be away
    server = start(folder)
    scanners = [Scanner(server.address, seeds[which::SCANNERS], chance) for which in range(SCANNERS)]
    try:
        for scanner in scanners:
            scanner.start()
        if number % 2:
            until(lambda: any(sum(each.heard.values()) for each in scanners), 60)
        time.sleep(chance.random() * (span if number % 2 else SECONDS))
        kept = {each.name: each.size for each in server.records}
        sending = sum(each.sending > 0 for each in scanners)
    finally:
        server.kill()
        server.process.stdout.close()
    for scanner in scanners:
        scanner.join(30)
    heard = {seed: images for scanner in scanners for seed, images in scanner.heard.items()}
    return heard, kept, sending


def check(server, heard, before, old):
    """Each entry of the life that ended is what a scan had sent, and what it had brought is in it."""
    until(
        lambda: all(each.state not in ("receiving", "interrupted") or each.outcome for each in server.records)
    )
    now = {each.name: each.size for each in server.records}
    lost = [name for name, size in before.items() if now.get(name, -1) < size]
    assert not lost, f"entries were dropped or cut: {lost}"
    kept = {}
    for record in server.records:
        if record.name in old:
            continue
        data = server.stream(record)
        found = [seed for seed in heard if case(seed)[0].startswith(data)]
        assert found, f"entry {record.name} is not what a scanner sent"
        assert record.outcome, f"entry {record.name} has no outcome"
        whole = data == case(found[0])[0]
        if record.state == "interrupted":
            assert record.outcome["complete"] == complete(data)
            assert record.outcome["closed"] == whole
        else:
            assert (record.state, whole) == ("complete", True)
        kept[record.name] = (data, found[0], record.state)
    for seed, images in heard.items():
        need = triggers()[images - 1] if images else 0
        own = [data for data, *_ in kept.values() if case(seed)[0].startswith(data) and len(data) >= need]
        assert own or not images, f"a scan had {images} images and is not kept so far"
    return kept


def lives(folder, count, span=2.0, replayed=40):
    """So many deaths; then whole and cut entries are replayed.

    How many entries of each kind there are, what came of the replayed, and how many scans were being sent.
    """
    kept, sent = {}, 0
    for number in range(count):
        heard, before, sending = life(folder, number, span)
        sent += sending
        with spawned(folder) as server:
            kept |= check(server, heard, before, set(kept))
    with spawned(folder) as server:
        assert {each.name for each in server.records} >= set(kept)
        cut = [each for each in kept.values() if each[0] != case(each[1])[0]]
        whole = [each for each in kept.values() if each[0] == case(each[1])[0]]
        some = cut[-replayed // 2 :] + whole[-replayed // 2 :]
        counts = [replay(server, data, seed) for data, seed, _ in some]
    states = [(state, data == case(seed)[0]) for data, seed, state in kept.values()]
    return Counter(states), Counter(counts), sent


def replay(server, data, seed):
    """The entry's bytes again: a whole one gives all images bit by bit, a cut one the first of them."""
    whole, images = case(seed)
    found = []
    answer = converse(server.address, [data], found.append, patience=60)
    if data == whole:
        assert not answer.error
        assert pixels(found) == images
        return "whole"
    assert answer.error or not data
    assert pixels(found) == images[: len(found)]
    assert len(found) == sum(stop <= len(data) for stop in triggers())
    return "cut"


def aimed(count, states, sent):
    """Most of the kills hit scans in reception: those entries are cut."""
    assert sent > 0.6 * count * SCANNERS
    assert states["interrupted", False] > 0.5 * count * SCANNERS


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_moments_of_chance_all_that_was_received_is_kept_and_replays(tmp_path):
    states, counts, sent = lives(tmp_path / "state", 4, replayed=8)
    aimed(4, states, sent)
    assert counts["cut"]
    assert counts["whole"]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_killed_at_a_hundred_moments(tmp_path, request):
    states, counts, sent = lives(tmp_path / "state", 100, replayed=200)
    lines = [
        f"100 deaths, {sent} of {100 * SCANNERS} scanners were sending: "
        f"{sum(states.values())} entries {dict(states)}, replayed {dict(counts)}"
    ]
    show(request.config, lines)
    aimed(100, states, sent)
