import torch

from models.simulation.noise import correlated, mixing


def test_the_covariance_of_the_noise_is_that_of_its_mixing():
    generator = torch.Generator().manual_seed(3)
    mix = mixing(4, generator)
    noise = correlated(mix, (64, 2048), generator).permute(1, 0, 2).reshape(4, -1).to(torch.complex128)
    count = noise.shape[1]
    sampled = noise @ noise.mH / (2 * count)
    assert (sampled - mix @ mix.mH).abs().max() < 6 / count**0.5
    assert abs((noise @ noise.T / (2 * count)).abs().max()) < 6 / count**0.5


def test_neighbouring_coils_couple():
    mix = mixing(8, torch.Generator().manual_seed(0))
    covariance = mix @ mix.mH
    assert float((covariance - torch.diag(covariance.diagonal())).abs().max()) > 0.05
    assert float(torch.linalg.cond(covariance)) < 100


def test_equal_seeds_give_equal_noise():
    one, other = (torch.Generator().manual_seed(5) for _ in range(2))
    assert torch.equal(correlated(mixing(3, one), (2, 5), one), correlated(mixing(3, other), (2, 5), other))
