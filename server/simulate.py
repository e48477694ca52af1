"""The readouts of a simulated scan with their MRD headers, and its truth."""

from collections.abc import Iterator

import numpy as np

from gadgets.data import Readouts
from models.simulation.scan import Simulation
from server.acquisition import heads, noise_heads
from server.files.truth import Truth


def runs(simulation: Simulation) -> Iterator[Readouts]:
    """The scan's readouts, the noise readouts first; equal protocols give equal bytes."""
    if simulation.protocol.noise_readouts:
        noise = simulation.noise().numpy()
        yield Readouts(head=noise_heads(simulation.protocol), data=noise)
    head = heads(simulation.protocol, simulation.lines)
    for rows, data in simulation.readouts():
        yield Readouts(head=head[rows], data=data.numpy())


def truth(simulation: Simulation) -> dict[str, Truth]:
    """What the scan was made from; an image's error is measured against ``image``."""
    return {
        "image": Truth(
            values=simulation.image.numpy(),
            units="noise standard deviations" if simulation.covariance.any() else "signal",
            description="[slice or z, y, x], repetition 0: magnitude of a perfect reconstruction of noiseless"
            " full data, coils combined along their true sensitivities after prewhitening, at the matrix's"
            " resolution (with its ringing)",
        ),
        "object": Truth(
            values=simulation.object.numpy(),
            units="signal",
            description="[slice or z, y, x], repetition 0: mean over each pixel",
        ),
        "intensity": Truth(
            values=simulation.protocol.intensity(np.arange(simulation.protocol.sampling.repetitions)),
            units="1",
            description="[repetition]: factor of the signal",
        ),
        "sensitivities": Truth(
            values=simulation.sensitivities.numpy(), units="1", description="[slice or z, coil, y, x]"
        ),
        "noise_covariance": Truth(
            values=simulation.covariance.numpy(),
            units="signal^2",
            description="[coil, coil]: of the imaging samples' real part, the same of the imaginary part",
        ),
    }
