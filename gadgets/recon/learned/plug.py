"""Plug and play: any denoiser as the regulariser of an iterative reconstruction."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from gadgets.recon.learned.gadget import Unrolled
from gadgets.recon.learned.serve import Served
from gadgets.recon.learned.setting import Setting
from models.apply import apply
from models.backends import Backend
from models.errors import ModelError
from models.foreign import Foreign
from models.nets.denoiser import Denoising
from models.operator import proximal


@dataclass(frozen=True, kw_only=True)
class PlugAndPlay(Unrolled):
    """The image of a reconstruction whose prior is a denoiser; the linear image and its noise with it.

    Half-quadratic splitting: in turn the denoiser and the exact step (A^H A + weight)^-1 (A^H y + weight z),
    after Venkatakrishnan et al. (GlobalSIP 2013). The denoiser is told the noise of what it gets.
    All else, and all that is said, is as with ``Unrolled``. Not for diagnosis.
    """

    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """A denoiser or a regulariser: one of ``scanside models list``, or one that a site converted."""

    iterations: Annotated[int, Field(ge=1, le=100)] = 6

    weight: Annotated[float, Field(gt=0)] = 0.3
    """Of the denoised image against the data, in SNR units: one over the variance that is left in it."""

    def reconstruct(
        self, setting: Setting, adjoint: torch.Tensor, linear: torch.Tensor, served: Served
    ) -> torch.Tensor:
        """The image [1, y, x]. Raises ModelError for a model that is no denoiser."""
        loaded = served.load()
        if isinstance(loaded, ModelError):
            raise loaded
        model, design = loaded[0], loaded[0].card.design
        fit = isinstance(design, Denoising) or (isinstance(design, Foreign) and design.task != "image")
        if not fit:
            raise ModelError(f"model {model.card.name} is for {model.card.task}, expected a denoiser")
        step = proximal(setting.normal, self.weight)
        image, sd, later = linear, setting.sd, step.sd()[0]
        for _ in range(self.iterations):

            def work(backend: Backend, image: torch.Tensor = image, sd: torch.Tensor = sd) -> torch.Tensor:
                return apply(model, backend, image, sd)

            image, sd = step(adjoint, served.run(work)), later
        return image
