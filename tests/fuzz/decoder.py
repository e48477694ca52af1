"""Mutated conversations into decoder, follower and header: ``python -m tests.fuzz.decoder --inputs N``.

Whatever comes in, only ProtocolError comes out, both readers of a stream agree, memory stays below a limit of
the process, and no input takes long.
"""

import argparse
import contextlib
import itertools
import logging
import resource
import struct
import sys
import time
import warnings
from collections import Counter

import numpy as np

from gadgets.data import Image, Readouts, Waveform
from gadgets.head import IMAGE_HEAD, READOUT_HEAD, WAVEFORM_HEAD
from server.errors import ProtocolError
from server.wire import encode
from server.wire.decode import Decoder
from server.wire.follow import Follower
from server.wire.header import SPECIMEN, read_header
from server.wire.meta import read_meta, write_meta

HEADROOM = 256 << 20
"""Bytes of memory that inputs of some kilobytes may take beyond what the process has at its start."""

LONGEST = 2.0
"""Seconds that one input may take."""

NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
IDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 999, 1008, 1018, 1019, 1022, 1023, 1024, 1026, 1030, 1050, 0xFFFF)


def readouts(count, coils, samples, dims=0):
    head = np.zeros(count, READOUT_HEAD)
    head["active_channels"], head["number_of_samples"], head["trajectory_dimensions"] = coils, samples, dims
    path = np.zeros((count, samples, dims), np.float32) if dims else None
    return encode.readouts(
        Readouts(head=head, data=np.ones((count, coils, samples), np.complex64), trajectory=path)
    )


def image():
    import torch

    meta = {"DataRole": "Image", "list": [1, 2]}
    return encode.image(
        Image(data=torch.zeros(1, 1, 3, 4, dtype=torch.int32), head=np.zeros((), IMAGE_HEAD), meta=meta)
    )


def waveform():
    head = np.zeros((), WAVEFORM_HEAD)
    head["channels"], head["number_of_samples"] = 2, 5
    return encode.waveform(Waveform(head=head, data=np.zeros((2, 5), np.uint32)))


def seeds():
    """One of each message; and whole conversations."""
    parts = [
        encode.config_file("cartesian_fft.yml"),
        encode.config_text("chain:\n- Combine: {method: rss}\n"),
        encode.header(SPECIMEN, encode.FIRE),
        encode.text('{"parameters": {}}'),
        encode.query(7, "gadgetron::info"),
        encode.response(7, "yes"),
        encode.dependency({"status": "success", "channels": 4}),
        struct.pack("<HQ", 8, 4) + b"oops",
        struct.pack("<H", 1018) + struct.pack("<I", 3) + b"abc" + struct.pack("<Q", 1) + b"n" + bytes(8),
        struct.pack("<HHHH2Q", 1030, 5, 1, 2, 2, 3) + bytes(24),
        readouts(3, 2, 4),
        readouts(2, 1, 3, dims=2),
        waveform(),
        image(),
        encode.close(),
    ]
    return [*parts, b"".join(parts), parts[0] + parts[2] + parts[10] + parts[11] + parts[14]]


def mutated(data, random, others):
    """``data`` with a few changes of the kinds that break parsers."""
    found = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        at = int(random.integers(0, len(found) + 1))
        match int(random.integers(0, 8)):
            case 0 if at < len(found):
                found[at] = int(random.integers(0, 256))
            case 1 if at < len(found):
                found[at] ^= 1 << int(random.integers(0, 8))
            case 2:
                del found[at : at + int(random.integers(1, 64))]
            case 3:
                found[at:at] = random.bytes(int(random.integers(1, 32)))
            case 4:
                number = NUMBERS[int(random.integers(len(NUMBERS)))]
                size = (2, 4, 8)[int(random.integers(3))]
                found[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "little")
            case 5:
                del found[at:]
            case 6:
                other = others[int(random.integers(len(others)))]
                found[at:at] = other
            case _:
                found[:2] = struct.pack("<H", IDS[int(random.integers(len(IDS)))])
    return bytes(found[:65536])


def rewritten(data, random, words):
    """XML with words of chance where text stands, so that most of it is still well-formed."""
    if random.integers(4) == 0:
        return mutated(data, random, words)
    found = data
    for _ in range(int(random.integers(1, 4))):
        places = [at + 1 for at, byte in enumerate(found) if byte == ord(">")]
        at = places[int(random.integers(len(places)))]
        stop = found.find(b"<", at)
        if stop >= at and (found[stop : stop + 2] == b"</" or random.integers(2)):
            found = found[:at] + words[int(random.integers(len(words)))] + found[stop:]
    return found[:65536]


