"""The numbers of a report, read from the JSON document that an image carries."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from gadgets.data import Image
from server.errors import DicomError

REPORT = "ScansideReport"
"""The meta attribute that holds it."""

MOST = 2000
"""Measurements of one report, at most."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number."""

    quantity: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,32}$")]
    """A name of ``codes.QUANTITIES``, or one of the chain's own."""

    value: Annotated[float, Field(allow_inf_nan=False)]
    unit: Annotated[str, Field(max_length=16)] = "1"
    """UCUM."""

    site: Annotated[str, Field(max_length=32)] = ""
    """``aha:1`` to ``aha:17``, or a region; empty for the whole."""

    statistic: Literal["", "mean", "sd", "median", "min", "max"] = ""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """All of a report; what else the document holds is the chain's own."""

    __pydantic_config__ = ConfigDict(extra="ignore")

    title: Annotated[str, Field(max_length=64)] = "Report"
    procedure: Literal["perfusion", "function", "other"] = "other"
    method: Annotated[str, Field(max_length=64)] = ""
    measurements: Annotated[tuple[Measurement, ...], Field(max_length=MOST)] = ()
    flags: tuple[str, ...] = field(default=())
    """What a reader has to know: quality, refusals."""

    def by_site(self) -> Iterator[tuple[str, list[Measurement]]]:
        """Groups of one site, the whole first."""
        sites = dict.fromkeys(sorted((each.site for each in self.measurements), key=_order))
        for site in sites:
            yield site, [each for each in self.measurements if each.site == site]


def carries(image: Image) -> bool:
    """Whether this image carries numbers."""
    return isinstance(image.meta.get(REPORT), str)


def numbers(image: Image) -> Numbers:
    """What its document says.

    Raises DicomError when that is no document of this form.
    """
    try:
        said: Mapping[str, Any] = json.loads(str(image.meta[REPORT]))
        return TypeAdapter(Numbers).validate_python(said)
    except (json.JSONDecodeError, ValidationError) as error:
        raise DicomError(f"its {REPORT} cannot be read: {type(error).__name__}") from None


def _order(site: str) -> tuple[bool, str, int]:
    kind, _, number = site.partition(":")
    return bool(site), kind, int(number) if number.isdigit() else 0
