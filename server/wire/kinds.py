"""The messages of the MRD streaming protocol, as Gadgetron and FIRE speak it, and what a peer bears."""

import enum
from dataclasses import dataclass


class Kind(enum.IntEnum):
    """Message ids, each the first two bytes of a message."""

    CONFIG_FILE = 1
    CONFIG_TEXT = 2
    HEADER = 3
    CLOSE = 4
    TEXT = 5
    QUERY = 6
    RESPONSE = 7
    ERROR = 8
    ACQUISITION = 1008
    DICOM = 1018
    DEPENDENCY_QUERY = 1019
    IMAGE = 1022
    RECON_DATA = 1023
    IMAGE_ARRAY = 1024
    WAVEFORM = 1026
    NDARRAY = 1030
    BUCKET = 1050


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest sizes that are believed [bytes], checked before anything is allocated."""

    config: int = 1 << 20
    header: int = 16 << 20
    text: int = 1 << 20
    meta: int = 1 << 20
    message: int = 1 << 28


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How a peer wants to be spoken to."""

    nul: bool = False
    """Strings end with a NUL that is counted (FIRE); Gadgetron and the C++ client write none."""

    prefix: bool = False
    """Texts begin with their level padded to eight characters, as FIRE's log viewer colours them."""

    kinds: frozenset[Kind] = frozenset({Kind.IMAGE, Kind.TEXT, Kind.RESPONSE, Kind.CLOSE})
    """The messages that the peer bears; Gadgetron's C++ client aborts on any other."""
