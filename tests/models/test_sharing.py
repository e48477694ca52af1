"""View sharing takes each line from the frame nearest in time."""

import torch

from models.sharing import completed, nearest
from models.train.dynamic.masks import interleaved


def test_a_frame_keeps_its_own_lines_and_takes_the_nearest_of_others():
    sampled = interleaved(8, [0, 1, 2, 3], 8)
    found = nearest(sampled)
    for frame in range(8):
        assert (found[frame][sampled[frame]] == frame).all()
        assert ((found[frame] - frame).abs() <= 3).all()
        assert sampled[found[frame], torch.arange(8)].all()
    lines = torch.arange(8.0)[:, None, None, None].expand(8, 2, 8, 3).to(torch.complex64)
    assert torch.equal(completed(lines, sampled)[:, 0, :, 0].real.long(), found)


def test_of_two_frames_the_earlier_gives_and_a_line_that_none_has_stays_empty():
    sampled = torch.tensor([[True, False], [False, False], [True, False]])
    assert nearest(sampled).tolist() == [[0, 0], [0, 1], [2, 2]]
    still = torch.ones(3, 1, 2, 1, dtype=torch.complex64) * sampled[:, None, :, None]
    assert completed(still, sampled)[:, 0, :, 0].real.tolist() == [[1, 0]] * 3
