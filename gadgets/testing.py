"""Small scans for tests of gadgets: headers, blocks of readouts with given lines and flags, random cuts."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gadgets.data import Block
from gadgets.errors import Interrupted
from gadgets.gadget import Gadget
from gadgets.head import READOUT_HEAD, Flag
from gadgets.scan import Encoding, Limit, Scan, Space


def cartesian(
    matrix: tuple[int, int, int],
    *,
    limits: Mapping[str, tuple[int, int, int]] | None = None,
    acceleration: tuple[int, int] = (1, 1),
    calibration: str = "noacceleration",
    interleaving: str | None = None,
    trajectory: str = "cartesian",
    multiband: int = 1,
    parameters: Mapping[str, float | int | str] | None = None,
) -> Scan:
    """The header of a scan with one encoding space of ``matrix`` (x, y, z) points of 1 mm.

    ``limits`` are (minimum, maximum, centre) by counter; by default the full matrix about its middle.
    """
    full = {
        "kspace_encode_step_1": (0, matrix[1] - 1, matrix[1] // 2),
        "kspace_encode_step_2": (0, matrix[2] - 1, matrix[2] // 2),
    }
    space = Space(matrix=matrix, fov=(1e-3 * matrix[0], 1e-3 * matrix[1], 1e-3 * matrix[2]))
    ranges = full if limits is None else limits
    encoding = Encoding(
        encoded=space,
        recon=space,
        limits={
            name: Limit(minimum=low, maximum=high, center=mid) for name, (low, high, mid) in ranges.items()
        },
        trajectory=trajectory,
        acceleration=acceleration,
        calibration=calibration,
        interleaving=interleaving,
        multiband=multiband,
    )
    return Scan(encodings=(encoding,), parameters=parameters or {})


def random_kspace(shape: Sequence[int], seed: int = 0) -> NDArray[np.complex64]:
    """White complex noise: no two lines are alike."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def readouts(
    kspace: NDArray[np.complex64],
    k1: ArrayLike,
    k2: ArrayLike = 0,
    *,
    flags: int = 0,
    shift: tuple[int, int] = (0, 0),
    encoding: int = 0,
    transformed: bool = False,
    **counters: int,
) -> Block:
    """A block with the lines (k2, k1) of an array [coil, k2, k1, k0], in the order given.

    ``shift`` is the index of the line with counter 0, (k2, k1); other counters are the same for all lines.
    """
    at_k2, at_k1 = np.broadcast_arrays(np.atleast_1d(k2), np.atleast_1d(k1))
    coils, _, _, samples = kspace.shape
    head = np.zeros(len(at_k1), READOUT_HEAD)
    head["version"], head["flags"], head["encoding_space_ref"] = 1, flags, encoding
    head["number_of_samples"], head["center_sample"] = samples, samples // 2
    head["active_channels"] = head["available_channels"] = coils
    head["sample_time_us"] = 5
    head["read_dir"], head["phase_dir"], head["slice_dir"] = np.eye(3, dtype=np.float32)
    head["idx"]["kspace_encode_step_2"] = at_k2 - shift[0]
    head["idx"]["kspace_encode_step_1"] = at_k1 - shift[1]
    for name, value in counters.items():
        head["idx"][name] = value
    data = np.ascontiguousarray(kspace[:, at_k2, at_k1].swapaxes(0, 1))
    return Block(head=head, data=data, transformed=transformed)


def join(blocks: Iterable[Block]) -> Block:
    """One block with the readouts of several, numbered and time-stamped in their new order."""
    parts = list(blocks)
    head = np.concatenate([part.head for part in parts])
    head["scan_counter"] = head["acquisition_time_stamp"] = np.arange(len(head))
    data = np.concatenate([part.data for part in parts])
    return Block(head=head, data=data, transformed=parts[0].transformed, notes=parts[0].notes)


def take(block: Block, rows: ArrayLike) -> Block:
    """A block with some readouts of another, in the order given; their headers stay as they are."""
    at = np.asarray(rows)
    return Block(head=block.head[at], data=block.data[at], transformed=block.transformed, notes=block.notes)


def flag(block: Block, row: int, flags: Flag) -> Block:
    """The same block with more flags on one readout."""
    head = block.head.copy()
    head["flags"][row] |= np.uint64(int(flags))
    return Block(head=head, data=block.data, transformed=block.transformed, notes=block.notes)


def cut(block: Block, at: Iterable[int]) -> list[Block]:
    """The same readouts in several blocks, cut before each of the given rows."""
    edges = sorted({0, len(block.head), *(row for row in at if 0 < row < len(block.head))})
    return [take(block, np.arange(start, stop)) for start, stop in itertools.pairwise(edges)]


def cut_at_random(block: Block, seed: int, cuts: int = 5) -> list[Block]:
    """The same readouts in several blocks, cut at random places."""
    rng = np.random.default_rng(seed)
    return cut(block, rng.integers(0, len(block.head) + 1, cuts).tolist())


def run(gadget: Gadget, items: Iterable[Any], scan: Scan) -> list[Any]:
    """All that a gadget answers to some items and a normal end of the scan."""
    return list(gadget.process(items, scan))


def run_interrupted(gadget: Gadget, items: Iterable[Any], scan: Scan) -> list[Any]:
    """What a gadget has answered when the stream fails after some items.

    Raises AssertionError when it ends as if nothing had happened.
    """
    answers = []
    try:
        for answer in gadget.process(_failing(items), scan):
            answers.append(answer)
    except Interrupted:
        return answers
    raise AssertionError(f"{gadget} ended normally although its stream failed")


def _failing(items: Iterable[Any]) -> Iterator[Any]:
    yield from items
    raise Interrupted
