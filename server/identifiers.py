"""What in a header identifies somebody, so that it can be left out of logs, status and errors."""

import re
from collections.abc import Collection
from xml.etree import ElementTree

from server.errors import ProtocolError
from server.wire.xml import checked

GROUPS = ("subjectInformation", "studyInformation", "measurementInformation", "userParameterString")
"""Elements of the MRD header whose texts identify a person, a study or an institution's words for them."""

HARMLESS = ("patientPosition", "patientGender", "relativeTablePosition", "name")
"""Elements within them that identify nobody."""

SHORTEST = 3
"""Characters of the shortest text that is looked for: shorter ones are everywhere."""


def identifiers(xml: str) -> frozenset[str]:
    """The texts of a header that identify somebody, and their parts (``DOE^JOHN``: three)."""
    try:
        root = ElementTree.fromstring(checked(xml))
    except (ProtocolError, ElementTree.ParseError):
        return frozenset()
    groups = (each for each in root.iter() if _plain(each.tag) in GROUPS)
    leaves = (
        leaf for each in groups for leaf in each.iter() if not len(leaf) and _plain(leaf.tag) not in HARMLESS
    )
    texts = {(leaf.text or "").strip() for leaf in leaves}
    parts = {part for text in texts for part in re.split(r"[\s^,;]+", text)}
    return frozenset(each for each in texts | parts if len(each) >= SHORTEST)


def without(text: str, hidden: Collection[str]) -> str:
    """The text with every hidden word replaced by ``[hidden]``, in any case, the longest first."""
    if not hidden:
        return text
    words = "|".join(re.escape(each) for each in sorted(hidden, key=len, reverse=True))
    return re.sub(rf"(?<![^\W_])(?:{words})(?![^\W_])", "[hidden]", text, flags=re.IGNORECASE)


def _plain(tag: str) -> str:
    """An element's name without its namespace."""
    return tag.rpartition("}")[2]
