"""A model of the zoo as what labels images."""

from models.backends import Backend
from models.cardiac.looks import Reader
from models.nets.segmenter import PIXEL
from models.zoo import Model


def reading(model: Model, backend: Backend) -> Reader:
    """The model run by ``backend``, with the pixels and frames that it was trained on."""
    pixel, frames = getattr(model.card.design, "pixel", PIXEL), getattr(model.card.design, "frames", 1)
    return Reader(scores=lambda batch: backend.infer((batch,)), pixel=float(pixel), frames=int(frames))
