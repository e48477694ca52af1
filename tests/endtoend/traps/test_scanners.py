"""Scanners and consoles that are idle, gone, slow or fast."""

import socket
import struct
import time

import numpy as np

from server.wire import encode
from server.wire.decode import decode_all
from tests.endtoend.scans import said, scan
from tests.endtoend.spawn import until
from tests.endtoend.traps.talk import FFT, SCAN, START, good, names, newest, send


def test_trap_6_a_second_scanner_is_served_while_the_first_is_idle(server, table):
    with socket.create_connection(server.address, timeout=30) as idle:
        idle.sendall(said(FFT, SCAN)[:200_000])
        reply = send(server, said(FFT, SCAN))
        assert not reply.error
        assert len(reply.images) == 2
    table.append((6, "the second scan was served beside the idle one", reply.told))


def test_trap_10_a_peer_that_goes_in_the_middle_leaves_no_process_behind(server, table):
    assert server.idle()
    before = set(server.tree())
    with socket.create_connection(server.address, timeout=30) as connection:
        connection.sendall(said(FFT, SCAN)[:300_000])
        until(lambda: len(server.tree()) >= len(before) + 2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    begin = time.monotonic()
    assert until(lambda: set(server.tree()) <= before, 5)
    seconds = time.monotonic() - begin
    assert seconds < 2
    assert newest(server).state == "failed"
    table.append((10, "reset by the peer: keeper and worker gone, outcome failed", seconds))


def test_trap_13_a_console_that_does_not_read_stops_nothing(server, table):
    data = said(FFT, scan(columns=128, lines=128, repetitions=30, noise_readouts=0))
    with socket.create_connection(server.address, timeout=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        begin = time.monotonic()
        connection.sendall(data)
        sent = time.monotonic() - begin
        assert until(lambda: newest(server).size == len(data))
        good(server)
        connection.shutdown(socket.SHUT_WR)
        found = decode_all(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
    assert names(found).count("Image") == 30
    table.append(
        (13, f"{len(data) >> 20} MiB received in {sent:.2f} s unread; all 30 images when read", None)
    )


def test_trap_19_sixty_four_channels_of_768_samples_at_a_tr_of_3_ms(server, table):
    """A second of such a scan, as fast as it goes; the spool has every byte."""
    from gadgets.data import Readouts
    from gadgets.head import READOUT_HEAD

    head = np.zeros(333, READOUT_HEAD)
    head["active_channels"], head["number_of_samples"] = 64, 768
    data = np.zeros((333, 64, 768), np.complex64)
    data[:, 0, 0] = np.arange(333)
    message = encode.readouts(Readouts(head=head, data=data))
    assert len(message) > 130e6
    with socket.create_connection(server.address, timeout=60) as connection:
        begin = time.monotonic()
        connection.sendall(START + message + encode.close())
        connection.shutdown(socket.SHUT_WR)
        seconds = time.monotonic() - begin
        found = decode_all(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
    assert names(found)[-1] == "Close"
    assert until(lambda: newest(server).outcome)
    assert server.stream(newest(server)) == START + message + encode.close()
    rate = len(message) / seconds / 1e6
    table.append((19, f"one second of 131 MB/s taken and spooled at {rate:.0f} MB/s", None))
