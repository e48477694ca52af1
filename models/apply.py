"""Models of images: an image and its noise map give another image, whoever trained the model."""

import torch

from models.backends import Backend
from models.foreign import Foreign
from models.forms import pad
from models.inputs import two_channels
from models.zoo import Model


def apply(model: Model, backend: Backend, images: torch.Tensor, sd: torch.Tensor | None) -> torch.Tensor:
    """Complex images [n, y, x] as a model makes them of those in SNR units, with their noise sd [y, x].

    Raises ModelError where the model takes a noise map and there is none, or answers with another shape.
    """
    design = model.card.design
    if isinstance(design, Foreign):
        unit = design.unit(images)
        found = backend.infer((design.feed(images, sd, unit),))
        return design.answer(found, images, unit)
    height, width = images.shape[-2:]
    noise = torch.ones(height, width) if sd is None else sd
    fed = torch.stack([two_channels(image) for image in images]), noise.expand(len(images), 1, height, width)
    found = backend.infer(pad(fed))[..., :height, :width]
    return torch.complex(found[:, 0], found[:, 1])
