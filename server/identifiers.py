"""What in a header identifies somebody, so that it can be left out of logs, status and errors."""

import json
import re
from collections.abc import Collection
from functools import lru_cache
from xml.etree import ElementTree

from server.errors import ProtocolError
from server.wire.xml import checked

GROUPS = ("subjectInformation", "studyInformation", "measurementInformation", "userParameterString")
"""Elements of the MRD header whose texts identify a person, a study or an institution's words for them."""

DEVICES = ("institutionName", "stationName", "deviceSerialNumber", "deviceID")
"""Elements of the system's section that identify a place or a machine."""

HARMLESS = (
    *("patientPosition", "patientGender", "relativeTablePosition", "dependencyType", "initialSeriesNumber"),
    "name",
)
"""Elements within them that identify nobody."""

PLAIN = {"ContrastState": ("stress", "rest")}
"""What a user parameter may say that a report has to say, too: it names a state, and nobody."""

SHORTEST = 3
"""Characters of the shortest text that is looked for: shorter ones are everywhere."""


def identifiers(xml: str) -> frozenset[str]:
    """The texts of a header that identify somebody, and their parts (``DOE^JOHN``: three)."""
    try:
        root = ElementTree.fromstring(checked(xml))
    except (ProtocolError, ElementTree.ParseError):
        return frozenset()
    groups = (each for each in root.iter() if _plain(each.tag) in (*GROUPS, *DEVICES) and not _harmless(each))
    leaves = (
        leaf for each in groups for leaf in each.iter() if not len(leaf) and _plain(leaf.tag) not in HARMLESS
    )
    texts = {(leaf.text or "").strip() for leaf in leaves}
    parts = {part for text in texts for part in re.split(r"[\s^,;]+", text)}
    return frozenset(each for each in texts | parts if len(each) >= SHORTEST)


def _harmless(element: ElementTree.Element) -> bool:
    """Whether it is a user parameter with one of the words that name nobody."""
    said = {_plain(leaf.tag): (leaf.text or "").strip() for leaf in element}
    return said.get("value", "").lower() in PLAIN.get(said.get("name", ""), ())


def without(text: str, hidden: Collection[str]) -> str:
    """The text with every hidden word replaced by ``[hidden]``, in any case, the longest first."""
    if not hidden:
        return text
    return _any_of(frozenset(hidden)).sub("[hidden]", text)


@lru_cache(maxsize=4)
def _any_of(hidden: frozenset[str]) -> re.Pattern[str]:
    """What finds the words, and those with letters beyond ASCII also as ``repr`` and JSON escape them."""
    forms = {form for each in hidden for form in (each, ascii(each)[1:-1], ascii(each.encode())[2:-1])}
    forms |= {json.dumps(each)[1:-1] for each in hidden}
    words = "|".join(re.escape(each) for each in sorted(forms, key=len, reverse=True))
    return re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", re.IGNORECASE)


def _plain(tag: str) -> str:
    """An element's name without its namespace."""
    return tag.rpartition("}")[2]
