"""What a configuration of Gadgetron says, before anybody asks what we have for it.

Two dialects: ``gadgetronStreamConfiguration``, a flat list of gadgets, and ``configuration`` of version 2, a
stream of nodes. Both become the same nodes. Namespaces are ignored, as Gadgetron does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from server.errors import ChainError, ProtocolError
from server.wire.xml import checked

LIMIT, DEPTH = 64 << 10, 16
"""The longest [characters] and deepest configuration that is read."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A gadget; or the branch, merge, distributor, reader or writer of a node: a class and its properties."""

    kind: str
    """The class."""

    name: str
    """What others call it; the class when it has no name of its own."""

    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """Streams side by side between a branch and a merge."""

    branch: Part
    streams: Mapping[str, "Stream"]
    merge: Part


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A stream that other processes or threads may run: ``distributed``, ``parallelprocess``, ..."""

    how: str
    stream: "Stream"


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Another program: one to be started, or one to connect to."""

    language: str = ""
    """``python``, ``matlab`` or ``julia``; empty when it is to be connected to."""

    module: str = ""
    target: str = ""
    address: str = ""
    """Host and port, ``HOST:PORT``."""

    configuration: str = "<configuration/>"
    """The XML that it is given."""


Node: TypeAlias = Part | Parallel | Elsewhere | Outside
Stream: TypeAlias = tuple[Node, ...]


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A whole configuration, the references between its properties resolved."""

    readers: tuple[str, ...]
    writers: tuple[str, ...]
    """Their classes."""

    stream: Stream


def read(text: str) -> Configuration:
    """The configuration that is written in ``text``.

    Raises ChainError for XML that is malformed, too long or too deep, has a DOCTYPE, or is no configuration.
    """
    try:
        root = ElementTree.fromstring(checked(text, limit=LIMIT, depth=DEPTH).encode())
    except ProtocolError as error:
        raise ChainError(f"a configuration in XML: {error}") from None
    known = {"gadgetronStreamConfiguration": root, "configuration": root.find("{*}stream")}
    where = known.get(_tag(root))
    if where is None:
        raise ChainError(
            f"a configuration of Gadgetron is <gadgetronStreamConfiguration>, or <configuration> with a"
            f" <stream>; found <{_tag(root)}>"
        )
    lookup = _References([_part(each) for each in where.iter() if _tag(each) in _PARTS])
    return Configuration(
        readers=tuple(_part(each).kind for each in root.iter() if _tag(each) == "reader"),
        writers=tuple(_part(each).kind for each in root.iter() if _tag(each) == "writer"),
        stream=_stream(where, lookup),
    )


_PARTS = ("gadget", "branch", "merge", "distributor")


class _References:
    """Looks up ``property@gadget``."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = {part.name: part for part in reversed(parts)}

    def resolve(self, part: Part) -> Part:
        """The part with its references replaced by what they refer to."""
        values = {name: self._value(value, (part.name, name)) for name, value in part.properties.items()}
        return Part(kind=part.kind, name=part.name, properties=values)

    def _value(self, value: str, *seen: tuple[str, str]) -> str:
        name, at, gadget = value.partition("@")
        if not at:
            return value
        if (gadget, name) in seen:
            raise ChainError(f"property {name!r} of {gadget} refers to itself")
        found = self._parts.get(gadget)
        if found is None or name not in found.properties:
            raise ChainError(f"{value!r} refers to a property that no gadget of this name sets")
        return self._value(found.properties[name], (gadget, name), *seen)


def _stream(parent: Element, lookup: _References) -> Stream:
    return tuple(_nodes(parent, lookup))


def _nodes(parent: Element, lookup: _References) -> Iterator[Node]:
    for element in parent:
        tag = _tag(element)
        if tag == "gadget":
            part = lookup.resolve(_part(element))
            yield _python(part) if part.kind == "PythonGadget" else part
        elif tag == "parallel":
            yield _parallel(element, lookup)
        elif tag == "external":
            yield _external(element)
        elif tag in ("distributed", "puredistributed", "parallelprocess"):
            inner = _one(element, "stream", "purestream")
            yield Elsewhere(how=tag, stream=_stream(inner, lookup))
        elif tag not in ("reader", "writer", "readers", "writers", "version"):
            raise ChainError(f"<{tag}> is no node of a stream of Gadgetron")


def _parallel(element: Element, lookup: _References) -> Parallel:
    streams = {
        each.get("key") or f"stream {number}": _stream(each, lookup)
        for number, each in enumerate(element.findall("{*}stream"))
    }
    branch, merge = (lookup.resolve(_part(_one(element, name))) for name in ("branch", "merge"))
    return Parallel(branch=branch, streams=streams, merge=merge)


def _external(element: Element) -> Outside:
    found = element.find("{*}configuration")
    configuration = "<configuration/>" if found is None else _written(found)
    step = _one(element, "execute", "connect")
    if _tag(step) == "connect":
        address = f"{_said(step, 'address') or 'localhost'}:{_said(step, 'port')}"
        return Outside(address=address, configuration=configuration)
    return Outside(
        language=_said(step, "type"),
        module=_said(step, "name"),
        target=_said(step, "target"),
        configuration=configuration,
    )


def _python(part: Part) -> Outside:
    """A PythonGadget of the old kind: its class is the target, its properties are the configuration."""
    root = Element("configuration")
    for name, value in part.properties.items():
        ElementTree.SubElement(root, "property", name=name, value=value)
    said = part.properties
    return Outside(
        language="python",
        module=said.get("python_module", ""),
        target=said.get("python_class", ""),
        configuration=ElementTree.tostring(root, encoding="unicode"),
    )


def _part(element: Element) -> Part:
    kind = _said(element, "classname")
    if not kind:
        raise ChainError(f"a <{_tag(element)}> has no classname")
    properties = {_said(each, "name"): _said(each, "value") for each in element.findall("{*}property")}
    return Part(kind=kind, name=_said(element, "name") or kind, properties=properties)


def _said(element: Element, name: str) -> str:
    """What an element says under a name, as a child or as an attribute."""
    return (element.findtext(f"{{*}}{name}") or element.get(name) or "").strip()


def _one(element: Element, *names: str) -> Element:
    """The only child that has one of the names.

    Raises ChainError when there is none, or more than one.
    """
    found = [each for each in element if _tag(each) in names]
    if len(found) != 1:
        raise ChainError(f"<{_tag(element)}> has one <{'> or <'.join(names)}>, found {len(found)}")
    return found[0]


def _written(element: Element) -> str:
    """An element as XML, without namespaces and without what follows it."""
    bare = Element(_tag(element), element.attrib)
    bare.text = element.text
    for child in element:
        copy = ElementTree.fromstring(_written(child))
        copy.tail = child.tail
        bare.append(copy)
    return ElementTree.tostring(bare, encoding="unicode")


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
