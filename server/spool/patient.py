"""Whose scan it is, as a pseudonym; the identifier itself stays in the stream."""

from pathlib import Path
from xml.etree import ElementTree

from server.errors import ProtocolError
from server.pseudonym import pseudonym
from server.spool.stream import Spooled
from server.wire.decode import text
from server.wire.kinds import Kind
from server.wire.xml import checked


def patient(stream: Path, key: bytes) -> str:
    """The pseudonym of the header's ``subjectInformation/patientID``; empty when the stream has none."""
    for kind, message in Spooled(stream).prologue():
        if kind == Kind.HEADER:
            name = patient_id(message)
            return pseudonym(name, key) if name else ""
    return ""


def patient_id(header: bytes) -> str:
    """The identifier in a HEADER message; empty when it has none, or cannot be read."""
    try:
        root = ElementTree.fromstring(checked(text(memoryview(header)[6:])))
    except (ProtocolError, ElementTree.ParseError, ValueError):
        return ""
    return (root.findtext("{*}subjectInformation/{*}patientID") or "").strip()
