"""Unrolled networks: iterations of a reconstruction in which the regulariser is learned."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from models.nets.frames import FramesNet
from models.nets.unet import Plain, UNet
from models.operator import multiply

Consistency = Literal["none", "gradient", "proximal"]
Regulariser = Literal["unet", "plain", "frames"]


@dataclass(frozen=True, kw_only=True)
class Design:
    """What an unrolled network looks like.

    ``plain``, unshared and ``proximal`` is a D5C5-like cascade; ``plain``, shared and ``proximal`` MoDL; any
    regulariser with ``gradient`` a variational network; one iteration with ``none`` a denoiser.
    """

    iterations: int = 3
    shared: bool = False
    """All iterations use the same weights."""

    consistency: Consistency = "gradient"
    """``gradient``: x - step (A^H A x - A^H y), with a learned step; ``proximal``: x + step (p - x) with the
    exact p = P (A^H y + weight x), whose weight follows from the signal (``models.inputs.trained``)."""

    regulariser: Regulariser = "unet"
    """``frames``: (2+1)D with a branch over temporal frequencies; the batch is then the frames of a series,
    each with its own matrix."""

    widths: tuple[int, int, int] = (32, 48, 64)
    """Channels of the U-Net's levels; the first one is that of plain convolutions."""

    depth: int = 5
    """Plain convolutions; of ``frames`` the blocks over temporal frequencies."""

    @property
    def dynamic(self) -> bool:
        """Whether it takes series of frames."""
        return self.regulariser == "frames"


class Unrolled(nn.Module):
    """An unrolled network over real images [batch, 2, y, x] in units of one scale.

    It is homogeneous of degree one in (linear, adjoint, sd): their unit never matters.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        distinct = 1 if design.shared else design.iterations
        self.regularisers = nn.ModuleList([_regulariser(design) for _ in range(distinct)])
        exact = design.consistency == "proximal"
        self.steps = nn.Parameter(torch.full((design.iterations + 1,), 1.0 if exact else 0.5))
        if not exact:
            with torch.no_grad():
                self.steps[-1] = 0.1

    def forward(
        self, linear: torch.Tensor, adjoint: torch.Tensor, matrix: torch.Tensor, sd: torch.Tensor
    ) -> torch.Tensor:
        """The reconstructed image, [batch, 2, y, x].

        ``linear``: the Tikhonov image, where the iterations begin, and ``adjoint`` = A^H y, [batch, 2, y, x];
        ``matrix``: A^H A in two-channel form ([batch,] x, y, 2 y); ``sd``: the noise map of the linear image,
        [batch, 1, y, x]. Where the design is proximal, ``matrix`` is weight P and ``adjoint`` A^H y / weight.
        """
        return self.course(linear, adjoint, matrix, sd)[-1]

    def course(
        self,
        linear: torch.Tensor,
        adjoint: torch.Tensor,
        matrix: torch.Tensor,
        sd: torch.Tensor,
        series: int = 1,
    ) -> list[torch.Tensor]:
        """The image after each iteration, and at the end after a last step of data consistency.

        Of a dynamic network the batch holds so many ``series``, one behind the other.
        """
        image, images = linear, []
        for index in range(self.design.iterations):
            near, way = self._consistent(self.steps[index], image, adjoint, matrix)
            image = self.regularised(index, near, way, sd, series)
            images.append(image)
        images.append(self._consistent(self.steps[-1], image, adjoint, matrix)[0])
        return images

    def regularised(
        self, index: int, image: torch.Tensor, way: torch.Tensor, sd: torch.Tensor, series: int = 1
    ) -> torch.Tensor:
        """The end of iteration ``index``, from the image behind its step of data consistency and the way.

        All of a network that split mode needs, where the operator does not fit into a matrix.
        """
        regulariser = self.regularisers[0 if self.design.shared else index]
        given = torch.cat([image, way, sd], 1)
        added: torch.Tensor = regulariser(given, series) if self.design.dynamic else regulariser(given)
        return image + added

    def _consistent(
        self, step: torch.Tensor, image: torch.Tensor, adjoint: torch.Tensor, matrix: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The image nearer to the data, and the way there."""
        match self.design.consistency:
            case "none":
                return image, torch.zeros_like(image)
            case "gradient":
                gradient = multiply(matrix, image) - adjoint
                return image - step * gradient, gradient
            case "proximal":
                away = image - multiply(matrix, adjoint + image)
                return image - step * away, away


TAKEN = 5
"""Channels that a regulariser takes: image, gradient, noise map."""


def _regulariser(design: Design) -> nn.Module:
    if design.regulariser == "frames":
        frames = FramesNet(2, design.widths, design.depth)
        with torch.no_grad():
            for branch in (frames.times, frames.frequencies):
                branch.leave.weight.mul_(0.1)
        return frames
    if design.regulariser == "plain":
        plain = Plain(TAKEN, 2, design.widths[0], design.depth)
        module: nn.Module = plain
        last = plain.last
    else:
        unet = UNet(TAKEN, 2, design.widths)
        module, last = unet, unet.leave
    with torch.no_grad():
        last.weight.mul_(0.1)
    return module
