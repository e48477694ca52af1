"""What a simulated scan was made from: arrays with units under ``/truth`` of its file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from server.files.layout import text
from server.files.opened import reading

GROUP = "truth"


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """One known quantity."""

    values: NDArray[Any]
    units: str
    """``1`` where it has none."""

    description: str = ""
    """Its axes and what it means."""


def write_truth(file: h5py.File, truth: Mapping[str, Truth]) -> None:
    """Store each array under its name, with its units and description as attributes."""
    for name, one in truth.items():
        dataset = file.require_group(GROUP).create_dataset(name, data=one.values)
        dataset.attrs["units"] = one.units
        dataset.attrs["description"] = one.description


def read_truth(path: Path) -> dict[str, Truth]:
    """Everything that the file knows about what was measured, by name; empty for a real scan."""
    with reading(path) as file:
        return {
            name: Truth(
                values=np.asarray(dataset[()]),
                units=text(dataset.attrs.get("units", "1")),
                description=text(dataset.attrs.get("description", "")),
            )
            for name, dataset in file.get(GROUP, {}).items()
        }
