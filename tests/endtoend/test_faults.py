"""Whatever a gadget does, the console is told in seconds, other scans finish, and the next one works."""

import re
import threading
import time

import pytest

from server.client import converse
from server.wire import encode
from tests.endtoend.scans import pixels, said, scan, send, singles

SCAN = scan(repetitions=3)
CHAIN = """chain:
- Misbehave: {{how: {how}}}
- RemoveOversampling
- Prewhiten
- Accumulate
- Fourier
- Combine: {{method: rss}}
"""

REASONS = {
    "segfault": "SIGSEGV",
    "kill": "SIGKILL",
    "exit": "exit code 3",
    "raise": r"internal error \(ZeroDivisionError\)",
    "memory": "memory",
    "loop": "was not ready 6 s after the scan",
}


def in_pieces(data, count=8):
    """The scan in pieces with pauses, so that a gadget dies in the middle of it."""
    step = len(data) // count
    for start in range(0, len(data), step):
        yield data[start : start + step]
        time.sleep(0.02)


@pytest.mark.parametrize("how", REASONS)
def test_the_peer_is_told_why_and_the_next_scan_works(strict_server, how):
    data = said(CHAIN.format(how=how), SCAN)
    began = time.monotonic()
    answer, images = send(strict_server, data, in_pieces(data))
    assert time.monotonic() - began < 20
    assert answer.closed

    assert re.search(REASONS[how].replace("\\\\", "\\"), answer.error), answer
    assert answer.sent is not None, "the scan was not received to its end"
    whole = pixels(send(strict_server, said(CHAIN.format(how="pass"), SCAN))[1])
    assert len(whole) == 3
    assert all(image in whole for image in pixels(images))


def test_other_scans_finish_with_the_same_bytes_while_gadgets_die(strict_server):
    good = said(CHAIN.format(how="pass"), SCAN)
    alone = pixels(send(strict_server, good)[1])
    found = {}

    def one(number):
        found[number] = pixels(send(strict_server, good, in_pieces(good))[1])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for how in ("segfault", "kill", "raise"):
        assert send(strict_server, said(CHAIN.format(how=how), SCAN))[0].error
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(3), alone)


def test_a_worker_that_lags_stops_neither_reception_nor_the_scan(strict_server):
    """A gadget that sleeps: the peer has sent everything long before the images come."""
    xml, items = scan(columns=256, lines=256, coils=8, repetitions=8)
    answer, _ = send(strict_server, said(CHAIN.format(how="sleep"), (xml, items)))
    assert answer.sent < 4 or "not ready" in answer.error


def test_a_console_that_does_not_read_stops_nobody(server):
    """It sends, does not read for a while, and then gets all its images; another is served meanwhile."""
    import socket

    data = said("cartesian_fft", scan(columns=128, lines=128, coils=4, repetitions=40, noise_readouts=0))
    with socket.create_connection(server, timeout=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.sendall(data)
        assert not send(server, said("cartesian_fft", SCAN))[0].error
        connection.shutdown(socket.SHUT_WR)
        time.sleep(1)
        from server.wire.decode import decode_all

        found = decode_all(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
    assert [type(each).__name__ for each in found].count("Image") == 40
    assert type(found[-1]).__name__ == "Close"


def test_large_scans_are_the_same_through_the_server_and_offline(server):
    """Above a megabyte of readouts, so that receive buffers are used again; piece by piece and at once."""
    from tests.endtoend.scans import offline

    big = scan(columns=128, lines=128, coils=16, repetitions=3)
    want = [data for _, data in pixels(offline("cartesian_fft", big))]
    assert [data for _, data in pixels(send(server, said("cartesian_fft", big))[1])] == want
    xml, items = big
    pieces = [encode.config_file("cartesian_fft"), encode.header(xml)]
    pieces += [encode.readouts(each) for each in singles(items)] + [encode.close()]
    images = []
    converse(server, pieces, images.append, patience=60)
    assert [data for _, data in pixels(images)] == want
