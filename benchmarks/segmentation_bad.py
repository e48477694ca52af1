"""What the segmentation says of what is no complete short-axis stack: refused with a reason, or right.

A figure is 1 when numbers would be right (Dice of the left cavity 0.8 or more, where a truth is known) or
refused; its note is what the report would say. Real pictures: one stack of ``segmentation/`` and a brain.
"""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figures import Figure, data_file
from benchmarks.segmentation import PIXEL, Subject, dice, network, subjects
from gadgets.arrays import to_image
from models.cardiac.function import curves
from models.cardiac.gate import judge
from models.cardiac.segment import Reader, segment

Pictures = NDArray[np.float32]
SUBJECT = 10
"""The place of the stack among those there are."""

HEART = 0.8


def run() -> Iterator[Figure]:
    """A row for each."""
    torch.set_num_threads(1)
    reader = network()
    subject = next(islice(subjects(), SUBJECT, None))
    for name, turn in TURNS.items():
        yield _right(name, reader, subject, turn)
    whole = subject.images.numpy()
    has = np.flatnonzero((subject.labels[0] > 0).any((1, 2)))
    yield _refused("base missing", reader, whole[:, : has[-1] - 1])
    yield _refused("apex missing", reader, whole[:, has[0] + 3 :])
    yield _refused("three slices", reader, whole[:, 4:7])
    for name, pictures in _others():
        yield _refused(name, reader, pictures)


TURNS: dict[str, Callable[[NDArray[np.generic]], NDArray[np.generic]]] = {
    "whole stack": lambda each: each,
    "turned by 90 degrees": lambda each: np.rot90(each, 1, (-2, -1)),
    "turned by 180 degrees": lambda each: np.rot90(each, 2, (-2, -1)),
    "mirrored": lambda each: each[..., ::-1],
    "apex first": lambda each: each[:, ::-1],
}


def _others() -> Iterator[tuple[str, Pictures]]:
    """Ten slices at two moments of what is no heart."""
    random = np.random.default_rng(0)
    yield "noise", np.abs(random.standard_normal((2, 10, 160, 160))).astype(np.float32)
    yield "nothing", np.zeros((2, 10, 160, 160), np.float32)
    y, x = np.mgrid[:160, :160]
    body, dark, bright = (
        np.hypot(y - v, x - u) < r for v, u, r in ((80, 80, 55), (70, 60, 12), (95, 95, 15))
    )
    yield "a phantom of discs", _stack(1.0 * body - 0.5 * dark + 0.6 * bright)
    yield "a phantom of spheres that beats", _spheres()
    raw = np.fromfile(data_file("cartesian/brain8_full.cfl"), np.complex64).reshape(8, 180, 230)
    yield (
        "a brain",
        _stack(torch.linalg.vector_norm(to_image(torch.from_numpy(raw), (-2, -1)), dim=0).numpy()),
    )


def _spheres() -> Pictures:
    """A bright ball in a darker shell that shrinks: round, closed, and no heart beside another chamber."""
    y, x = np.mgrid[:160, :160]
    out = np.zeros((2, 10, 160, 160), np.float32)
    for moment, radius in enumerate((20.0, 16.0)):
        for index in range(10):
            z = 7.0 * (index - 4.5)
            ball = np.hypot(np.hypot(y - 80, x - 80), z)
            out[moment, index] = 0.1 + 0.3 * (ball < radius + 7) + 0.6 * (ball < radius)
    return out


def _stack(picture: NDArray[np.generic]) -> Pictures:
    return np.broadcast_to(picture.astype(np.float32), (2, 10, *picture.shape)).copy()


def _said(reader: Reader, pictures: Pictures) -> tuple[NDArray[np.uint8], tuple[str, ...], str]:
    found = segment(reader, torch.from_numpy(np.ascontiguousarray(pictures)).float(), PIXEL)
    verdict = judge(found.labels[0], curves(found.labels, 1e-3), found.disagreement)
    words = "; ".join(verdict.reasons) or "; ".join(("accepted", *verdict.doubts))
    return found.labels, verdict.reasons, words


def _right(name: str, reader: Reader, subject: Subject, turn: Callable[..., NDArray[np.generic]]) -> Figure:
    labels, reasons, words = _said(reader, turn(subject.images.numpy()).astype(np.float32))
    score = dice(labels == 1, turn(subject.labels) == 1)
    good = bool(reasons) or score >= HEART
    return Figure(
        name=name, value=float(good), limit=1.0, sense="at least", note=f"Dice LV {score:.2f}; {words}"
    )


def _refused(name: str, reader: Reader, pictures: Pictures) -> Figure:
    _, reasons, words = _said(reader, pictures)
    return Figure(name=name, value=float(bool(reasons)), limit=1.0, sense="at least", note=words)
