"""The folded network gives what the network gives."""

import pytest
import torch

from models.backends.eager import Torch
from models.nets.folded import Folded
from models.nets.segmenter import Segmenter, SegmenterDesign


def network(widths=(4, 6, 10, 12), classes=4):
    """Weights and statistics of a batch that are not those of a new network."""
    torch.manual_seed(3)
    made = Segmenter(SegmenterDesign(kind="segmenter", widths=widths, classes=classes))
    for each in made.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(each.weight, 0.5, 1.5)
            torch.nn.init.normal_(each.bias)
            each.running_mean.normal_()
            each.running_var.uniform_(0.5, 2.0)
    return made.eval()


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (3, 1, 32, 48), (2, 1, 80, 16)])
@pytest.mark.parametrize("classes", [4, 2])
def test_folded_scores_are_those_of_the_network_up_to_rounding(shape, classes):
    plain = network(classes=classes)
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = plain(image), Folded(plain)(image)
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_torch_runs_the_folded_network_and_leaves_the_model_as_it_is():
    plain = network()
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    image = torch.rand((1, 1, 32, 32), generator=torch.Generator().manual_seed(1))
    assert torch.equal(Torch(plain).infer((image,)), Folded(plain)(image))
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())


def test_a_network_in_training_is_run_as_it_is():
    plain = network().train()
    image = torch.rand((2, 1, 32, 32), generator=torch.Generator().manual_seed(1))
    expected = plain(image)
    assert torch.equal(Torch(plain).infer((image,)), expected)
