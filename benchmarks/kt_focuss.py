"""A k-t FOCUSS-like reconstruction: reweighted least squares in x-f around the mean over time.

After Jung, Sung, Nayak, Kim, Ye, MRM 61:103 (2009): the frames less their mean are few in the temporal
frequency domain; what the last estimate has there weighs the next.
"""

import torch

from models.operator import conjugate_gradients, dft


def kt_focuss(
    normals: torch.Tensor, adjoints: torch.Tensor, weight: float, outer: int = 4, inner: int = 20
) -> torch.Tensor:
    """Frames complex64 [t, y, x] from A^H A [t, x, y, y] and A^H y [t, y, x] of each, units of the signal."""
    right = adjoints.permute(0, 2, 1)
    eye = torch.eye(normals.shape[-1])
    mean = torch.linalg.solve(normals.sum(0) + 1e-2 * len(normals) * eye, right.sum(0)[..., None])[..., 0]
    left = right - (normals @ mean[None, ..., None])[..., 0]
    along = dft(len(normals))

    def to_frequency(frames: torch.Tensor) -> torch.Tensor:
        return torch.tensordot(along, frames, 1)

    def to_time(spectrum: torch.Tensor) -> torch.Tensor:
        return torch.tensordot(along.mH.resolve_conj(), spectrum, 1)

    sizes = torch.ones(right.shape)
    spectrum = torch.zeros_like(right)
    for _ in range(outer):

        def apply(part: torch.Tensor, sizes: torch.Tensor = sizes) -> torch.Tensor:
            frames = to_time(sizes * part)
            return sizes * to_frequency((normals @ frames[..., None])[..., 0]) + weight * part

        asked = sizes * to_frequency(left)
        spectrum = sizes * conjugate_gradients(apply, asked, torch.zeros_like(asked), inner, 1e-4)
        sizes = spectrum.abs().sqrt()
        sizes = sizes / sizes.square().mean().sqrt().clamp(min=1e-12)
    return (mean + to_time(spectrum)).permute(0, 2, 1)
