"""A phantom scan through a server, with limits: whether what it answers is what it must, kept as a QA record.

The phantom is simulated with its truth: two repetitions at R = 2 with reference lines and a noise scan,
through the chain ``cartesian_grappa``.
"""

import json
import math
import os
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.data import Image
from models.simulation.sampling import Sampling
from models.simulation.scan import Protocol, Simulation, simulate
from server import __version__
from server.acquisition import describe
from server.client import conversation, converse
from server.files.header import write_header
from server.simulate import runs

RECORD = "qa.jsonl"

CHAIN = "cartesian_grappa"

SNR = 40.0

ACCELERATION = 2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Between which a value must lie."""

    low: float
    high: float


LIMITS = {
    "images": Limits(low=3, high=3),
    "nrmse": Limits(low=0.0, high=0.06),
    "scale": Limits(low=0.97, high=1.03),
    "noise": Limits(low=0.94, high=1.06),
    "shift_mm": Limits(low=0.0, high=0.1),
    "seconds": Limits(low=0.0, high=60.0),
}
"""``nrmse``: of the image against the truth, at best scale. ``scale``: the image's signal in units of its
noise over what the fully sampled image has, times the square root of the acceleration. ``noise``: sd of the
difference of two repetitions over what the g-factor map says. ``shift_mm``: of the image's centre from the
scan's. ``seconds``: from the connection to CLOSE."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was found."""

    values: dict[str, float]
    fault: str
    """What the server said went wrong."""

    @property
    def beyond(self) -> list[str]:
        """What lies beyond its limits, or was not found."""
        return [
            name
            for name, limit in LIMITS.items()
            if not limit.low <= self.values.get(name, float("nan")) <= limit.high
        ]

    @property
    def passed(self) -> bool:
        """Whether everything is as it must be."""
        return not self.fault and not self.beyond


def test(address: tuple[str, int], context: ssl.SSLContext | None = None, patience: float = 60.0) -> Outcome:
    """Send the phantom and compare.

    Raises ConnectionError without a server, AccessError where it speaks no TLS, or only that.
    """
    phantom = simulate(protocol())
    xml = write_header(describe(phantom.protocol, "selftest"))
    parts = list(conversation(CHAIN, xml, runs(phantom)))
    images: list[Image] = []
    begun = time.perf_counter()
    answer = converse(address, parts, images.append, patience=patience, context=context)
    values = {"images": float(len(images)), "seconds": time.perf_counter() - begun}
    return Outcome(values=values | _compared(images, phantom), fault=answer.error)


def protocol() -> Protocol:
    """What is measured; the same each time."""
    sampling = Sampling(lines=128, acceleration=ACCELERATION, reference_lines=24, repetitions=2)
    return Protocol(sampling=sampling, columns=128, coils=8, snr=SNR, noise_readouts=256, seed=7)


def keep(folder: Path, server: str, outcome: Outcome) -> dict[str, Any]:
    """Add the outcome to the QA record of a state folder, on the disk when this returns; what was added."""
    entry = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "server": server,
        "chain": CHAIN,
        "client": __version__,
        "values": {name: round(value, 5) for name, value in outcome.values.items()},
        "limits": {name: [each.low, each.high] for name, each in LIMITS.items()},
        "beyond": outcome.beyond,
        "fault": outcome.fault,
        "passed": outcome.passed,
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(folder / RECORD, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
        file.write(json.dumps(entry) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return entry


def _compared(images: Sequence[Image], phantom: Simulation) -> dict[str, float]:
    main = [each for each in images if int(each.head["image_series_index"]) == 1]
    maps = [each for each in images if int(each.head["image_series_index"]) == 20]
    if len(main) != 2 or not maps:
        return {}
    first, second = (_plane(each) for each in main)
    truth = np.abs(phantom.image.numpy()[0])
    inside = phantom.object.numpy()[0] > 0.05 * float(phantom.object.max())
    one, two = phantom.protocol.intensity(np.arange(2))
    best = float((first * truth).sum() / (first * first).sum())
    g = _plane(maps[0])[inside]
    change = (second - first * (two / one))[inside] / (g * np.hypot(1.0, two / one))
    centre = np.asarray(main[0].head["position"], float)
    return {
        "nrmse": float(np.linalg.norm(best * first - truth) / np.linalg.norm(truth)),
        "scale": math.sqrt(ACCELERATION) / best,
        "noise": float(change.std()),
        "shift_mm": float(np.abs(centre - _centre(phantom)).max()),
    }


def _plane(image: Image) -> NDArray[np.float64]:
    return np.asarray(np.abs(image.data.numpy()[0, 0]), np.float64)


def _centre(phantom: Simulation) -> NDArray[np.float64]:
    """Where the readouts say that the slice lies [mm]."""
    from server.acquisition import heads

    return np.asarray(heads(phantom.protocol, phantom.lines)["position"][0], float)
