"""Forks writers, each with an entry of its own; run by the tests that kill them.

Arguments: the spool's folder, a folder for reports, how many writers, and what they do. ``write``: repeat one
conversation in pieces of chance size; the length goes to the report whenever ``write`` has returned.
``close``: spool conversation after conversation; the entry's name goes to the report whenever ``close`` has
returned. Their process ids go to standard output.
"""

import os
import random
import struct
import sys
import time
from pathlib import Path

from server.spool import entry as entries
from server.spool.folder import Spool
from tests.server.spool.scans import keep, scan

SCAN = scan(close=False)


def write(spool, reports):
    report = os.open(reports / str(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    chance = random.Random(os.getpid())
    entry = spool.open(str(os.getpid()))
    endless = memoryview(SCAN * 40)
    at = 0
    while True:
        size = chance.choice((1, 50, 3000, 40_000))
        piece = endless[at % len(SCAN) :][:size]
        entry.write(piece)
        at += len(piece)
        os.write(report, struct.pack("<Q", at))
        time.sleep(chance.uniform(0, 0.005))


def close(spool, reports):
    report = os.open(reports / str(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        name = keep(spool, SCAN, {"state": "complete"}).name
        os.write(report, f"{name}\n".encode())


def main(folder, reports, count, what):
    entries.STEP = 1 << 20
    spool = Spool(Path(folder), room=0, key=bytes(range(32)))
    for _ in range(int(count)):
        child = os.fork()
        if not child:
            {"write": write, "close": close}[what](spool, Path(reports))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
    for _ in range(int(count)):
        os.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
