"""Which pixels make the mean curve of a segment."""

import torch

from gadgets.cardiac.perfusion.quantify import ENOUGH, within
from models.perfusion.regions import eroded


def test_pixels_at_the_rim_of_the_muscle_are_left_out():
    muscle = torch.zeros(20, 20, dtype=torch.bool)
    muscle[4:16, 4:16] = True
    half = muscle & (torch.arange(20) < 10)
    found = within(half[muscle], eroded(muscle)[muscle])
    assert int(found.sum()) == 10 * 5


def test_of_a_thin_wall_all_pixels_count():
    muscle = torch.zeros(20, 20, dtype=torch.bool)
    muscle[4:6, 4:16] = True
    whole = torch.ones(int(muscle.sum()), dtype=torch.bool)
    assert int(within(whole, eroded(muscle)[muscle]).sum()) == int(muscle.sum()) > ENOUGH
