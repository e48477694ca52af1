"""Total variation of complex images, isotropic over the last two axes, and its proximal step."""

import torch

INNER = 8
"""Steps of the dual problem in each outer iteration; it goes on from where the last one ended."""


class Variation:
    """The proximal step of threshold times total variation, by the dual problem's fast gradient.

    Beck and Teboulle, IEEE TIP 18:2419, 2009: x = v - threshold div p, with |p| <= 1 at every pixel.
    """

    def __init__(self) -> None:
        self._dual: torch.Tensor | None = None

    def shrink(self, image: torch.Tensor, threshold: float) -> torch.Tensor:
        """argmin_x |x - image|^2 / 2 + threshold TV(x), nearly; complex64 [..., y, x]."""
        if threshold <= 0:
            return image
        dual = torch.zeros_like(image).expand(2, *image.shape).clone() if self._dual is None else self._dual
        ahead, momentum = dual, 1.0
        for _ in range(INNER):
            step = differences(image - threshold * divergence(ahead))
            new = ahead + step / (8 * threshold)
            new = new / torch.linalg.vector_norm(new, dim=0).clamp(min=1)
            after = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            ahead = new + (momentum - 1) / after * (new - dual)
            dual, momentum = new, after
        self._dual = dual
        return image - threshold * divergence(dual)


def differences(image: torch.Tensor) -> torch.Tensor:
    """Forward differences along y and x, [2, ..., y, x]; 0 at the far edges."""
    out = torch.zeros_like(image).expand(2, *image.shape).clone()
    out[0][..., :-1, :] = image[..., 1:, :] - image[..., :-1, :]
    out[1][..., :-1] = image[..., 1:] - image[..., :-1]
    return out


def divergence(dual: torch.Tensor) -> torch.Tensor:
    """The adjoint of ``differences``."""
    out = torch.zeros_like(dual[0])
    out[..., 1:, :] += dual[0][..., :-1, :]
    out[..., :-1, :] -= dual[0][..., :-1, :]
    out[..., 1:] += dual[1][..., :-1]
    out[..., :-1] -= dual[1][..., :-1]
    return out
