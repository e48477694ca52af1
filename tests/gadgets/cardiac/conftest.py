"""What tests of cardiac gadgets share."""

import pytest

from tests.gadgets.cardiac.first_pass import simulated


@pytest.fixture(scope="session")
def scan_and_images():
    """A header, the images of a first pass, and what they were made of."""
    return simulated()
