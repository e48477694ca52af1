"""XML off the wire is looked at before it is read: no DOCTYPE, no deep nesting, no great size."""

from typing import Any
from xml.parsers import expat

from server.errors import ProtocolError


class Malformed(ProtocolError):
    """The text is not well-formed XML, or not the document that was expected."""


def checked(text: str, *, limit: int = 16 << 20, depth: int = 64) -> str:
    """``text``, when it is well-formed XML without a document type.

    Raises Malformed when it is not well-formed, ProtocolError for a DOCTYPE and above ``limit`` characters or
    ``depth`` levels.
    """
    if len(text) > limit:
        raise ProtocolError(f"XML of {len(text)} characters is above the limit of {limit}")
    level = 0

    def start(name: str, attributes: Any) -> None:  # noqa: ANN401 - expat's
        nonlocal level
        level += 1
        if level > depth:
            raise ProtocolError(f"XML is nested deeper than {depth} levels")

    def end(name: str) -> None:
        nonlocal level
        level -= 1

    def doctype(*_: object) -> None:
        raise ProtocolError("XML with a DOCTYPE is refused")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        raise Malformed(f"malformed XML: {error}") from None
    return text
