"""Simulated scans as a scanner would say them, and what a server answered."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np

from gadgets.data import Readouts
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, simulate
from server.acquisition import describe
from server.chain import build, named, parse
from server.client import conversation, converse
from server.engine.line import run
from server.files.header import write_header
from server.simulate import runs
from server.wire.header import read_header
from server.wire.messages import ConfigText
from server.wire.readouts import split


@cache
def scan(columns=32, lines=32, coils=4, oversampling=2, snr=50.0, noise_readouts=64, seed=0, **sampling):
    """(header XML, readouts in the order of acquisition)."""
    protocol = Protocol(
        sampling=Sampling(lines=lines, reference_lines=sampling.pop("reference_lines", 12), **sampling),
        columns=columns,
        coils=coils,
        oversampling=oversampling,
        snr=snr,
        noise_readouts=noise_readouts,
        seed=seed,
    )
    return write_header(describe(protocol, "shepp-logan")), tuple(runs(simulate(protocol)))


def singles(items):
    """One item for each readout."""
    for run_ in items:
        for index in range(len(run_.head)):
            yield Readouts(head=run_.head[index : index + 1], data=run_.data[index : index + 1])


def together(items):
    """One item of all readouts of equal shape."""
    items = list(items)
    return Readouts(
        head=np.concatenate([each.head for each in items]), data=np.concatenate([each.data for each in items])
    )


def said(config, scan_, **options):
    xml, items = scan_
    config = ConfigText(config) if "\n" in config else config
    return b"".join(conversation(config, xml, items, **options))


def send(server, data, pieces=None):
    """The server's answer to ``data`` and its images."""
    images = []
    answer = converse(server, pieces or [data], images.append, patience=60)
    return answer, images


def steps(chain):
    """Of a chain by its name, or written out."""
    return parse(chain) if "\n" in chain else named(chain)


def offline(chain, scan_, cuts=None):
    """The images of a chain in this process, and the error that ended it, if any."""
    xml, items = scan_
    source = [part for item in items for part in split(item)]
    if cuts:
        source = [piece for item in source for piece in cut_at(item, cuts)]
    images = []
    for item in run(build(steps(chain)), source, read_header(xml)):
        images.append(item)
    return [each for each in images if hasattr(each, "role")]


def cut_at(item, generator):
    edges = np.unique(np.concatenate([[0, len(item.head)], generator.integers(0, len(item.head) + 1, 5)]))
    for start, stop in itertools.pairwise(edges):
        yield replace(item, head=item.head[start:stop], data=item.data[start:stop])


def pixels(images):
    """What must be equal: role, series and every byte of the pixels, as a list."""
    return [(each.role, each.data.numpy().tobytes()) for each in images]
