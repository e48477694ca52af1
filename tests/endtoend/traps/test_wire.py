"""What peers send that breaks servers: types of images, strings, lengths, names, headers, questions."""

import socket
import struct

import numpy as np
import pytest
import torch

from gadgets.data import Waveform
from gadgets.head import WAVEFORM_HEAD
from server.parameters import to_text
from server.wire import encode
from tests.endtoend.scans import said
from tests.endtoend.spawn import spawned, until
from tests.endtoend.traps.talk import (
    FFT,
    ITEMS,
    PASSING,
    SCAN,
    START,
    XML,
    bare,
    names,
    newest,
    picture,
    send,
)


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
        socket.create_connection(server.address, timeout=100) as connection,
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
