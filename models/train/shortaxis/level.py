"""Muscle of the right area: what the loss makes of boundaries in doubt, taken back at a network's last layer.

Soft Dice is gained by labelling what is probably none of a class of few pixels, and muscle is a thin ring:
drawn slices got 3.6 % too much of it, while cavities were right. Mass and volumes are measured, and such an
error is in all of them. So the scores of muscle are shifted by one number until its area is right: another
prior of that class (Saerens et al., Neural Computation 14 (2002) 21).
"""

import torch

from models.errors import ModelError
from models.nets.segmenter import Segmenter
from models.train.shortaxis.layout import MUSCLE

MOST, HALVINGS = 4.0, 14
"""The largest shift, and how often the interval of shifts is halved."""

FEWEST = 60
"""Pixels of a class in a slice that says something of its area."""


def level(network: Segmenter, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Shift the network's scores of muscle in place, by what is given back.

    Images [slice, frame, y, x] and labels [slice, y, x] that training has not seen. Raises ModelError where
    these have no muscle.
    """
    if int((labels == MUSCLE).sum((1, 2)).max()) < FEWEST:
        raise ModelError(f"no slice has {FEWEST} pixels of muscle")
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        scores = torch.cat([network(part.to(device)).cpu() for part in torch.split(images, 16)])
    unit = torch.eye(scores.shape[1])[MUSCLE]
    low, high = -MOST, MOST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        found = (scores + middle * unit[:, None, None]).argmax(1)
        low, high = (low, middle) if area(found, labels) > 1 else (middle, high)
    network.shift((low + high) / 2 * unit)
    return (low + high) / 2


def area(found: torch.Tensor, labels: torch.Tensor) -> float:
    """Muscle found over what there is in the median slice; both [slice, y, x]."""
    ours, true = ((part == MUSCLE).sum((1, 2)) for part in (found, labels))
    return float((ours / true)[true >= FEWEST].median())
