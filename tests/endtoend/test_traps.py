"""Eighteen of the twenty traps in which servers were seen: what ours does, and how soon it says so."""

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from gadgets.data import Image, Waveform
from gadgets.head import IMAGE_HEAD, WAVEFORM_HEAD
from server.client import DAY, converse
from server.files.kept import Kept
from server.parameters import to_text
from server.wire import encode
from server.wire.decode import decode_all
from tests.endtoend.scans import pixels, said, scan
from tests.endtoend.spawn import show, spawned, until

FFT = "cartesian_fft"
XML, ITEMS = SCAN = scan(repetitions=2)
START = encode.config_file(FFT) + encode.header(XML)
PASSING = encode.config_file("default_measurement_dependencies") + encode.header(XML)
"""A chain that leaves images alone."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with spawned(tmp_path_factory.mktemp("traps") / "state", memory=1 << 30, finish=10) as found:
        until(lambda: found.log is not None)
        send(found, said(FFT, SCAN))
        yield found


@pytest.fixture(scope="module")
def table(request):
    """Rows (trap, what the server did, seconds until the peer knew), shown at the end of the run."""
    rows = []
    yield rows
    lines = [
        f"{trap:>2} | {what} | {'' if seconds is None else f'{seconds:.2f} s'}"
        for trap, what, seconds in sorted(rows, key=str)
    ]
    show(request.config, sorted(lines))


class Reply:
    """What came back for some bytes; ``told`` is how long after the last of them the end was known."""

    def __init__(self, server, *pieces, patience=30):
        self.images, self._heard = [], []
        self.answer = converse(
            server.address,
            self._sent(pieces),
            self.images.append,
            self._note,
            patience=patience,
        )
        self.told = max(0.0, (self._heard[-1] if self._heard else time.monotonic()) - self._last)
        self.error = self.answer.error

    def _note(self, text):
        """Warnings come early; an error is the end."""
        if text.startswith("ERROR"):
            self._heard.append(time.monotonic())

    def _sent(self, pieces):
        for piece in pieces:
            yield piece
            self._last = time.monotonic()


def send(server, *pieces, **options):
    return Reply(server, *pieces, **options)


def bare(server, data, *, end=True):
    """All messages that come back to plain bytes, and after how many seconds the last one came."""
    with socket.create_connection(server.address, timeout=30) as connection:
        connection.sendall(data)
        begin = time.monotonic()
        if end:
            connection.shutdown(socket.SHUT_WR)
        found = decode_all(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
        return found, time.monotonic() - begin


def names(messages):
    return [type(each).__name__ for each in messages]


def newest(server):
    return server.records[-1]


def good(server):
    """The next scan works."""
    reply = send(server, said(FFT, SCAN))
    assert not reply.error
    assert len(reply.images) == 2


def picture(data, series=1):
    head = np.zeros((), IMAGE_HEAD)
    head["image_series_index"] = series
    return Image(data=data, head=head)


def test_trap_1_integer_and_rgb_images_come_back_as_they_went(server, table):
    whole = torch.arange(-6, 6, dtype=torch.int32).reshape(1, 1, 3, 4)
    colour = torch.arange(36, dtype=torch.int32).to(torch.uint16).reshape(3, 1, 3, 4)
    sent = [picture(whole), picture(colour)]
    reply = send(server, PASSING, *map(encode.image, sent), encode.close())
    assert not reply.error, reply.error
    found = [each.data for each in reply.images]
    assert [each.dtype for each in found] == [torch.int32, torch.uint16]
    assert all(
        torch.equal(a.to(torch.int64), b.data.to(torch.int64)) for a, b in zip(found, sent, strict=True)
    )
    table.append((1, "int32 and RGB uint16 images passed the chain unchanged", reply.told))


@pytest.mark.parametrize("profile", [encode.GADGETRON, encode.FIRE], ids=["without NUL", "with NUL"])
def test_trap_2_strings_end_with_a_nul_or_without(server, table, profile):
    text = to_text({"combinemethod": "rss"})
    reply = send(server, said(FFT, SCAN, parameters=text, profile=profile))
    assert not reply.error
    assert reply.images[0].meta["ScansideCombine"] == "rss"
    table.append((2, f"strings {'with' if profile.nul else 'without'} NUL were read", reply.told))


def test_trap_2_strings_are_written_with_a_nul_where_the_peer_wants_it(tmp_path, table):
    with (
        spawned(tmp_path / "state", nul=True) as server,
        socket.create_connection(server.address, timeout=30) as connection,
    ):
        connection.sendall(said("none such", SCAN))
        connection.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    kind, size = struct.unpack_from("<HI", data)
    assert (kind, data[6 + size - 1], len(data)) == (5, 0, 6 + size + 2)
    assert data[6:].startswith(b"ERROR   ")
    table.append((2, "strings written with NUL and level prefix under --nul", None))


def test_trap_3_a_waveform_of_forty_bytes_keeps_the_stream_in_step(server, table):
    head = np.zeros((), WAVEFORM_HEAD)
    head["channels"], head["number_of_samples"] = 1, 0
    empty = encode.waveform(Waveform(head=head, data=np.zeros((1, 0), np.uint32)))
    head = head.copy()
    head["number_of_samples"] = 3
    short = encode.waveform(Waveform(head=head, data=np.zeros((1, 3), np.uint32)))
    assert len(empty) == 2 + 40
    reply = send(server, START, empty, short, said(FFT, SCAN)[len(START) :], patience=20)
    assert not reply.error
    assert len(reply.images) == 2
    table.append((3, "waveforms of 40 and 52 B read, images complete", reply.told))


ACCESSION = "<accessionNumber>A12B</accessionNumber>"
HEADERS = {
    "unknown element": (XML.replace("<encoding>", "<novelty><a>1</a></novelty><encoding>", 1), ""),
    "alnum accession": (
        XML.replace("<encoding>", f"<studyInformation>{ACCESSION}</studyInformation><encoding>", 1),
        "",
    ),
    "empty": ("", "header"),
    "dummy": ("Dummy XML header", "header is no XML"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_trap_4_headers_as_they_come(server, table, name):
    xml, reason = HEADERS[name]
    assert xml != XML
    reply = send(server, said(FFT, (xml, ITEMS)))
    assert reason in reply.error
    assert bool(reply.error) == bool(reason)
    assert len(reply.images) == (0 if reason else 2)
    table.append((4, f"header, {name}: {reply.error or 'images made'}", reply.told))


PROBES = {
    "connect and close": (b"", ["Close"]),
    "CLOSE alone": (encode.close(), ["Close"]),
    "chain and CLOSE": (encode.config_file(FFT) + encode.close(), ["Close"]),
    "QUERY before the chain": (encode.query(9, "gadgetron::info") + encode.close(), ["Response", "Close"]),
}


@pytest.mark.parametrize("name", PROBES)
def test_trap_5_probes_and_questions_are_no_errors(server, table, name):
    data, expected = PROBES[name]
    before = len(server.records)
    found, seconds = bare(server, data)
    assert names(found) == expected
    assert until(lambda: len(server.records) == before)
    table.append((5, f"{name}: {' and '.join(expected)}, nothing in the spool", seconds))


def test_trap_6_a_second_scanner_is_served_while_the_first_is_idle(server, table):
    with socket.create_connection(server.address, timeout=30) as idle:
        idle.sendall(said(FFT, SCAN)[:200_000])
        reply = send(server, said(FFT, SCAN))
        assert not reply.error
        assert len(reply.images) == 2
    table.append((6, "the second scan was served beside the idle one", reply.told))


def test_trap_7_a_readout_cut_short_is_an_error_with_text_and_close(server, table):
    reply = send(server, said(FFT, SCAN)[:-1000])
    assert "without CLOSE" in reply.error
    assert reply.answer.closed
    until(lambda: newest(server).state == "failed")
    assert newest(server).outcome["bytes"] == len(said(FFT, SCAN)) - 1000
    table.append((7, f"{reply.error}; CLOSE; outcome failed", reply.told))


LENGTHS = {
    "header of 4 GiB": encode.config_file(FFT) + struct.pack("<HI", 3, 2**32 - 1),
    "text of 4 GiB": START + struct.pack("<HI", 5, 2**32 - 1),
    "query of 2^64 - 1": struct.pack("<HQQQ", 6, 0, 0, 2**64 - 1),
    "meta of 2^64 - 1": START + encode.image(picture(torch.zeros(1, 1, 1, 1)))[:200] + b"\xff" * 8,
    "array of 2^64 - 1": START + struct.pack("<HHHHQ", 1030, 5, 1, 1, 2**64 - 1),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_trap_8_lengths_beyond_belief_are_refused_before_anything_is_allocated(server, table, name):
    found, seconds = bare(server, LENGTHS[name])
    assert names(found) == ["TextMessage", "Close"]
    assert "above the limit" in found[0].text
    table.append((8, f"{name}: {found[0].text}", seconds))


@pytest.mark.parametrize(
    "name", ["../x", "os", "x" * 1023, "unknown", "../../configs/cartesian_fft", "/etc/passwd"]
)
def test_trap_9_a_chain_that_is_not_installed_is_refused_by_name(server, table, name):
    reply = send(server, said(name, SCAN))
    assert "no chain is called" in reply.error
    assert reply.answer.closed
    assert not reply.images
    table.append((9, f"{name[:30]!r}: {reply.error[:60]}...", reply.told))


def test_trap_10_a_peer_that_goes_in_the_middle_leaves_no_process_behind(server, table):
    until(lambda: len(server.tree()) <= 3)
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


def about(measurement, patient="", depends=""):
    """The header of a scan with this measurement id and patient, that depends on the noise of another."""
    subject = f"<subjectInformation><patientID>{patient}</patientID></subjectInformation>" if patient else ""
    noise = f"<dependencyType>Noise</dependencyType><measurementID>{depends}</measurementID>"
    noise = f"<measurementDependency>{noise}</measurementDependency>" if depends else ""
    section = f"<measurementID>{measurement}</measurementID>{noise}"
    section = f"<measurementInformation>{section}</measurementInformation>"
    return re.sub(
        "<measurementInformation>.*</measurementInformation>", subject + section, XML, flags=re.DOTALL
    )


def noise_scan(measurement, patient):
    return said("default_measurement_dependencies", (about(measurement, patient), ITEMS[:1]))


def dependent(measurement):
    return about("9_9", depends=measurement)


@pytest.mark.parametrize("patient", ["DOE^JANE", ""], ids=["patient ID removed later", "never there"])
def test_trap_11_noise_is_found_without_a_patient_id_and_its_absence_explained(server, table, patient):
    name = f"45387_{len(patient)}_77_343"
    assert not send(server, noise_scan(name, patient)).error
    reply = send(server, said(FFT, (dependent(name), ITEMS[1:])))
    assert not reply.error, reply.error
    assert reply.images[0].meta["ScansideNoise"] != "none"
    missing = send(server, said(FFT, (dependent("never_sent"), ITEMS[1:])))
    told = missing.answer.texts
    assert any("noise" in each for each in told)
    assert missing.error or missing.images[0].meta["ScansideNoise"] == "none"
    table.append(
        (
            11,
            f"noise found ({(patient and 'with an') or 'no'} ID at its scan); missing: {told[0][:70]}",
            missing.told,
        )
    )


def test_trap_12_a_series_with_changing_matrix_size_is_saved(server, table, tmp_path):
    sizes = [(3, 4), (5, 6), (3, 4)]
    sent = [encode.image(picture(torch.full((1, 1, *size), 2.0))) for size in sizes]
    with Kept(tmp_path / "out.h5") as kept:
        answer = converse(server.address, [PASSING, *sent, encode.close()], kept.image, patience=30)
    assert not answer.error
    shapes = []
    with h5py.File(tmp_path / "out.h5") as file:
        file["dataset"].visititems(
            lambda _, it: shapes.extend([it.shape[-2:]] * it.shape[0]) if it.name.endswith("/data") else None
        )
    assert sorted(shapes) == sorted(sizes)
    table.append((12, f"all {len(sizes)} images saved, in groups by size", None))


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


def test_trap_14_sigterm_while_streaming_finishes_the_scan_and_takes_no_new_one(tmp_path, table):
    data = said(FFT, SCAN)
    with contextlib.suppress(AssertionError), spawned(tmp_path / "state") as server:
        send(server, data)

        def parts():
            yield data[:200_000]
            assert until(lambda: sum(each.size >= 200_000 for each in server.records) == 2)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            yield data[200_000:]

        begin = time.monotonic()
        images = []
        answer = converse(server.address, parts(), images.append, patience=30)
        said_in = time.monotonic() - begin - 0.3
        with pytest.raises(OSError):
            socket.create_connection(server.address, timeout=1).close()
        finished = server.process.wait(20)
        raise_ = None if (answer.error, len(images), finished) == ("", 2, 0) else (answer, finished)
    assert raise_ is None, raise_
    table.append((14, "the running scan got its images, new ones refused, exit 0", said_in))


def test_trap_16_kill_of_a_gadget_process_is_told_in_seconds_and_the_next_scan_works(server, table):
    data = said(FFT, SCAN)
    seen = {}

    def parts():
        yield data[:200_000]
        found = until(
            lambda: [p for p in server.status()["sessions"] if p["worker_pid"] and p["state"] == "running"]
        )
        seen["worker"] = found[-1]["worker_pid"]
        os.kill(seen["worker"], signal.SIGKILL)
        seen["at"] = time.monotonic()
        until(lambda: "told" in seen, 5)
        yield data[200_000:]

    answer = converse(
        server.address, parts(), told=lambda text: seen.setdefault("told", time.monotonic()), patience=30
    )
    assert "SIGKILL" in answer.error
    assert answer.sent is not None
    seconds = seen["told"] - seen["at"]
    assert seconds < 2
    assert until(lambda: newest(server).state == "failed")
    assert server.stream(newest(server)) == data
    good(server)
    table.append((16, f"{answer.error}; scan spooled whole, next one good", seconds))


@pytest.fixture
def disk(tmp_path):
    where = tmp_path / "disk"
    where.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", where]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


@pytest.mark.parametrize("policy", ["refuse", "continue"])
def test_trap_17_a_full_disk_is_said_aloud_and_loses_no_image(tmp_path, disk, table, policy):
    """The scan is larger than the spool's disk; then one that finds it full."""
    xml, items = scan(repetitions=2)
    big = said(
        FFT,
        (
            xml,
            (
                replace(items[0], head=np.repeat(items[0].head, 20), data=np.repeat(items[0].data, 20, 0)),
                *items[1:],
            ),
        ),
    )
    assert len(big) > 1 << 20
    with spawned(tmp_path / "state", spool=disk, spool_full=policy, spool_room=1 << 18) as server:
        first = send(server, big)
        assert not first.error, first.error
        assert len(first.images) == 2
        assert any("not kept" in each and "full" in each for each in first.answer.texts)
        second = send(server, said(FFT, SCAN))
        assert bool(second.error) == (policy == "refuse")
        assert len(second.images) == (0 if policy == "refuse" else 2)
    what = second.error or next(each for each in second.answer.texts if "kept" in each or "disk" in each)
    table.append(
        (17, f"{policy}: images of the scan that filled it made, warning; next: {what}", second.told)
    )


def test_trap_18_clock_stamps_may_pass_midnight(server, table):
    noise, *imaging = ITEMS
    count = sum(len(each.head) for each in imaging)
    at = DAY - count // 2
    moved = []
    for each in imaging:
        head = each.head.copy()
        head["acquisition_time_stamp"] = (at + np.arange(len(head))) % DAY
        at += len(head)
        moved.append(replace(each, head=head))
    reply = send(server, said(FFT, (XML, (noise, *moved))))
    assert not reply.error
    assert pixels(reply.images) == pixels(send(server, said(FFT, SCAN)).images)
    table.append((18, "stamps wrap at 24 h: same images, bit by bit", reply.told))


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
