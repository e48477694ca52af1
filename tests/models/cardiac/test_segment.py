"""A stack is looked at in several ways: how often, and what comes out."""

import numpy as np
import torch

from models.cardiac.segment import LOOKS, Reader, segment
from models.cardiac.tidy import CAVITY, MUSCLE

BRIGHT = {CAVITY: 1.0, MUSCLE: 0.4}
"""Of each label in the images; the rest is dark."""


def beat(radii=(10, 8, 6, 9), slices=6, side=64):
    """Labels [phase, slice, y, x] of a ventricle that contracts."""
    y, x = np.indices((side, side))
    away = np.hypot(y - 30, x - 34)
    labels = np.zeros((len(radii), slices, side, side), np.uint8)
    for phase, radius in enumerate(radii):
        for index in range(slices):
            inner = radius - 0.5 * index
            labels[phase, index][away <= inner + 4] = MUSCLE
            labels[phase, index][away <= inner] = CAVITY
    return labels


def by_brightness(batch):
    """Scores of a network that sees brightness only."""
    levels = torch.tensor([0.0, BRIGHT[CAVITY], BRIGHT[MUSCLE], 9.0])
    return -40 * (batch - levels[:, None, None]).abs()


def shown(labels):
    images = np.zeros(labels.shape, np.float32)
    for label, level in BRIGHT.items():
        images[labels == label] = level
    return torch.from_numpy(images)


def test_what_beats_is_labelled_as_it_is():
    labels = beat()
    found = segment(Reader(scores=by_brightness, pixel=2.0), shown(labels), 2.0)
    assert (found.labels == labels).mean() > 0.999
    assert found.disagreement < 0.01


def test_end_systole_is_looked_at_in_as_many_ways_as_end_diastole():
    labels, seen = beat(), []
    stamped = shown(labels) + 0.01 * torch.arange(len(labels))[:, None, None, None]

    def counting(batch):
        seen.append(round(100 * float(batch.min())))
        return by_brightness(batch)

    segment(Reader(scores=counting, pixel=2.0), stamped, 2.0)
    assert [seen.count(phase) for phase in range(len(labels))] == [len(LOOKS), 1, len(LOOKS), 1]


def test_looks_are_on_pixels_of_two_sizes_so_that_a_large_heart_is_of_usual_size_in_some():
    seen = set()

    def counting(batch):
        seen.add(tuple(batch.shape[-2:]))
        return by_brightness(batch)

    segment(Reader(scores=counting, pixel=1.0), shown(beat()[:1]), 2.0)
    assert seen == {(128, 128), (112, 112)}


def test_the_phase_that_is_measured_as_end_systole_is_one_of_many_looks(monkeypatch):
    """Looks that see a larger cavity than the first one make another phase the smallest."""
    from models.cardiac import segment as module

    looked, plain = {}, module._look

    def biased(network, images, scale, look):
        phase = round(100 * float(images.min()))
        looked.setdefault(phase, set()).add(look)
        found = plain(network, images, scale, look)
        if look != LOOKS[0]:
            wide = torch.nn.functional.max_pool2d(found[:, CAVITY][:, None], 5, 1, 2)[:, 0]
            found = found.clone()
            found[:, CAVITY] = 3 * wide
        return found

    monkeypatch.setattr(module, "_look", biased)
    labels = beat((10, 8, 7, 6.6, 6.4, 6.6, 7, 9), slices=4)
    stamped = shown(labels) + 0.01 * torch.arange(len(labels))[:, None, None, None]
    found = segment(Reader(scores=by_brightness, pixel=2.0), stamped, 2.0)
    volumes = (found.labels == CAVITY).sum((1, 2, 3))
    assert len(looked[int(volumes.argmin())]) == len(LOOKS)
    assert len(looked[int(volumes.argmax())]) == len(LOOKS)
