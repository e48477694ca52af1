"""Readouts that a receiver clipped are found, and nothing else is taken for one."""

import numpy as np
import pytest

from gadgets.data import Block, Text
from gadgets.kspace.accumulate import Accumulate
from gadgets.readout.saturation import DetectSaturation
from gadgets.scan import Scan
from gadgets.testing import cartesian, cut, readouts, run

LIMIT = 1000.0


@pytest.fixture
def echoes():
    """Echoes with noise, [coil, k2, k1, k0], as many of them too strong for a receiver as are asked for."""

    def make(strong=(), whole=False, height=24, width=64):
        rng = np.random.default_rng(1)
        sizes = np.full((3, 1, height, 1), 0.8 * LIMIT)
        sizes[1, 0, list(strong)] = 4 * LIMIT
        along = np.exp(-(((np.arange(width) - width // 2) / 5) ** 2) / 2 + 0.7j * np.arange(width))
        noise = rng.normal(size=(3, 1, height, width, 2)) * 5
        data = sizes * along + noise[..., 0] + 1j * noise[..., 1]
        data = data.round() if whole else data
        return (data.real.clip(-LIMIT, LIMIT) + 1j * data.imag.clip(-LIMIT, LIMIT)).astype(np.complex64)

    return make


def texts(answers):
    return [item.text for item in answers if isinstance(item, Text)]


def marked(answers):
    return np.concatenate(
        [np.zeros(len(item.head), bool) if item.saturated is None else item.saturated for item in answers
         if isinstance(item, Block)]
    ).nonzero()[0].tolist()  # fmt: skip


@pytest.mark.parametrize("whole", [False, True], ids=["floats", "integers"])
@pytest.mark.parametrize("strong", [(11,), (0,), (10, 12, 13)])
def test_clipped_readouts_are_marked_and_told_wherever_blocks_are_cut(echoes, strong, whole):
    block = readouts(echoes(strong, whole), np.arange(24))
    scan = Scan(coil_labels=("one", "two", "three"))
    for blocks in ([block], cut(block, range(24)), cut(block, [5, 12, 13])):
        answers = run(DetectSaturation(), blocks, scan)
        assert marked(answers) == list(strong)
        told = texts(answers)
        assert f"channel two is saturated in line k1 = {strong[0]} of slice 0" in told[0]
        assert told[1:] == ([f"{len(strong)} readouts were clipped by the receiver"] if strong[1:] else [])
        before = next(place for place, item in enumerate(answers) if isinstance(item, Text))
        assert not marked(answers[:before] or [readouts(echoes()[:, :, :1], [0])])


@pytest.mark.parametrize("whole", [False, True], ids=["floats", "integers"])
def test_strong_echoes_that_fit_are_not_marked(echoes, whole):
    assert not texts(run(DetectSaturation(), [readouts(echoes(whole=whole), np.arange(24))], Scan()))


def some(kind):
    rng = np.random.default_rng(2)
    draw = rng.normal(size=(4, 1, 200, 128, 2))
    values = draw[..., 0] + 1j * draw[..., 1]
    return {
        "noise": values,
        "integers": (2 * values).round(),
        "larger integers": (12 * values).round(),
        "constant": np.full_like(values, 300 + 300j),
        "zero": np.zeros_like(values),
        "not a number": np.where(rng.random(values.shape) < 1e-3, np.nan, values),
    }[kind].astype(np.complex64)


@pytest.mark.parametrize("kind", ["noise", "integers", "larger integers", "constant", "zero", "not a number"])
def test_what_repeats_itself_without_clipping_is_not_marked(kind):
    assert not texts(run(DetectSaturation(), [readouts(some(kind), np.arange(200))], Scan()))


def test_the_image_of_clipped_lines_says_how_many_and_other_images_nothing(echoes):
    blocks = [
        readouts(echoes(strong), np.arange(24), slice=number) for number, strong in enumerate([(), (11, 12)])
    ]
    scan = cartesian((64, 24, 1))
    answers = run(Accumulate(), [item for item in run(DetectSaturation(), blocks, scan)
                                 if isinstance(item, Block)], scan)  # fmt: skip
    assert [item.notes.get("ScansideSaturated") for item in answers] == [None, 2]
