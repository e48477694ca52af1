"""Thermal noise of coils that couple."""

import math

import torch


def mixing(coils: int, generator: torch.Generator, coupling: float = 0.15) -> torch.Tensor:
    """A matrix A that makes correlated noise A w from white noise w, complex128 [coil, coil].

    Its rows have unit norm but for gains between 0.8 and 1.25; neighbours on the ring couple most.
    """
    index = torch.arange(coils)
    apart = (index[:, None] - index).abs()
    apart = torch.minimum(apart, coils - apart).double()
    random = torch.randn(coils, coils, dtype=torch.complex128, generator=generator)
    matrix = torch.eye(coils) + coupling * random * torch.exp(1 - apart) * (apart > 0)
    matrix = matrix / torch.linalg.vector_norm(matrix, dim=1, keepdim=True)
    gains = torch.exp(
        math.log(1.25) * (2 * torch.rand(coils, 1, dtype=torch.float64, generator=generator) - 1)
    )
    scaled: torch.Tensor = gains * matrix
    return scaled


def correlated(mix: torch.Tensor, shape: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """Noise of ``shape`` (readouts, samples), complex64 [readout, coil, sample].

    Its covariance, of the real part as of the imaginary part, is A A^H for ``mix`` = A.
    """
    coils = len(mix)
    white = torch.randn(shape[0], coils, shape[1], 2, generator=generator)
    return mix.to(torch.complex64) @ torch.view_as_complex(white)