def follow(data, random):
    """(marks, refused) of a follower that gets the bytes in pieces of chance."""
    follower, marks, view = Follower(), [], memoryview(data)
    edges = sorted({0, len(data), *random.integers(0, len(data) + 1, 3).tolist()})
    try:
        for start, stop in itertools.pairwise(edges):
            marks += follower.feed(view[start:stop])
    except ProtocolError:
        return follower.complete, True
    return follower.complete, False


def decode(data):
    """(bytes of whole messages, why the stream was refused)."""
    decoder = Decoder()
    try:
        for _ in decoder.decode(memoryview(data)):
            pass
    except ProtocolError as error:
        return decoder.consumed, str(error)
    return decoder.consumed, ""


CONTENT = ("UTF-8", "meta attributes")
"""Faults inside a message, of which its length, and so the follower, knows nothing."""


def stream(data, random):
    """Both readers of a stream agree how far it goes."""
    complete, refused = follow(data, random)
    consumed, why = decode(data)
    if any(word in why for word in CONTENT):
        assert consumed <= complete
        return "content"
    assert consumed == complete, (consumed, complete, why)
    assert refused == bool(why), (refused, why)
    return "refused" if why else "read"


def header(data, random):
    try:
        scan = read_header(data.decode(errors="replace"))
    except ProtocolError:
        return "refused"
    return "fault" if scan.fault else "read"


def meta(data, random):
    try:
        return "read" if read_meta(data.decode(errors="replace")) else "empty"
    except ProtocolError:
        return "refused"


XML = (SPECIMEN.encode(), SPECIMEN.replace("<x>1</x>", "<x>256</x><y>-1</y><z>1e99</z>").encode())
META = (write_meta({"DataRole": "Image", "n": [1, 2, 3], "x": 1.5}).encode(),)
WORDS = (
    *(
        b"<",
        b">",
        b"&",
        b"&#0;",
        b"&#xD800;",
        b"<![CDATA[",
        b"<!DOCTYPE a>",
        b"<!--",
        b"<?xml version='1.1'?>",
    ),
    *(b"nan", b"inf", b"-1", b"1.5", b"12", b"1e999", b"9" * 30, b"9" * 400, b"\xc3\xa4", b"\xff", b"\0"),
    *(b"<x>7</x>", b"<z/>", b"<a>" * 70, b"<encoding/>", b" xsi:nil='true'", b" xmlns:a='b'"),
)
TARGETS = ((stream, None, 8), (header, XML, 1), (meta, META, 1))
"""What is fed, with what, and how many of ten inputs it gets."""


def limited():
    """From here on this process may take no more than the headroom."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        data = int(file.read().split()[5]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (data + HEADROOM, most))


def fuzz(inputs, seed=0):
    """Feed so many inputs; what became of them. Raises whatever a target should not have raised."""
    random = np.random.default_rng(seed)
    conversations = seeds()
    plan = [(target, corpus or conversations) for target, corpus, share in TARGETS for _ in range(share)]
    found, longest = Counter(), 0.0
    for number in range(inputs):
        target, corpus = plan[number % len(plan)]
        change, others = (mutated, conversations) if corpus is conversations else (rewritten, WORDS)
        data = change(corpus[int(random.integers(len(corpus)))], random, others)
        begin = time.perf_counter()
        try:
            found[target.__name__, target(data, random)] += 1
        except BaseException:
            sys.stderr.write(f"input {number} of seed {seed}, {target.__name__}: {data!r}\n")
            raise
        longest = max(longest, time.perf_counter() - begin)
        assert longest < LONGEST, f"input {number} took {longest:.1f} s: {data!r}"
    return found, longest


def main():
    own = argparse.ArgumentParser(description=__doc__)
    own.add_argument("--inputs", type=int, default=1_000_000)
    own.add_argument("--seed", type=int, default=0)
    options = own.parse_args()
    warnings.simplefilter("error")
    logging.disable()
    with contextlib.suppress(ValueError):
        fuzz(1000, seed=1 << 30)
        limited()
    begin = time.perf_counter()
    found, longest = fuzz(options.inputs, options.seed)
    seconds = time.perf_counter() - begin
    sys.stdout.write(f"{options.inputs} inputs in {seconds:.0f} s, the longest {longest * 1e3:.1f} ms\n")
    for (target, what), count in sorted(found.items()):
        sys.stdout.write(f"  {target:8s} {what:8s} {count}\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    sys.stdout.write(f"peak resident {peak} MiB\n")


if __name__ == "__main__":
    main()
