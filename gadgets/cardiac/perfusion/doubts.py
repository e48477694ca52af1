"""What speaks against the flow of single segments."""

from collections.abc import Sequence

import torch

from gadgets.cardiac.perfusion.item import Slice

TESTED = 5.0
"""Above this [ml/min/g] nothing was tested; simulated segments that read so are mostly read far too high."""

UNEVEN = 0.25
"""Of the pixels of a segment; of muscle with one flow at most a fifth, see
``docs/perfusion.md``."""


def unevenness(curves: torch.Tensor) -> float:
    """How unlike the pixels of a segment [pixel, moment] [mM] are: sd of what they hold in the mean, over it.

    The mean of a first pass has little noise. Fat, lung or what else contours have taken for muscle holds
    hardly anything, blood many times as much; a border that is off adds the muscle of another territory.
    """
    held = curves.mean(1)
    return float(held.std(correction=0) / held.mean().clamp(min=1e-3))


def doubts(slices: Sequence[Slice], poor: float) -> list[str]:
    """One sentence for each thing that is wrong with some segments, with their numbers.

    ``poor``: see ``QuantifyFlow``.
    """
    flows = {name: flow for one in slices for name, flow in one.sectors.items()}
    uneven = {name: value for one in slices for name, value in one.uneven.items()}
    said = {
        "poor fit in segments {}": [name for name, flow in flows.items() if float(flow.error) > poor],
        f"flow above {TESTED:g} ml/min/g, where nothing was tested, in segments {{}}": [
            name for name, flow in flows.items() if float(flow.mbf) > TESTED
        ],
        "pixels of segments {} are unlike: contours or borders of segments off, or a defect within": [
            name for name, value in uneven.items() if value > UNEVEN
        ],
    }
    return [what.format(", ".join(map(str, names))) for what, names in said.items() if names]
