"""Readouts brought to one form: in the direction of k0, the echo in the middle, nothing to discard."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Block, Heads
from gadgets.gadget import Map
from gadgets.head import Flag
from gadgets.scan import Scan

FORM = np.dtype([("reverse", np.bool_), ("pre", np.int64), ("post", np.int64), ("center", np.int64)])
"""What may differ between the readouts of a block; all but ``reverse`` counted along k0."""


@dataclass(frozen=True, kw_only=True)
class AlignEcho(Map):
    """Turn reversed lines, blank the samples to discard, put the echo at sample n // 2 of the full readout.

    ``discard_pre`` and ``discard_post`` count in time, ``center_sample`` along k0: for a line flagged REVERSE
    it is the echo's index after the line has been turned. ``center_sample`` 0 means that the header does not
    say, and the middle is taken. An asymmetric echo is zero-filled to the encoded matrix; what was sampled of
    it stands in the notes as ``ScansideSampledX`` (from, to), in units of half the matrix from the centre.
    Lines that need none of this, transformed ones and those with a trajectory pass as they are.
    """

    def one(self, item: Block, scan: Scan) -> Block:
        """The block with all lines in one form."""
        if item.transformed or item.trajectory is not None:
            return item
        samples = item.data.shape[-1]
        if _plain(item.head, samples):
            return item
        forms = _forms(item)
        width = _width(forms, samples, scan.encoding(item.encoding).encoded.matrix[0])
        if width == samples and np.all(forms == np.array((False, 0, 0, width // 2), FORM)):
            return item
        data = np.zeros((*item.data.shape[:2], width), np.complex64)
        for form in np.unique(forms):
            lines = slice(None) if np.all(forms == form) else forms == form
            come, go = _ranges(form, samples, width)
            data[lines, :, go] = item.data[lines][..., :: -1 if form["reverse"] else 1][..., come]
        notes = {**item.notes, "ScansideSampledX": _extent(_ranges(forms[0], samples, width)[1], width)}
        return replace(item, head=_aligned(item.head, width), data=data, notes=notes)


def _plain(head: Heads, samples: int) -> bool:
    """Whether all lines are in the one form already: the case of most scans, told quickly."""
    turned = np.bitwise_or.reduce(head["flags"]) & np.uint64(Flag.REVERSE)
    cut = head["discard_pre"].any() or head["discard_post"].any()
    return not (turned or cut) and bool((head["center_sample"] == samples // 2).all())


def _forms(item: Block) -> NDArray[Any]:
    head, samples = item.head, item.data.shape[-1]
    forms = np.zeros(len(head), FORM)
    reverse = forms["reverse"] = (head["flags"] & np.uint64(Flag.REVERSE)) != 0
    forms["pre"] = np.where(reverse, head["discard_post"], head["discard_pre"])
    forms["post"] = np.where(reverse, head["discard_pre"], head["discard_post"])
    forms["center"] = np.where(head["center_sample"] == 0, samples // 2, head["center_sample"])
    return forms


def _width(forms: NDArray[Any], samples: int, matrix: int) -> int:
    """Length of the full readout: the matrix where the lines are a part of it, else as many as there are."""
    if samples > matrix:
        return matrix if np.all(samples - forms["pre"] - forms["post"] <= matrix) else samples
    return samples if np.all(forms["center"] == samples // 2) else matrix


def _ranges(form: Any, samples: int, width: int) -> tuple[slice, slice]:  # noqa: ANN401 - one record of FORM
    """Which samples of a turned line are kept, and where in the full readout they come to lie."""
    shift = width // 2 - int(form["center"])
    first = max(int(form["pre"]), -shift)
    last = max(first, min(samples - int(form["post"]), width - shift))
    return slice(first, last), slice(first + shift, last + shift)


def _extent(filled: slice, width: int) -> tuple[float, float]:
    return (filled.start - width // 2) / (width / 2), (filled.stop - width // 2) / (width / 2)


def _aligned(head: Heads, width: int) -> Heads:
    head = head.copy()
    head["number_of_samples"], head["center_sample"] = width, width // 2
    head["discard_pre"] = head["discard_post"] = 0
    head["flags"] &= ~np.uint64(Flag.REVERSE)
    return head
