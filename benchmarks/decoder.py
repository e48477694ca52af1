"""The decoder against the socket alone, and the receive path beside a thread of pure Python."""

import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure, alternate, of, ratios
from gadgets.data import Block, Readouts
from gadgets.head import READOUT_HEAD
from server.wire import buffer, encode
from server.wire.decode import Decoder

SHAPES = ((256, 32), (512, 32), (128, 8))
"""(samples, coils)."""

PIECE, TOTAL, TIMES = 64 << 20, 1 << 29, 7
SIZES = (1, 2, 4, 8)
"""Receive buffers that are tried [MiB]."""

Receive = Callable[[socket.socket], int]
"""Receives to the end and says how many bytes of samples came out."""


@dataclass(frozen=True)
class Stream:
    """Readouts that a process of its own sends."""

    port: int
    samples: int
    coils: int
    size: int
    """Bytes sent at a time."""

    @property
    def times(self) -> int:
        """How often they are sent."""
        return max(1, TOTAL // self.size)

    @property
    def values(self) -> int:
        """Bytes of samples in all."""
        one = 8 * self.samples * self.coils
        return self.times * (self.size // (2 + READOUT_HEAD.itemsize + one)) * one

    def rate(self, receive: Receive) -> float:
        """Bytes per second [1e9] of one pass."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(struct.pack("<Q", self.times))
            begin = time.perf_counter()
            values = receive(connection)
            seconds = time.perf_counter() - begin
        if values not in (0, self.values):
            raise RuntimeError(f"{values} bytes of samples came, {self.values} were sent")
        return self.times * self.size / seconds / 1e9


def run() -> Iterator[Figure]:
    """The decoder's part of the bare rate for each shape, then the whole path beside a busy thread."""
    for samples, coils in SHAPES:
        with _sender(samples, coils) as stream:
            yield from _against_bare(f"{samples} samples x {coils} coils", stream)
    with _sender(*SHAPES[0]) as stream:
        yield from _beside_busy(stream)


def _against_bare(shape: str, stream: Stream) -> Iterator[Figure]:
    sides = [partial(stream.rate, each) for each in (_bare, _decoded, _whole)]
    bare, decoded, whole = alternate(sides, TIMES)
    yield of(f"{shape}: bare recv_into", bare, unit="GB/s")
    yield of(f"{shape}: decoder", decoded, unit="GB/s")
    yield of(f"{shape}: decoder / bare", ratios(decoded, bare), limit=0.8, sense="at least")
    yield of(f"{shape}: receive path / bare", ratios(whole, bare), note="server/wire/buffer.py")


def _beside_busy(stream: Stream) -> Iterator[Figure]:
    """The receive path alone and beside pure Python, with buffers of several sizes and short switches."""
    default = sys.getswitchinterval()
    for mebibytes in SIZES:
        for name, flags in (("", 0), (", MSG_WAITALL", socket.MSG_WAITALL)):
            alone = partial(stream.rate, partial(_sized, size=mebibytes << 20, flags=flags))
            free, beside = alternate([alone, partial(_busy, alone)], 3, warm=0)
            label = f"receive path, {mebibytes} MiB{name}"
            yield of(f"{label}: alone", free, unit="GB/s")
            asked = 1.0 if (mebibytes << 20, flags) == (buffer.SIZE, 0) else None
            yield of(f"{label}: beside busy thread", beside, unit="GB/s", limit=asked, sense="at least")
    for interval in (0.001, 0.0001):
        for mebibytes in SIZES:
            alone = partial(stream.rate, partial(_sized, size=mebibytes << 20, flags=0))
            (beside,) = alternate([partial(_busy, alone, interval)], 3, warm=0)
            note = f"sys.setswitchinterval; {default * 1000:.0f} ms by default"
            name = f"beside busy thread, {mebibytes} MiB, switch interval {interval * 1000:g} ms"
            yield of(name, beside, unit="GB/s", note=note)


def _bare(connection: socket.socket) -> int:
    waste = bytearray(buffer.SIZE)
    while connection.recv_into(waste):
        pass
    return 0


def _decoded(connection: socket.socket) -> int:
    """The sans-IO decoder alone; the rest of an incomplete message is moved to the front."""
    decoder, memory, pending, samples = Decoder(), memoryview(bytearray(buffer.SIZE)), 0, 0
    while count := connection.recv_into(memory[pending:]):
        pending += count
        for item in decoder.decode(memory[:pending]):
            assert isinstance(item, Readouts)
            samples += item.data.nbytes
        rest = pending - decoder.consumed
        memory[:rest] = bytes(memory[decoder.consumed : pending])
        pending = rest
    return samples


def _whole(connection: socket.socket) -> int:
    messages = buffer.Buffer().messages(connection.recv_into)
    return sum(item.data.nbytes for item in messages if isinstance(item, Readouts))


def _sized(connection: socket.socket, size: int, flags: int) -> int:
    """The receive path with a buffer of another size, and other flags of the system call."""
    kept, buffer.SIZE = buffer.SIZE, size
    try:
        path = buffer.Buffer()
    finally:
        buffer.SIZE = kept

    def receive(view: memoryview) -> int:
        return connection.recv_into(view, 0, flags)

    return sum(item.data.nbytes for item in path.messages(receive) if isinstance(item, Readouts))


def _busy(act: Callable[[], float], interval: float | None = None) -> float:
    """The rate of ``act`` while another thread runs pure Python."""
    over, kept = threading.Event(), sys.getswitchinterval()

    def spin() -> None:
        number = 0
        while not over.is_set():
            number = (number * 5 + 1) % 1_000_003

    thread = threading.Thread(target=spin)
    sys.setswitchinterval(interval or kept)
    thread.start()
    try:
        return act()
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(kept)


@contextmanager
def _sender(samples: int, coils: int) -> Iterator[Stream]:
    count = PIECE // (8 * samples * coils)
    head = np.zeros(count, READOUT_HEAD)
    head["version"], head["number_of_samples"], head["active_channels"] = 1, samples, coils
    data = encode.readouts(Block(head=head, data=np.zeros((count, coils, samples), np.complex64)))
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        command = [sys.executable, str(Path(__file__).parent / "sender.py"), file.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield Stream(int(process.stdout.readline()), samples, coils, len(data))
            finally:
                process.kill()
