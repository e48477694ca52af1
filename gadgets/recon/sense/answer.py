"""What leaves: one image of all maps, its noise, and their headers."""

import torch

from gadgets.arrays import root_sum_of_squares
from gadgets.data import Image, ImageNoise, Notes, Role
from gadgets.head import ImageType
from gadgets.recon.geometry import image_head
from gadgets.recon.sampling import Frame, reach
from gadgets.scan import Encoding


def combine(images: torch.Tensor) -> torch.Tensor:
    """One image [z, y, x] of those of all maps, [map, z, y, x]: of several the root sum of squares."""
    return images[0] if len(images) == 1 else root_sum_of_squares(images)


def sd(covariance: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Noise sd of what ``combine`` makes, float32 [z, y, x], from [map, map, z, y, x].

    Of several maps that of the weights conj(x) / |x|, which holds where the signal is well above the noise.
    """
    if len(images) == 1:
        return covariance[0, 0].real.clamp(min=0).sqrt()
    weights = images.conj() / root_sum_of_squares(images).clamp(min=1e-20)
    variance = torch.einsum("mzyx,mnzyx,nzyx->zyx", weights, covariance, weights.conj())
    return variance.real.clamp(min=0).sqrt()


def answer(
    frame: Frame,
    data: torch.Tensor,
    role: Role,
    encoding: Encoding,
    notes: Notes,
    noise: ImageNoise | None = None,
) -> Image:
    """The image item of one frame, [z, y, x]; with the noise that later steps have to follow."""
    depth, height, width = data.shape
    head = image_head(frame.head, (depth, height, width), encoding)
    head["image_type"] = ImageType.COMPLEX if data.is_complex() else ImageType.MAGNITUDE
    meta = {
        **frame.source.notes,
        **reach(frame.sampled),
        **notes,
        "ScansideEncoding": frame.source.encoding,
    }
    return Image(data=data.unsqueeze(0), head=head, role=role, meta=meta, noise=noise)
