"""A k-t FOCUSS-like reconstruction: reweighted least squares in x-f around the mean over time.

After Jung, Sung, Nayak, Kim, Ye, MRM 61:103 (2009): the frames less their mean are few in the temporal
frequency domain; what the last estimate has there weighs the next.
"""

import torch

from models.operator import conjugate_gradients, dft


def kt_focuss(
    normals: torch.Tensor, adjoints: torch.Tensor, weight: float, outer: int = 4, inner: int = 20
) -> torch.Tensor:
    """Frames complex64 [t, y, x] from A^H y [t, y, x] of each, units of the signal.

    ``normals`` are A^H A [pattern, x, y, y] of the patterns of lines that frames have in turn.
    """
    right = adjoints.permute(0, 2, 1)
    size, eye = len(right), torch.eye(normals.shape[-1])
    whole = sum((normals[frame % len(normals)] for frame in range(size)), 1e-2 * size * eye)
    mean = torch.linalg.solve(whole, right.sum(0)[..., None])[..., 0]
    left = right - _seen(normals, mean.expand_as(right))
    along = dft(size)

    def to_frequency(frames: torch.Tensor) -> torch.Tensor:
        return torch.tensordot(along, frames, 1)

    def to_time(spectrum: torch.Tensor) -> torch.Tensor:
        return torch.tensordot(along.mH.resolve_conj(), spectrum, 1)

    sizes = torch.ones(right.shape)
    spectrum = torch.zeros_like(right)
    for _ in range(outer):

        def apply(part: torch.Tensor, sizes: torch.Tensor = sizes) -> torch.Tensor:
            frames = to_time(sizes * part)
            return sizes * to_frequency(_seen(normals, frames)) + weight * part

        asked = sizes * to_frequency(left)
        spectrum = sizes * conjugate_gradients(apply, asked, torch.zeros_like(asked), inner, 1e-4)
        sizes = spectrum.abs().sqrt()
        sizes = sizes / sizes.square().mean().sqrt().clamp(min=1e-12)
    return (mean + to_time(spectrum)).permute(0, 2, 1)


def _seen(normals: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """A^H A of each frame [t, x, y], those of one pattern together."""
    size, patterns = len(frames), len(normals)
    turns = -(-size // patterns)
    padded = torch.cat([frames, frames.new_zeros(turns * patterns - size, *frames.shape[1:])])
    found = normals @ padded.reshape(turns, patterns, *frames.shape[1:]).permute(1, 2, 3, 0)
    return found.permute(3, 0, 1, 2).reshape(padded.shape)[:size]
