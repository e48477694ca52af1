"""Which of two answers is the right ventricle: the one that a network drew, or the blood that comes first."""

import numpy as np
import pytest
import torch

from models.cardiac.looks import EVEN
from models.cardiac.segment import Reader, Segmented
from models.cardiac.tidy import CAVITY, MUSCLE, RIGHT
from models.perfusion import network
from models.perfusion.pools import find_pools

SIZE, FRAMES, PIXEL = 80, 40, 0.002
MIDDLE = (40.0, 44.0)
TIMES = torch.arange(FRAMES, dtype=torch.float64)


def disc(dx, radius):
    y, x = torch.meshgrid(*(torch.arange(SIZE, dtype=torch.float32),) * 2, indexing="ij")
    return (y - MIDDLE[0]).square() + (x - MIDDLE[1] - dx).square() < radius**2


LEFT, WHOLE = disc(0, 9), disc(0, 14)
BLOOD = disc(-16, 11) & ~WHOLE
LUNG = disc(16, 11) & ~WHOLE


def passing(start):
    since = ((TIMES - start) / 4).clamp(min=0)
    return since**2 * (2 - 2 * since).exp()


def first_pass(beyond):
    """Frames of both ventricles and the muscle between them; beyond the free wall what rises so much."""
    parts = [
        (LEFT, 0.2 + 2 * passing(12)),
        (WHOLE & ~LEFT, 0.25 + 0.3 * ((TIMES - 14) / 8).clamp(0, 1)),
        (BLOOD, 0.2 + 2.4 * passing(6)),
        (LUNG, 0.1 + beyond * passing(8)),
    ]
    noise = 0.02 * torch.randn(FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    return (0.05 + sum(curve[:, None, None] * mask for mask, curve in parts) + noise).float()


def found(monkeypatch, right, beyond=0.6, arrived=True):
    labels = (CAVITY * LEFT + MUSCLE * (WHOLE & ~LEFT) + RIGHT * right).numpy().astype(np.uint8)
    drawn = Segmented(labels=labels[None, None], disagreement=0.0, uncertainty=np.zeros(1))

    def seen(reader: Reader, *_: object) -> Segmented:
        assert reader.looks == EVEN, "a first pass is shown as it is"
        return drawn

    monkeypatch.setattr(network, "segment", seen)
    series = first_pass(beyond)
    pools = find_pools(series, TIMES, PIXEL)
    assert pools.right.any() and pools.left.any()
    if not arrived:
        pools = type(pools)(**{**vars(pools), "right": pools.right & False})
    return network.find_heart(Reader(scores=lambda batch: batch), series, TIMES, PIXEL, pools)


def test_a_right_ventricle_where_the_blood_comes_first_is_kept_as_it_was_drawn(monkeypatch):
    heart = found(monkeypatch, BLOOD)
    assert heart.reasons == () and heart.remarks == () and not heart.disputed
    assert torch.equal(heart.right, BLOOD)


def test_lung_beyond_the_free_wall_that_was_drawn_as_right_ventricle_is_not_sent_as_its_contour(monkeypatch):
    heart = found(monkeypatch, LUNG)
    assert heart.reasons == ()
    assert any("180 degrees from where blood comes first" in remark for remark in heart.remarks)
    assert not (heart.right & LUNG).any()
    assert 2 * (heart.right & BLOOD).sum() > 0.8 * (heart.right.sum() + BLOOD.sum())
    assert all(x < MIDDLE[1] for _, x in heart.insertions)


def test_where_no_blood_came_first_lung_is_no_right_ventricle(monkeypatch):
    heart = found(monkeypatch, LUNG, arrived=False)
    assert any("no blood" in reason for reason in heart.reasons)


def test_blood_on_both_sides_is_not_decided(monkeypatch):
    heart = found(monkeypatch, LUNG, beyond=2.2)
    assert any("180 degrees from where blood comes first" in reason for reason in heart.reasons)
    assert heart.disputed in heart.reasons


@pytest.mark.parametrize("arrived", [True, False])
def test_a_slice_without_a_right_ventricle_has_no_insertions(monkeypatch, arrived):
    heart = found(monkeypatch, BLOOD & False, arrived=arrived)
    assert (heart.insertions is not None) is arrived
