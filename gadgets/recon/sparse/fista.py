"""The fast iterative shrinkage of an image towards few coefficients."""

import math
from collections.abc import Callable
from typing import Literal

import torch

from gadgets.recon.sense.encoding import Encoding, solve
from gadgets.recon.sparse.variation import Variation
from gadgets.recon.sparse.wavelet import LEVELS, WAVELET, Wavelet

Shrink = Callable[[torch.Tensor, float], torch.Tensor]
"""The proximal step of a threshold."""

Regularizer = Literal["wavelet", "tv", "l2"]

ITERATIONS = 50
"""Where no other number is asked for."""


def sparse(
    encoding: Encoding,
    lines: torch.Tensor,
    *,
    weight: float,
    regularizer: Regularizer = "wavelet",
    wavelet: str = WAVELET,
    levels: int = LEVELS,
    iterations: int = ITERATIONS,
) -> torch.Tensor:
    """argmin_x |A x - y|_W^2 / 2 + threshold |Psi x|_1, nearly; complex64 [map, z, y, x].

    ``lines`` [coil, k2, k1, k0] are over x where columns are not coupled; without maps the image is 0. The
    threshold is ``weight`` times the sd of the noise in A^H W y, if the noise of the lines is 1: sqrt(sum of
    W / N). Wavelets lie elsewhere in each iteration, by a fixed sequence, so that results can be repeated.
    (FISTA: Beck and Teboulle, SIAM J Imaging Sci 2:183, 2009; with L2, conjugate gradients, weight = lambda.)
    """
    right = encoding.adjoint(lines)
    if regularizer == "l2":
        return encoding.unlay(solve(encoding, right, weight, iterations=iterations))
    bound = encoding.bound
    threshold = weight * math.sqrt(float(encoding.weights.mean())) / bound
    shrink = Variation().shrink if regularizer == "tv" else _moving(Wavelet(name=wavelet, levels=levels))
    image = fista(encoding, right / bound, shrink, threshold, iterations)
    return encoding.unlay(image) * (encoding.maps != 0).any(1)


def fista(
    encoding: Encoding,
    right: torch.Tensor,
    shrink: Shrink,
    threshold: float,
    iterations: int,
) -> torch.Tensor:
    """The iteration itself, from 0, for A^H W A / bound and ``right`` = A^H W y / bound.

    A linear image as the start costs iterations and its noise has to be shrunk first: measured, it was no
    nearer after 50 iterations, but farther.
    """
    image = torch.zeros_like(right)
    ahead, momentum = image, 1.0
    for _ in range(iterations):
        stepped = ahead + right - encoding.normal(ahead) / encoding.bound
        new = shrink(stepped, threshold)
        after = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / after * (new - image)
        image, momentum = new, after
    return image


def _moving(wavelet: Wavelet) -> Shrink:
    """Shrinking by wavelets that lie elsewhere each time."""
    generator = torch.Generator().manual_seed(0)

    def shrink(image: torch.Tensor, threshold: float) -> torch.Tensor:
        shift = torch.randint(0, 2**wavelet.levels, (2,), generator=generator).tolist()
        return wavelet.shrink(image, threshold, (shift[0], shift[1]))

    return shrink
