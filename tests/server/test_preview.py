"""A preview shows the image: its shape, its brightness, its number, within the size of an event."""

import base64

import numpy as np
import pytest
import torch

from gadgets.data import Image
from gadgets.head import IMAGE_HEAD
from server.control.events import EDGE, pack, sayable
from server.preview import preview


def image(data):
    head = np.zeros((), IMAGE_HEAD)
    head["image_series_index"], head["image_index"], head["slice"] = 3, 7, 2
    return Image(data=data, head=head)


def pixels(found):
    return np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(found["height"], found["width"])


def test_bytes_follow_the_image_from_nothing_to_its_brightest():
    plane = torch.arange(64 * 48, dtype=torch.float32).reshape(1, 1, 64, 48)
    found = preview(image(plane))
    shown = pixels(found)
    assert shown.shape == (64, 48)
    assert (np.diff(shown.ravel().astype(int)) >= 0).all()
    assert (shown[0, 0], shown[-1, -1]) == (0, 255)
    assert (found["series"], found["number"], found["slice"]) == (3, 7, 2)
    assert found["high"] == pytest.approx(0.995 * (64 * 48 - 1))


@pytest.mark.parametrize(
    "data",
    [
        torch.full((2, 3, 512, 300), 1 + 1j),
        torch.full((1, 1, 1, 5000), 7, dtype=torch.int16),
        torch.zeros(1, 1, 8, 8),
        torch.full((1, 1, 130, 130), -5.0),
        torch.full((1, 1, 4, 4), float("nan")),
    ],
)
def test_any_image_fits_an_event_whole(data):
    found = preview(image(data))
    assert max(found["width"], found["height"]) <= EDGE
    assert sayable("preview", found) == found
    assert pack("s-1", "preview", found)
