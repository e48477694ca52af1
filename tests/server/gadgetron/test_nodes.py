import pytest

from server.chain import parse
from server.errors import ChainError
from server.gadgetron.nodes import Elsewhere, Outside, Parallel, Part, read
from tests.server.gadgetron.xml import CARTESIAN, legacy, stream


def test_both_dialects_say_the_same():
    assert read(legacy(*CARTESIAN)).stream == read(stream(*CARTESIAN)).stream
    assert parse(legacy(*CARTESIAN)) == parse(stream(*CARTESIAN))


def test_a_property_is_written_as_children_or_as_attributes():
    attributes = '<gadget><classname>A</classname><property name="n" value="5"/></gadget>'
    assert read(stream(attributes)).stream == read(stream(("A", {"n": "5"}))).stream


def test_namespaces_comments_and_declarations_are_ignored():
    bare = legacy(*CARTESIAN)
    dressed = bare.replace(">", ' xmlns="http://example.org/g" >', 1).replace(
        "<gadget>", "<!-- x --><gadget>"
    )
    assert read(f'<?xml version="1.0" encoding="utf-8"?>\n{dressed}') == read(bare)


def test_a_reference_takes_the_value_of_another_gadget_and_so_on():
    text = legacy(("A", {"n": "n@second"}), ("B", {"n": "m@C"}, "second"), ("C", {"m": "7"}))
    assert [part.properties for part in read(text).stream] == [{"n": "7"}, {"n": "7"}, {"m": "7"}]


@pytest.mark.parametrize(
    ("gadgets", "says"),
    [
        ([("A", {"n": "m@B"}), ("B", {"m": "n@A"})], "refers to itself"),
        ([("A", {"n": "m@B"})], "'m@B' refers to a property that no gadget"),
        ([("A", {"n": "m@B"}), ("B", {})], "'m@B' refers to a property that no gadget"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(gadgets, says):
    with pytest.raises(ChainError, match=says):
        read(legacy(*gadgets))


def test_nodes_of_a_stream_are_understood():
    text = stream(
        "<parallel><branch><classname>ImageFanout</classname></branch>"
        f'<stream key="a"/><stream key="b">{"<gadget><classname>A</classname></gadget>"}</stream>'
        "<merge><classname>UnorderedMerge</classname></merge></parallel>",
        '<parallelprocess workers="6"><purestream><gadget><classname>B</classname></gadget></purestream>'
        "</parallelprocess>",
        '<external><execute name="m" target="t" type="python"/><configuration><a b="1">c</a>d</configuration>'
        "</external>",
        '<external><connect address="10.0.0.7" port="18000"/></external>',
        '<external><connect port="18001"/></external>',
    )
    parallel, elsewhere, started, named, here = read(text).stream
    assert isinstance(parallel, Parallel)
    assert parallel.streams == {"a": (), "b": (Part(kind="A", name="A"),)}
    assert elsewhere == Elsewhere(how="parallelprocess", stream=(Part(kind="B", name="B"),))
    assert started == Outside(
        language="python",
        module="m",
        target="t",
        configuration='<configuration><a b="1">c</a>d</configuration>',
    )
    assert (named.address, here.address) == ("10.0.0.7:18000", "localhost:18001")


def test_a_python_gadget_of_the_old_kind_is_an_external_one():
    properties = {"python_module": "recon", "python_class": "Recon", "iterations": "3"}
    (found,) = read(legacy(("PythonGadget", properties))).stream
    assert (found.language, found.module, found.target) == ("python", "recon", "Recon")
    assert '<property name="iterations" value="3" />' in found.configuration


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<configuration><version>2</version></configuration>", "with a <stream>; found <configuration>"),
        ("<html/>", "found <html>"),
        ("<configuration>", "malformed XML"),
        ("<!DOCTYPE a><configuration><stream/></configuration>", "DOCTYPE"),
        (f"<configuration><stream>{'<a>' * 20}{'</a>' * 20}</stream></configuration>", "nested deeper"),
        (f"<configuration><stream>{' ' * 70000}</stream></configuration>", "70048 bytes"),
        ("<configuration><stream><gadget/></stream></configuration>", "a <gadget> has no classname"),
        ("<configuration><stream><loop/></stream></configuration>", "<loop> is no node"),
        ("<configuration><stream><external/></stream></configuration>", "has one <execute> or <connect>"),
    ],
)
def test_what_is_no_configuration_is_refused_with_its_reason(text, says):
    with pytest.raises(ChainError, match=says):
        parse(text)
