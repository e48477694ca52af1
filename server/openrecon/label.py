"""The label of an Open Recon package: a JSON document that travels in the image, in base64."""

import base64
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from gadgets.data import Block, Image
from gadgets.gadget import AnyGadget, flat, takes
from server.errors import ChainError
from server.openrecon.about import About
from server.openrecon.parameters import entries
from server.openrecon.rules import faults

KEY = "com.siemens-healthineers.magneticresonance.openrecon.metadata:1.1.0"
"""The image's label that the scanner reads."""

MAGNITUDES = ("Magnitude", "Extract", "Convert")
"""Gadgets behind which images are real-valued."""


def label(
    chain_name: str, chain: Sequence[AnyGadget], about: About, chosen: Sequence[str] = ()
) -> dict[str, Any]:
    """The label for a chain; the chain is the one value of ``config``, its parameters follow.

    Raises ChainError for a chain that makes no image, SettingsError for parameters that do not fit,
    ValueError when the label breaks a rule after all.
    """
    if not any(issubclass(Image, gadget.signature()[1]) for gadget in flat(chain)):
        raise ChainError(f"chain {chain_name} gives no image: there is nothing that Open Recon could show")
    made = {
        "general": _general(chain_name, about),
        "reconstruction": _reconstruction(chain, about),
        "parameters": [_config(chain_name), *entries(chain, chosen)],
    }
    if broken := faults(made):
        raise ValueError("; ".join(broken))
    return made


def encoded(made: Mapping[str, Any]) -> str:
    """The label as the image bears it: JSON in base64, one line."""
    return base64.b64encode(json.dumps(made, ensure_ascii=False).encode()).decode()


def plain(name: str) -> str:
    """A name in letters and digits alone."""
    return re.sub("[^A-Za-z0-9]", "", name)


def _general(chain_name: str, about: About) -> dict[str, Any]:
    return {
        "name": {"en": about.name or chain_name},
        "version": about.version,
        "vendor": about.vendor,
        "information": {"en": about.information},
        "id": about.id or plain(chain_name),
        "license_string": about.license,
        "regulatory_information": dataclasses.asdict(about.regulatory),
    }


def _reconstruction(chain: Sequence[AnyGadget], about: About) -> dict[str, Any]:
    real = any(type(gadget).__name__ in MAGNITUDES for gadget in flat(chain))
    return {
        "transfer_protocol": {"protocol": "ISMRMRD", "version": "1.4.1"},
        "port": about.port,
        "emitter": "raw" if takes(chain, Block) else "image",
        "injector": "image" if real else "compleximage",
        "can_process_adjustment_data": about.adjustment_data,
        "can_use_gpu": False,
        "min_count_required_gpus": 0,
        "min_required_gpu_memory": 0,
        "min_required_memory": about.memory,
        "min_count_required_cpu_cores": about.cores,
        "content_qualification_type": about.qualification,
    }


def _config(chain_name: str) -> dict[str, Any]:
    return {
        "id": "config",
        "label": {"en": "Chain"},
        "type": "choice",
        "values": [{"id": chain_name, "name": {"en": chain_name}}],
        "default": chain_name,
        "information": {"en": "What is done with the scan."},
    }
