"""What a server says to a scan that it cannot reconstruct, and that it serves the next one."""

import struct
from dataclasses import replace

import numpy as np
import pytest

from gadgets.head import READOUT_HEAD, Flag
from server.wire import encode
from tests.endtoend.scans import said, scan, send, together

XML, ITEMS = scan()
GOOD = said("cartesian_fft", (XML, ITEMS))
FFT = "cartesian_fft"
GRAPPA = "cartesian_grappa"


def changed(change, chain=FFT, scan_=None):
    """A scan whose imaging readouts were changed."""
    xml, items = scan_ or (XML, ITEMS)
    items = [replace(item, head=item.head.copy(), data=item.data.copy()) for item in items]
    change(items[-1])
    return said(chain, (xml, items))


def channels():
    xml, items = XML, list(ITEMS)
    last = items.pop()
    half = len(last.head) // 2
    head = last.head.copy()
    head["active_channels"][half:] = 3
    first = replace(last, head=head[:half], data=last.data[:half])
    second = replace(last, head=head[half:], data=last.data[half:, :3])
    return said(FFT, (xml, [*items, first, second]))


def compressed():
    head = np.zeros((), READOUT_HEAD)
    head["flags"], head["active_channels"], head["number_of_samples"] = Flag.COMPRESSION_1, 4, 64
    start = encode.config_file(FFT) + encode.header(XML)
    message = struct.pack("<H", 1008) + head.tobytes() + struct.pack("<I", 9) + b"123456789"
    return start + message + encode.readouts(ITEMS[-1]) + encode.close()


def few_reference_lines():
    return said(GRAPPA, scan(acceleration=3, reference_lines=3))


def trajectory():
    return said(FFT, (XML.replace(">cartesian<", ">radial<"), ITEMS))


def multiband():
    parallel = (
        "<parallelImaging><accelerationFactor><kspace_encoding_step_1>1</kspace_encoding_step_1>"
        "<kspace_encoding_step_2>1</kspace_encoding_step_2></accelerationFactor><multiband><spacing><dZ>1</dZ>"
        "</spacing><deltaKz>1</deltaKz><multiband_factor>2</multiband_factor><calibration>separable2D"
        "</calibration><calibration_encoding>0</calibration_encoding></multiband></parallelImaging>"
    )
    return said(FFT, (XML.replace("</trajectory>", "</trajectory>" + parallel), ITEMS))


def missing_lines():
    xml, items = XML, list(ITEMS)
    last = items.pop()
    keep = np.ones(len(last.head), bool)
    keep[[5, 6]] = False
    return said(FFT, (xml, [*items, replace(last, head=last.head[keep], data=last.data[keep])]))


def twice():
    last = ITEMS[-1]
    return said(FFT, (XML, [*ITEMS, replace(last, head=last.head[:1], data=last.data[:1])]))


def nan(block):
    block.data[3, 0, 0] = np.nan


START = encode.config_file(FFT) + encode.header(XML)

