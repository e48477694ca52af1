"""Noise measurements between scans: kept at the end of one, put before the first item of another."""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.data import NoiseMeasurement, Text
from gadgets.scan import Scan
from server.dependencies.store import NOBODY, Arrays, Owner, Store

log = logging.getLogger(__name__)


def masked(scan: Scan, store: Store) -> Scan:
    """The scan, with pseudonyms for its measurement id and for those that it depends on."""
    identifiers = (scan.measurement_id, *(name for _, name in scan.dependencies))
    return replace(scan, pseudonyms={each: store.name(each) for each in identifiers if each})


def before(scan: Scan, store: Store) -> list[NoiseMeasurement]:
    """What a chain gets before the scan's first item: the noise that its header says it depends on."""
    found = (find(name, store, Owner(scan.patient_id, scan.device)) for name in scan.depends("noise"))
    return [noise for noise in found if noise is not None]


def keep(noise: NoiseMeasurement, scan: Scan, store: Store) -> Text | None:
    """Store what the scan's own readouts made; what came out of the store is not stored again.

    The answer is for the console. Raises ScansideError when it cannot be kept.
    """
    if noise.origin:
        return None
    owner = Owner(scan.patient_id, scan.device)
    name = store.put("noise", owner, scan.measurement_id, _arrays(noise))
    text = f"noise measurement {name} of {len(noise.variance)} channels is kept for {store.expiry / 3600:g} h"
    return Text(text=text)


def find(measurement_id: str, store: Store, owner: Owner = NOBODY) -> NoiseMeasurement | None:
    """The newest noise measurement of an id; None when there is none, or when its file makes no sense."""
    name = store.name(measurement_id)
    arrays = store.latest("noise", owner, measurement_id)
    noise = _noise(arrays, name) if arrays else None
    if arrays and noise is None:
        log.warning("noise measurement %s is damaged and is not used", name)
    log.info("noise measurement %s is %s", name, "found" if noise else "not kept here")
    return noise


def _arrays(noise: NoiseMeasurement) -> Arrays:
    bandwidth = math.nan if noise.bandwidth is None else noise.bandwidth
    return {
        "covariance": noise.covariance,
        "variance": noise.variance,
        "samples": np.array(noise.samples, np.int64),
        "sample_time": np.array(noise.sample_time, np.float64),
        "bandwidth": np.array(bandwidth, np.float64),
        "coil_labels": np.array(noise.coil_labels, np.str_),
    }


FORM = {"covariance": "c16", "variance": "f8", "samples": "i8", "sample_time": "f8", "bandwidth": "f8"}
"""The arrays of a noise measurement and their types, beside the labels."""

SCALARS = ("samples", "sample_time", "bandwidth")


def _noise(arrays: Mapping[str, NDArray[Any]], origin: str) -> NoiseMeasurement | None:
    """The measurement, when the arrays are one: what is read is not taken on trust."""
    if not _formed(arrays):
        return None
    covariance, variance = arrays["covariance"], arrays["variance"]
    samples, time, bandwidth = (arrays[name].item() for name in SCALARS)
    sound = np.isfinite(covariance).all() and np.isfinite(variance).all() and (variance >= 0).all()
    if not (sound and samples >= 1 and math.isfinite(time) and not math.isinf(bandwidth)):
        return None
    return NoiseMeasurement(
        covariance=covariance,
        variance=variance,
        samples=samples,
        sample_time=time,
        bandwidth=None if math.isnan(bandwidth) else bandwidth,
        coil_labels=tuple(map(str, arrays["coil_labels"])),
        origin=origin,
    )


def _formed(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether all arrays are there, with the types and shapes that belong together."""
    if set(arrays) != {*FORM, "coil_labels"}:
        return False
    labels, channels = arrays["coil_labels"], arrays["variance"].size
    shapes = {"covariance": (channels, channels), "variance": (channels,)}
    return (
        channels > 0
        and labels.ndim == 1
        and labels.dtype.kind == "U"
        and all(
            arrays[name].dtype == form and arrays[name].shape == shapes.get(name, ())
            for name, form in FORM.items()
        )
    )
