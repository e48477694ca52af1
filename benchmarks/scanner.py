"""A scanner as a process of its own: at its own pace, or as fast as the socket takes it; its report is JSON.

``python -m benchmarks.scanner pace PORT SECONDS SCAN.h5`` sends lines every 5 ms, again and again the same;
``... flood PORT BYTES SCAN.h5 CHAIN`` sends them without a pause.
Each says ``ready`` and begins when it is given a line.
"""

import hashlib
import json
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from gadgets.data import Image, Readouts
from gadgets.head import Flag
from server.client import converse
from server.files.scan import read_scan
from server.wire import encode
from server.wire.messages import ConfigText

TR = 5e-3
LINES = 128


def main() -> None:
    """Do what the command line says."""
    how, port, amount, path, *chain = sys.argv[1:]
    xml, noise, lines = _scan(Path(path))
    print("ready", flush=True)
    sys.stdin.readline()
    if how == "pace":
        facts = _pace(int(port), float(amount), xml, noise, lines)
    else:
        start = _start(chain[0], xml)
        facts = {"seconds": _flood(int(port), start, lines, int(amount))}
    print(json.dumps(facts))


def _scan(path: Path) -> tuple[str, bytes, Readouts]:
    """Header, noise as bytes, and the lines of one image."""
    scan = read_scan(path)
    items = [item for item in scan.runs() if isinstance(item, Readouts)]
    head, data = (np.concatenate([getattr(each, name) for each in items]) for name in ("head", "data"))
    noise = head["flags"] & np.uint64(int(Flag.NOISE_MEASUREMENT)) != 0
    first = ~noise & (head["idx"]["repetition"] == 0)
    if first.sum() != LINES:
        raise ValueError(f"{path}: {first.sum()} lines in the first repetition, expected {LINES}")
    xml = scan.xml.decode() if isinstance(scan.xml, bytes) else scan.xml
    wide = re.sub(r"(<repetition>.*?<maximum>)\d+", r"\g<1>127", xml, flags=re.DOTALL)
    return (
        wide,
        encode.readouts(Readouts(head=head[noise], data=data[noise])),
        Readouts(head=head[first], data=data[first]),
    )


def _start(chain: str, xml: str) -> bytes:
    config = encode.config_text(ConfigText(chain).text) if "\n" in chain else encode.config_file(chain)
    return config + encode.header(xml)


def _pace(port: int, seconds: float, xml: str, noise: bytes, lines: Readouts) -> dict[str, object]:
    sent: list[float] = []
    seen: list[float] = []
    digest = hashlib.sha256()
    late = [0.0]

    def keep(image: Image) -> None:
        seen.append(time.perf_counter())

    def parts() -> Iterator[bytes]:
        yield _start("cartesian_fft", xml) + noise
        begin = time.perf_counter()
        for repetition in range(max(1, round(seconds / (LINES * TR)))):
            lines.head["idx"]["repetition"] = repetition
            for number in range(LINES):
                due = begin + (repetition * LINES + number + 1) * TR
                time.sleep(max(0.0, due - time.perf_counter()))
                one = Readouts(head=lines.head[number : number + 1], data=lines.data[number : number + 1])
                yield encode.readouts(one)
                late[0] = max(late[0], time.perf_counter() - due)
            sent.append(time.perf_counter())
        yield encode.close()

    answer = converse(("127.0.0.1", port), _hashed(parts(), digest.update), keep, patience=60)
    waits = [at - since for since, at in zip(sent, seen, strict=False)]
    return {
        "error": answer.error,
        "texts": answer.texts,
        "asked": len(sent),
        "lags": waits,
        "late": late[0],
        "digest": digest.hexdigest(),
    }


def _hashed(parts: Iterator[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for part in parts:
        update(part)
        yield part


def _flood(port: int, start: bytes, lines: Readouts, size: int) -> float:
    """Seconds from the first byte to the other side's end, of so many bytes."""
    piece = memoryview(encode.readouts(lines))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.perf_counter()
        connection.sendall(start)
        for _ in range(max(1, size // len(piece))):
            connection.sendall(piece)
        connection.sendall(encode.close())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass
        return time.perf_counter() - begin


if __name__ == "__main__":
    main()
