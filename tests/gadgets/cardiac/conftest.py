"""What tests of cardiac gadgets share."""

import pytest

from gadgets.cardiac.perfusion.item import FirstPass
from gadgets.testing import run
from tests.gadgets.cardiac.first_pass import CHAIN, simulated


@pytest.fixture(scope="session")
def scan_and_images():
    """A header, the images of a first pass, and what they were made of."""
    return simulated()


@pytest.fixture(scope="session")
def pooled(scan_and_images):
    """A first pass ahead of its segmentation."""
    scan, images, _ = scan_and_images
    stream = images
    for gadget in CHAIN[:3]:
        taken = gadget.signature()[0]
        stream = run(gadget, [each for each in stream if isinstance(each, taken)], scan)
    (item,) = (each for each in stream if isinstance(each, FirstPass))
    return item
