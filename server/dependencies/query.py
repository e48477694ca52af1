"""The scanner asks whether a noise measurement is here, before it sends the noise scan itself."""

from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np

from gadgets.data import NoiseMeasurement, Notes
from server.dependencies.noise import find
from server.dependencies.store import Store
from server.wire import encode
from server.wire.xml import checked

SUMMARY, LIST = "NoiseSummaryGadget", "DependencyQueryGadget"
"""Gadgetron's gadgets that answer about stored noise: of one measurement, and of all."""

NAMES = ("gtquery", "NoiseSummary")
"""Gadgetron's configurations that hold them; neither names a measurement."""

PREFIX = "GadgetronNoiseCovarianceMatrix_"
"""What stands before the measurement id in the name that is asked for."""


def answer(configuration: str, store: Store) -> bytes | None:
    """Message 1019, when the configuration (its name, or its text) is a query; None when it is a chain.

    ``status`` is ``success`` with what is known of the noise, or ``failed``: then the scanner sends it. The
    list of all stored noise is always empty, for their ids are known here as pseudonyms only.
    Raises ProtocolError for XML that is malformed, or has a DOCTYPE.
    """
    if not configuration.lstrip("\ufeff \t\r\n").startswith("<"):
        return _failed() if configuration.removesuffix(".xml") in NAMES else None
    asked = dict(_gadgets(ElementTree.fromstring(checked(configuration, limit=1 << 20).strip())))
    if SUMMARY in asked:
        noise = find(asked[SUMMARY].strip().removeprefix(PREFIX), store)
        return encode.dependency(_summary(noise)) if noise else _failed()
    return _failed() if LIST in asked else None


def _failed() -> bytes:
    return encode.dependency({"status": "failed"})


def _summary(noise: NoiseMeasurement) -> Notes:
    """The sd of the complex noise of each channel, as it was received, over the channels."""
    sd = np.sqrt(np.diagonal(noise.covariance).real)
    return {
        "status": "success",
        "noise_dwell_time_us": noise.sample_time,
        "min_sigma": float(sd.min()),
        "max_sigma": float(sd.max()),
        "mean_sigma": float(sd.mean()),
        "channels": len(sd),
    }


def _gadgets(root: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Class of each gadget, and its property ``noise_file``: both of Gadgetron's ways to write it down."""
    for gadget in root.iterfind(".//{*}gadget"):
        values = {
            (each.findtext("{*}name") or each.get("name") or "").strip(): each.findtext("{*}value")
            or each.get("value")
            or ""
            for each in gadget.findall("{*}property")
        }
        yield (gadget.findtext("{*}classname") or "").strip(), values.get("noise_file", "")
