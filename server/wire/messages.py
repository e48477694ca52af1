"""What a peer can say, beside the data themselves (``gadgets.data``)."""

from dataclasses import dataclass
from typing import TypeAlias

from gadgets.data import Image, Readouts, Waveform


@dataclass(frozen=True)
class ConfigFile:
    """The name of a chain."""

    name: str


@dataclass(frozen=True)
class ConfigText:
    """A chain, written out."""

    text: str


@dataclass(frozen=True)
class Header:
    """The measurement's header."""

    xml: str


@dataclass(frozen=True)
class Close:
    """Everything was said."""


@dataclass(frozen=True)
class TextMessage:
    """A text; FIRE sends its parameters as one, behind the header."""

    text: str


@dataclass(frozen=True)
class Query:
    """A question about the server."""

    correlation: int
    text: str
    reserved: int = 0


@dataclass(frozen=True)
class Response:
    """The answer to a question."""

    correlation: int
    text: str


@dataclass(frozen=True)
class Failure:
    """An ERROR message: a remote node's failure."""

    text: str


@dataclass(frozen=True)
class Dicom:
    """A DICOM file."""

    data: bytes
    name: str
    meta: str


@dataclass(frozen=True)
class DependencyQuery:
    """The answer about a stored dependency, as meta attributes."""

    meta: str


@dataclass(frozen=True)
class Unsupported:
    """A message that was followed but cannot be used; the reconstruction must refuse it by this name."""

    what: str


Data: TypeAlias = Readouts | Waveform | Image
Message: TypeAlias = (
    ConfigFile
    | ConfigText
    | Header
    | Close
    | TextMessage
    | Query
    | Response
    | Failure
    | Dicom
    | DependencyQuery
    | Unsupported
    | Data
)
