"""An image's attributes as XML, and back."""

from xml.etree import ElementTree

import pytest

from server.wire.meta import read_meta, write_meta

CASES = (
    {},
    {"EchoTime": 1.5, "Count": 3, "Empty": "", "Nothing": ()},
    {"Words": "a < b & c > d \"e\" 'f'", "Lines": "one\ttwo\nthree", "Far": "Grüße \u2028 \x85 \ud7ff"},
    {"ROI_LV": ["1.00", "", "27.31"] * 40},
)


def tree(meta):
    """What a library makes of the same elements."""
    root = ElementTree.Element("ismrmrdMeta")
    for name, value in meta.items():
        entry = ElementTree.SubElement(root, "meta")
        ElementTree.SubElement(entry, "name").text = name
        for one in value if isinstance(value, list | tuple) else [value]:
            ElementTree.SubElement(entry, "value").text = str(one)
    return ElementTree.tostring(root, encoding="unicode")


@pytest.mark.parametrize("meta", CASES)
def test_attributes_are_written_as_a_library_would(meta):
    assert write_meta(meta) == tree(meta)


@pytest.mark.parametrize("meta", CASES)
def test_attributes_come_back_as_text(meta):
    found = read_meta(write_meta(meta))
    expected = {
        name: [str(each) for each in value] if isinstance(value, list | tuple) else str(value)
        for name, value in meta.items()
    }
    assert found == expected


def test_characters_that_xml_cannot_hold_are_left_out():
    assert read_meta(write_meta({"Name": "a\x00b\x1fc\rd"})) == {"Name": "abcd"}
