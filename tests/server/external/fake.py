"""A program that behaves, and misbehaves, as external nodes do: ``python -m gadgetron`` of the tests."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

PROGRAM = '''
import os, socket, struct, sys, time

from server.wire import composite
from server.wire.extent import extent
from server.wire.kinds import Limits

PORT, MODULE, TARGET = int(sys.argv[1]), sys.argv[2], sys.argv[3]
CLOSE, LIMITS = struct.pack("<H", 4), Limits()
if TARGET == "never":
    time.sleep(60)
if TARGET == "unborn":
    raise ImportError("no module is called so")
connection = socket.create_connection(("localhost", PORT))


def messages():
    """Every message as it came; no byte is read before it is needed, as in gadgetron-python."""
    held, need = b"", 2
    while piece := connection.recv(need - len(held)):
        held += piece
        if len(held) < need:
            continue
        (kind,) = struct.unpack_from("<H", held)
        rule = composite.extent if kind in (1023, 1024, 1050) else extent
        need = rule(memoryview(held), LIMITS)
        if need == len(held):
            yield kind, held
            held, need = b"", 2


try:
    for number, (kind, message) in enumerate(messages()):
        if number < 2:
            assert kind == 2 + number
            continue
        if kind == 4:
            if TARGET == "lazy":
                time.sleep(60)
            break
        if number == 5:
            if TARGET == "crash":
                raise ZeroDivisionError("one over nothing")
            if TARGET == "kill":
                os._exit(3)
            if TARGET == "segfault":
                import ctypes

                ctypes.string_at(0)
            if TARGET == "early":
                break
            if TARGET == "deaf":
                time.sleep(60)
            if TARGET == "error":
                words = b"the magnet is warm"
                connection.sendall(struct.pack("<HQ", 8, len(words)) + words)
            if TARGET == "nonsense":
                connection.sendall(b"\\x99\\x99\\x99")
        connection.sendall(message)
finally:
    connection.sendall(CLOSE)
    connection.close()
if TARGET == "late":
    raise ZeroDivisionError("one over nothing, at the end")
'''


def install(folder):
    """The folder for PYTHONPATH that makes ``-m gadgetron`` this program."""
    package = folder / "gadgetron"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(PROGRAM)
    folder.chmod(0o700)
    return folder


def programs(folder, *wire, name="fake"):
    """The settings of the program, as the environment has them."""
    root = Path(__file__).parents[3]
    return json.dumps(
        [{"name": name, "python": sys.executable, "path": [str(folder), str(root)], "wire": list(wire)}]
    )


@contextmanager
def children():
    """A function that says which processes run the program."""

    def living():
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"gadgetron" in words and b"fake" in words:
                found.append(int(process.name))
        return found

    yield living
