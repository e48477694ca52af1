"""Coil measurements between scans: kept at the end of one, put before the first item of another."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.data import CoilMeasurement, Text
from gadgets.readout.measurement import distinguishes
from gadgets.scan import Scan
from server.dependencies.store import Arrays, Owner, Store

log = logging.getLogger(__name__)

FORM = {"data": ("c8", 5), "fov": ("f8", 1), "position": ("f8", 2), "directions": ("f8", 2)}
"""The arrays of a coil measurement, their types and numbers of axes, beside the labels."""


def before(scan: Scan, store: Store) -> list[CoilMeasurement]:
    """What a chain gets before the scan's first item: the coils that its header says it depends on."""
    owner = Owner(scan.patient_id, scan.device)
    found = (_find(name, store, owner, scan.coil_labels) for name in scan.depends("senmap"))
    return [each for each in found if each is not None]


def keep(coils: CoilMeasurement, scan: Scan, store: Store) -> Text | None:
    """Store what the scan's own lines made; the answer is for the console.

    What came out of the store is not stored again. Raises ScansideError when it cannot be kept.
    """
    if coils.origin:
        return None
    name = store.put("coil", Owner(scan.patient_id, scan.device), scan.measurement_id, _arrays(coils))
    slices, channels = coils.data.shape[:2]
    text = f"coil measurement {name} of {slices} slices, {channels} channels is kept"
    return Text(text=f"{text} for {store.expiry / 3600:g} h")


def _find(measurement_id: str, store: Store, owner: Owner, labels: tuple[str, ...]) -> CoilMeasurement | None:
    name = store.name(measurement_id)
    arrays = store.latest("coil", owner, measurement_id)
    coils = _coils(arrays, name) if arrays else None
    if arrays and coils is None:
        log.warning("coil measurement %s is damaged and is not used", name)
    log.info("coil measurement %s is %s", name, "found" if coils else "not kept here")
    return _ordered(coils, labels) if coils else None


def _ordered(coils: CoilMeasurement, labels: tuple[str, ...]) -> CoilMeasurement | None:
    """The channels of the scan, in its order; as they are when names cannot tell them apart."""
    have = coils.coil_labels
    if have == labels or not (
        distinguishes(labels, len(labels)) and distinguishes(have, coils.data.shape[1])
    ):
        return coils
    if not set(labels) <= set(have):
        log.warning("coil measurement %s lacks a coil of the scan and is not used", coils.origin)
        return None
    return replace(coils, data=coils.data[:, [have.index(each) for each in labels]], coil_labels=labels)


def _arrays(coils: CoilMeasurement) -> Arrays:
    return {
        "data": coils.data,
        "fov": np.array(coils.fov, np.float64),
        "position": coils.position,
        "directions": coils.directions,
        "coil_labels": np.array(coils.coil_labels, np.str_),
    }


def _coils(arrays: Mapping[str, NDArray[Any]], origin: str) -> CoilMeasurement | None:
    """The measurement, when the arrays are one: what is read is not taken on trust."""
    if set(arrays) != {*FORM, "coil_labels"}:
        return None
    labels, data = arrays["coil_labels"], arrays["data"]
    formed = all(
        arrays[name].dtype == kind and arrays[name].ndim == axes for name, (kind, axes) in FORM.items()
    )
    if not (formed and labels.ndim == 1 and (labels.dtype.kind == "U" or not labels.size)):
        return None
    shapes = (arrays["fov"].shape, arrays["directions"].shape, arrays["position"].shape)
    sound = shapes == ((3,), (3, 3), (len(data), 3)) and data.size > 0
    if not (sound and all(np.isfinite(arrays[name]).all() for name in FORM)):
        return None
    x, y, z = map(float, arrays["fov"])
    return CoilMeasurement(
        data=data,
        fov=(x, y, z),
        position=arrays["position"],
        directions=arrays["directions"],
        coil_labels=tuple(map(str, labels)),
        origin=origin,
    )
