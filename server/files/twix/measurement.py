"""One measurement of a twix file: its protocol and its lines, read by ``twixtools``."""

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gadgets.errors import DataError
from server.files.opened import readable
from server.files.twix.bits import Bit

MOST = 64
"""Measurements that one file can hold."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurement:
    """What is known of one measurement."""

    yaps: Mapping[str, Any] = field(repr=False)
    """The protocol as it was set at the console, nested: ``sKSpace``, ``sPat``, ``alTR`` [us], ..."""

    derived: Mapping[str, Any] = field(repr=False)
    """What the scanner derived from it: ``iNoOfFourierLines``, ``alRegridRampupTime`` [us], ..."""

    system: Mapping[str, Any] = field(repr=False)
    lines: list[Any] = field(repr=False)
    """``twixtools`` Mdb of each readout, in the order of acquisition."""

    number: int
    """Counted from 1."""

    of: int
    """How many the file has."""

    physiology: int = 0
    """Blocks of ECG, respiration and the like."""

    complete: bool = True
    """The file has the mark that ends the measurement."""

    modern: bool = True
    """VD, VE or XA; else VB."""


def read_measurement(path: Path, number: int | None = None) -> Measurement:
    """Measurement ``number`` (from 1; the last, which is the scan itself, when None).

    Raises DataError when ``twixtools`` is not installed, for a file that is none of Siemens', or damaged, and
    for a number that it does not have.
    """
    modern, count = _count(readable(path))
    number = count if number is None else number
    if not 1 <= number <= count:
        raise DataError(f"{path} has measurements 1 to {count}, but {number} was asked for")
    found = _read(path, number - 1)
    header, blocks = found["hdr"], _whole(found["mdb"], path.stat().st_size)
    return Measurement(
        yaps=header.get("MeasYaps", {}),
        derived=header.get("Meas", {}),
        system=header.get("Dicom", {}),
        lines=[each for each in blocks if not (_mask(each) & (Bit.ACQEND | Bit.SYNCDATA))],
        number=number,
        of=count,
        physiology=sum(bool(_mask(each) & Bit.SYNCDATA) for each in blocks),
        complete=bool(blocks) and bool(_mask(blocks[-1]) & Bit.ACQEND),
        modern=modern,
    )


def _count(path: Path) -> tuple[bool, int]:
    """Whether the file is of VD or later, and how many measurements it has."""
    with path.open("rb") as file:
        start = np.frombuffer(file.read(8), "<u4")
    if len(start) < 2 or not start.any() or start[0] >= path.stat().st_size:
        raise DataError(f"{path} is no twix file")
    if start[0] < 10000 and 1 <= start[1] <= MOST:
        return True, int(start[1])
    return False, 1


def _read(path: Path, index: int) -> Mapping[str, Any]:
    try:
        import twixtools
    except ImportError:
        raise DataError(f"{path} needs twixtools: install scanside[convert]") from None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            (found,) = twixtools.read_twix(
                str(path),
                include_scans=[index],
                parse_pmu=False,
                parse_geometry=False,
                verbose=False,
                keep_acqend=True,
            )
    except (ValueError, IndexError, KeyError, OSError, UnboundLocalError, AttributeError) as error:
        raise DataError(f"{path} is no twix file, or damaged: {error}") from error
    if "hdr" not in found or "MeasYaps" not in found["hdr"]:
        raise DataError(f"measurement {index + 1} of {path} has no protocol")
    return dict(found)


def _whole(blocks: list[Any], size: int) -> list[Any]:
    """The blocks that the file holds to their end; behind them ``twixtools`` gives empty ones, or repeats."""
    count = 0
    for before, block in zip([None, *blocks], blocks, strict=False):
        ends = int(block.mem_pos) + int(block.dma_len)
        empty = not _mask(block) & (Bit.ACQEND | Bit.SYNCDATA) and block.mdh.UsedChannels == 0
        if ends > size or empty or block is before:
            break
        count += 1
    return blocks[:count]


def _mask(block: Any) -> int:  # noqa: ANN401 - twixtools' Mdb
    return int(block.mdh.EvalInfoMask)
