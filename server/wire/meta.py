"""The meta attributes of an image as XML: ``<ismrmrdMeta>`` of ``<meta><name/><value/>...</meta>``."""

from collections.abc import Sequence
from xml.etree import ElementTree

from gadgets.data import Notes, Value
from server.errors import ProtocolError
from server.wire.xml import checked


def write_meta(meta: Notes) -> str:
    """The attributes as XML; a list becomes repeated values."""
    root = ElementTree.Element("ismrmrdMeta")
    for name, value in meta.items():
        entry = ElementTree.SubElement(root, "meta")
        ElementTree.SubElement(entry, "name").text = name
        for one in _several(value):
            ElementTree.SubElement(entry, "value").text = _clean(one)
    return ElementTree.tostring(root, encoding="unicode")


def read_meta(text: str) -> Notes:
    """The attributes of an image, strings as they came; none at all when ``text`` is empty or no XML."""
    if not text.strip():
        return {}
    try:
        root = ElementTree.fromstring(checked(text, limit=1 << 20, depth=16))
    except ProtocolError as error:
        raise ProtocolError(f"an image's meta attributes: {error}") from None
    found: dict[str, Value] = {}
    for entry in root.iter("meta"):
        values = [value.text or "" for value in entry.findall("value")]
        found[entry.findtext("name") or ""] = values[0] if len(values) == 1 else values
    return found


def _several(value: Value) -> Sequence[str | int | float]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _clean(value: str | float) -> str:
    """As text, without the control characters that XML cannot hold."""
    return "".join(c for c in str(value) if c >= " " or c in "\t\n")
