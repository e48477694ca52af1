"""Codes as DICOM holds them."""

from server.dicom.codes import QUANTITIES


def test_a_code_is_short_and_its_meaning_fits():
    """A longer value would be a LongCodeValue, which few read (PS3.3, 8.1)."""
    for name, concept in QUANTITIES.items():
        assert len(concept.value) <= 16, name
        assert len(concept.meaning) <= 64, name
