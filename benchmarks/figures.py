"""One measured figure beside the limit asked of it, and the machine it was measured on."""

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal


class SkippedError(Exception):
    """The benchmark cannot run here; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What was measured, and what was asked."""

    name: str
    value: float
    unit: str = ""
    limit: float | None = None
    """What is asked; None where the figure only explains another."""

    sense: Literal["at least", "at most"] = "at most"
    spread: tuple[float, float] | None = None
    """Least and greatest of the repetitions."""

    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the figure is as good as asked; None where nothing is."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.sense == "at least" else self.value <= self.limit

    def facts(self) -> dict[str, Any]:
        """The figure as plain values."""
        return {**asdict(self), "met": self.met}


def of(name: str, values: Sequence[float], **more: Any) -> Figure:  # noqa: ANN401 - fields of Figure
    """The median of repeated measurements, with their spread."""
    spread = (min(values), max(values)) if len(values) > 1 else None
    return Figure(name=name, value=median(values), spread=spread, **more)


def alternate(sides: Sequence[Callable[[], float]], times: int = 5, warm: int = 1) -> tuple[list[float], ...]:
    """The measurements of each side, taken in turn (A B A B ...), after ``warm`` turns that do not count."""
    taken = tuple([side() for side in sides] for _ in range(warm + times))[warm:]
    return tuple(list(column) for column in zip(*taken, strict=True))


def ratios(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Quotients of measurements taken side by side."""
    return [a / b for a, b in zip(one, other, strict=True)]


def machine() -> dict[str, str | int]:
    """What the figures hold for."""
    import numpy as np
    import torch

    import server

    return {
        "processor": _line("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _line("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "scanside": str(Path(server.__file__).parent),
        "load": f"{os.getloadavg()[0]:.2f} before",
    }


def data_folder() -> Path:
    """Real data: SCANSIDE_DATA, else ``../shared/data`` beside the project."""
    return Path(os.environ.get("SCANSIDE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def data_file(name: str) -> Path:
    """A file of real data.

    Raises SkippedError where it is absent.
    """
    path = data_folder() / name
    if not path.exists():
        raise SkippedError(f"no {path}: set SCANSIDE_DATA")
    return path


def _line(file: str, key: str) -> str:
    return next(_values(file, key), "")


def _values(file: str, key: str) -> Iterator[str]:
    for line in Path(file).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            yield value.strip()
