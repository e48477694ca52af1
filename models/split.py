"""Split mode: where A^H A is no matrix for each column, data consistency is done outside of the network.

Two phase-encoding axes, any pattern over them: each exact step by conjugate gradients and transforms, each
regulariser by the network, one after the other.
"""

import torch

from models.errors import ModelError
from models.nets.unet import MULTIPLE
from models.nets.unrolled import Unrolled
from models.operator import Transformed


def unrolled(
    network: Unrolled,
    operator: Transformed,
    adjoint: torch.Tensor,
    linear: torch.Tensor,
    sd: torch.Tensor,
    weight: float,
    iterations: int = 15,
) -> torch.Tensor:
    """The image of a proximal network, complex64 [1, 1, y, x], in units of the signal as its inputs.

    ``adjoint`` A^H y and ``linear`` complex64 [1, 1, y, x], ``sd`` float32 [y, x]; at most ``iterations`` of
    conjugate gradients for each step. Raises ModelError for designs without exact steps.
    """
    if network.design.consistency != "proximal":
        raise ModelError(f"split mode takes proximal networks, not {network.design.consistency} ones")
    height, width = linear.shape[-2:]
    noise = _padded(sd[None, None])
    image = linear
    for index, step in enumerate(network.steps):
        way = image - operator.proximal(adjoint, image, weight, iterations)
        image = image - float(step.detach()) * way
        if index < network.design.iterations:
            with torch.inference_mode():
                found = network.regularised(index, _channels(image), _channels(way), noise)
            part = found[0, :, :height, :width].clone()
            image = torch.complex(part[0], part[1])[None, None]
    return image


def _channels(image: torch.Tensor) -> torch.Tensor:
    return _padded(torch.cat([image.real, image.imag], 1))


def _padded(image: torch.Tensor) -> torch.Tensor:
    height, width = image.shape[-2:]
    return torch.nn.functional.pad(image, (0, -width % MULTIPLE, 0, -height % MULTIPLE))
