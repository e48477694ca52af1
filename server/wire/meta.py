"""The meta attributes of an image as XML: ``<ismrmrdMeta>`` of ``<meta><name/><value/>...</meta>``."""

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from gadgets.data import Notes, Value
from server.errors import ProtocolError
from server.wire.xml import checked


def write_meta(meta: Notes) -> str:
    """The attributes as XML; a list becomes repeated values.

    Put together as text: contours have hundreds of values, and a tree of them takes three times as long.
    """
    entries = [_entry(name, value) for name, value in meta.items()]
    return f"<ismrmrdMeta>{''.join(entries)}</ismrmrdMeta>" if entries else "<ismrmrdMeta />"


def _entry(name: str, value: Value) -> str:
    values = "".join(_element("value", _clean(one)) for one in _several(value))
    return f"<meta>{_element('name', name)}{values}</meta>"


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{escape(text)}</{tag}>" if text else f"<{tag} />"


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
    text = str(value)
    return text if text.isprintable() else "".join(c for c in text if c >= " " or c in "\t\n")
