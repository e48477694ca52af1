"""A model's card: what it eats and gives, what it was trained on, inside which envelope it may be used."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from models.errors import ModelError
from models.foreign import Foreign
from models.nets.denoiser import Denoising
from models.nets.segmenter import SegmenterDesign
from models.nets.unrolled import Design

STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The file beside the card."""

    __pydantic_config__ = STRICT

    file: str
    """Its name (safetensors); no path."""

    sha256: str


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Where the model was trained and judged; beyond it the linear image takes its place."""

    __pydantic_config__ = STRICT

    acceleration: tuple[float, float]
    """Lines of the matrix over lines acquired, reference lines among them."""

    signal: tuple[float, float]
    """The rms of the image of the reference lines over the maps' support, in SNR units."""

    coils: tuple[int, int]
    lines: tuple[int, int]
    """Of the matrix along y."""

    columns: tuple[int, int]
    """Of the image along x."""

    reference_lines: int
    """At least so many lines in the centre without a gap."""

    edge: float = math.inf
    """Lines missing at one end of k-space, over the mean distance of lines: at most so many."""

    frames: tuple[float, float] = (1, math.inf)
    """Of a series, with other lines each."""

    masks: tuple[str, ...] = ()
    """Patterns of lines, in words."""

    contrast: str = ""
    """Family of contrasts, in words."""

    def leaves(self, facts: Mapping[str, float]) -> list[str]:
        """What of a scan's facts (by field) lies outside: name, found, expected."""
        faults = []
        for name in ("acceleration", "signal", "coils", "lines", "columns", "frames"):
            low, high = getattr(self, name)
            if name in facts and not low <= facts[name] <= high:
                faults.append(f"{name} {facts[name]:.4g}, expected {low:g} to {high:g}")
        found = facts.get("reference_lines", self.reference_lines)
        if found < self.reference_lines:
            faults.append(f"reference lines {found:g}, expected {self.reference_lines} or more")
        if facts.get("edge", 0.0) > self.edge:
            faults.append(
                f"lines missing at an end {facts['edge']:.3g} distances, expected {self.edge:g} or less"
            )
        return faults


@dataclass(frozen=True, kw_only=True)
class ImageEnvelope:
    """Which images a network of images was trained and judged on; others are refused."""

    __pydantic_config__ = STRICT

    pixel: tuple[float, float]
    """Side of a pixel [mm]."""

    lines: tuple[int, int]
    """Of the image along y."""

    columns: tuple[int, int]
    """Of the image along x."""

    contrast: str = ""
    """Family of contrasts, in words."""

    def leaves(self, facts: Mapping[str, float]) -> list[str]:
        """What of an image's facts (by field) lies outside: name, found, expected."""
        return [
            f"{name} {facts[name]:.4g}, expected {low:g} to {high:g}"
            for name, (low, high) in (
                ("pixel", self.pixel),
                ("lines", self.lines),
                ("columns", self.columns),
            )
            if name in facts and not low <= facts[name] <= high
        ]


@dataclass(frozen=True, kw_only=True)
class Card:
    """All that must be known of a model before it is used."""

    __pydantic_config__ = STRICT

    name: str
    version: int
    task: str
    """What it does: ``reconstruction``, ``segmentation``."""

    takes: str
    gives: str
    design: Annotated[SegmenterDesign | Denoising | Foreign | Design, Field(union_mode="left_to_right")]
    weights: Weights
    envelope: Annotated[Envelope | ImageEnvelope, Field(union_mode="left_to_right")]
    corpus: str
    """What it was trained on."""

    recipe: str
    """The recipe's name, by which it can be trained again."""

    licence: str
    quality: Mapping[str, str] = field(default_factory=dict)
    """What was measured, each with its conditions."""

    warning: str = "Not for diagnosis."


def read(path: Path) -> Card:
    """A card from its YAML file. Raises ModelError for one that is not as it should be."""
    try:
        values: Any = yaml.safe_load(path.read_text())
        card = TypeAdapter(Card).validate_python(values)
    except FileNotFoundError:
        raise ModelError(f"model card {path}: no such file") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise ModelError(f"model card {path.name}: {error}") from error
    if Path(card.weights.file).name != card.weights.file:
        raise ModelError(f"model card {path.name}: its weights are {card.weights.file!r}, expected no path")
    return card


def text(card: Card) -> str:
    """The card as YAML."""
    values = TypeAdapter(Card).dump_python(card, mode="json")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