CASES = {
    "unknown chain": (said("no_such_chain", (XML, ITEMS)), "no chain is called 'no_such_chain'; known are"),
    "path as chain": (said("../../etc/passwd", (XML, ITEMS)), "no chain is called"),
    "module as chain": (said("os", (XML, ITEMS)), "no chain is called 'os'"),
    "malformed YAML": (said("chain: [\nGrappa", (XML, ITEMS)), "malformed YAML"),
    "YAML aliases": (said("chain:\n- &a Grappa\n- *a\n", (XML, ITEMS)), "anchors"),
    "malformed XML chain": (said("<configuration>\n<gadget>", (XML, ITEMS)), "malformed XML"),
    "unknown gadget": (
        said("chain:\n- Grapa\n", (XML, ITEMS)),
        "no gadget is called 'Grapa'; did you mean Grappa",
    ),
    "types do not meet": (
        said("chain:\n- Grappa\n", (XML, ITEMS)),
        r"Grappa\(.*\) takes Kspace \| Reference, but here the stream carries .*Block",
    ),
    "chain without an end": (said("chain:\n- Accumulate\n", (XML, ITEMS)), "ends with Kspace, Reference"),
    "unknown parameter": (
        said("chain:\n- Prewhiten: {bandwith: 1}\n", (XML, ITEMS)),
        "Prewhiten.bandwith is no parameter; Prewhiten has bandwidth",
    ),
    "wrong parameter": (
        said("chain:\n- Prewhiten: {bandwidth: wide}\n", (XML, ITEMS)),
        "Prewhiten.bandwidth = 'wide'",
    ),
    "unknown message": (START + struct.pack("<H", 999), "message id 999 is unknown"),
    "recon data": (START + struct.pack("<H", 1023), "recon data"),
    "length 4 GiB": (encode.config_file(FFT) + struct.pack("<HI", 3, 2**32 - 1), "4294967295 bytes is above"),
    "length 2^64-1": (struct.pack("<HQQQ", 6, 0, 0, 2**64 - 1), "18446744073709551615 bytes is above"),
    "header twice": (START + encode.header(XML), "Header came while waiting for data"),
    "data before header": (
        encode.config_file(FFT) + encode.readouts(ITEMS[-1]),
        "came while waiting for the measurement",
    ),
    "header before chain": (encode.header(XML), "Header came while waiting for a configuration"),
    "no encoding": (said(FFT, ("<ismrmrdHeader/>", ITEMS)), "no encoding section"),
    "malformed header": (said(FFT, ("<ismrmrdHeader>", ITEMS)), "header is malformed XML"),
    "dummy header": (said(FFT, ("Dummy XML header", ITEMS)), "header is no XML"),
    "doctype": (said(FFT, ('<!DOCTYPE a [<!ENTITY b "c">]>' + XML.partition("?>")[2], ITEMS)), "DOCTYPE"),
    "channel count": (channels(), "readouts have 3 channels, but the noise scan has 4"),
    "few reference lines": (
        few_reference_lines(),
        r"GRAPPA needs \(ky - 1\) R \+ 1 = 4 consecutive reference lines at R = 3, got 3",
    ),
    "compressed": (compressed(), "compressed readouts"),
    "radial": (trajectory(), "radial"),
    "multiband": (multiband(), "multiband"),
    "missing lines": (missing_lines(), "2 of 32 lines missing: k1 = 5, 6"),
    "a line after its image": (twice(), "k1 = 0 of slice 0, repetition 0 came after the image"),
    "not a number": (changed(nan), "not finite|NaN"),
}


COMPLETE_BEFORE = ("a line after its image",)
"""Faults behind an image that was complete and correct."""


def test_the_good_scan_is_good(server):
    answer, images = send(server, GOOD)
    assert not answer.error
    assert len(images) == 1


@pytest.mark.parametrize("name", list(CASES))
def test_a_fault_is_named_and_the_next_scan_is_served(server, name):
    data, expected = CASES[name]
    answer, images = send(server, data)
    assert answer.closed, answer
    assert not images or name in COMPLETE_BEFORE
    assert len(answer.texts) >= 1
    [told] = [text for text in answer.texts if text.startswith("ERROR")]
    import re

    assert re.search(expected, told), told
    assert "Traceback" not in told
    assert not send(server, GOOD)[0].error


def test_a_stream_cut_at_any_byte_is_an_error_and_gives_no_image(server):
    """Every byte around the messages' beginnings, and a sample of those inside."""
    short = said(FFT, scan(columns=8, lines=8, coils=2, noise_readouts=8, reference_lines=4))
    edges = [0, 1, 2, 3, 1025, 1026, 1027, 1032, 1033]
    size = len(short)
    chosen = sorted({*edges, *range(size - 12, size), *np.linspace(4, size - 1, 60).astype(int).tolist()})
    for cut in chosen:
        answer, images = send(server, short[:cut])
        assert not images or cut > size - 3, cut
        if cut:
            assert answer.closed, cut
            assert "without CLOSE" in answer.error or cut == 0, (cut, answer)
    assert not send(server, short)[0].error


def test_a_dead_coil_is_dropped_with_a_warning(server):
    def kill(items):
        for item in items:
            item.data[:, 2] = 0

    items = [replace(item, data=item.data.copy()) for item in ITEMS]
    kill(items)
    answer, images = send(server, said(FFT, (XML, items)))
    assert not answer.error
    assert len(images) == 1
    assert any(text.startswith("WARNING") and "dead" in text for text in answer.texts)


def test_a_scan_without_noise_says_so(server):
    answer, images = send(server, said(FFT, (XML, [together(ITEMS[1:])])))
    assert not answer.error
    assert any("no noise" in text for text in answer.texts)
    assert images[0].meta["ScansideNoise"] == "none"
