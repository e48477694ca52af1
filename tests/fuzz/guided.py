"""Coverage-guided inputs for decoder, header, meta, chain and query: ``python -m tests.fuzz.guided``.

libFuzzer (by atheris) mutates, keeps what reaches new branches of our readers, and ends at the first input
that raises what it may not, takes 10 s, or allocates more than 256 MiB at once. Such an input is written to a
file; make a test of it.
"""

import argparse
import logging
import os
import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["server.wire", "server.chain", "server.dependencies", "server.identifiers"]
):
    from server.chain import parse
    from server.dependencies.query import answer
    from server.dependencies.store import Store
    from server.errors import ScansideError
    from server.identifiers import identifiers, without
    from server.parameters import from_text
    from tests.fuzz import decoder

import numpy as np


def chain(data, random):
    try:
        parse(data.decode(errors="replace"))
    except ScansideError:
        return "refused"
    return "read"


def question(data, random):
    store = Store(Path("/nonexistent"), bytes(32))
    try:
        return "no query" if answer(data.decode(errors="replace"), store) is None else "answered"
    except ScansideError:
        return "refused"


def words(data, random):
    """What identifies somebody is hidden, whatever it is."""
    text = data.decode(errors="replace")
    found = identifiers(text)
    assert not found or "[hidden]" in without(f"({max(found, key=len)})", found)
    from_text(text)
    return "read"


TARGETS = (decoder.stream, decoder.header, decoder.meta, chain, question, words)
SEEDS = {
    "stream": decoder.seeds(),
    "header": decoder.XML,
    "meta": decoder.META,
    "chain": (b"chain:\n- Prewhiten: {bandwidth: 0.5}\n- Grappa: {kernel: [5, 4]}\n- Magnitude\n",),
    "question": (
        b"gtquery.xml",
        b"<c><gadget><classname>NoiseSummaryGadget</classname><property><name>noise_file</name>"
        b"<value>GadgetronNoiseCovarianceMatrix_1_2</value></property></gadget></c>",
    ),
    "words": (*decoder.XML, b'{"parameters": {"config": "x"}}'),
}


def one(data):
    """Feed one input; its first byte says to what."""
    if len(data) < 2:
        return
    target = TARGETS[data[0] % len(TARGETS)]
    target(data[1:], np.random.default_rng(zlib.crc32(data)))


def fresh():
    """Go on in a child: libFuzzer limits the peak of memory, which exec hands down from who started us."""
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def main():
    own = argparse.ArgumentParser(description=__doc__)
    own.add_argument("--seconds", type=int, default=60)
    own.add_argument("--seed", type=int, default=1)
    own.add_argument("--corpus", type=Path, help="folder that keeps what reached new branches")
    options = own.parse_args()
    fresh()
    warnings.simplefilter("error")
    logging.disable()
    corpus = options.corpus or Path(tempfile.mkdtemp(prefix="guided-"))
    corpus.mkdir(exist_ok=True)
    for number, target in enumerate(TARGETS):
        for index, seed in enumerate(SEEDS[target.__name__]):
            (corpus / f"seed-{number}-{index}").write_bytes(bytes([number]) + seed)
            one(bytes([number]) + seed)  # what is loaded at first use must not count as a slow input
    limits = ["-timeout=10", "-malloc_limit_mb=256", "-rss_limit_mb=1536", "-max_len=65536"]
    limits += [f"-max_total_time={options.seconds}", f"-seed={options.seed}", "-print_final_stats=1"]
    limits += [f"-artifact_prefix={corpus.parent}/finding-"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
