"""UnrolledCine: frames of a series seen together, in windows, or linear images and why."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gadgets.data import CoilMaps, Image, Kspace, Reference, Text
from gadgets.head import READOUT_HEAD
from gadgets.recon.learned import Unrolled, UnrolledCine
from gadgets.recon.learned.series import Windows
from gadgets.scan import Encoding, Limit, Scan, Space
from models import runner, zoo
from models.nets.unrolled import Design
from models.operator import dft
from models.train.coils import random_coils
from models.train.dynamic.masks import interleaved
from models.train.fields import window

Y, X, R, FRAMES = 40, 20, 4, 7
NOTES = {"ScansideNoise": "scan"}
SPACE = Space(matrix=(X, Y, 1), fov=(0.3, 0.3, 0.005))
LIMIT = {"kspace_encode_step_1": Limit(minimum=0, maximum=Y - 1, center=Y // 2)}
SCAN = Scan(
    encodings=(
        Encoding(encoded=SPACE, recon=SPACE, limits=LIMIT, acceleration=(R, 1), calibration="interleaved"),
    )
)


@pytest.fixture(autouse=True)
def model(lend):
    """A small random network of frames."""
    design = Design(iterations=1, consistency="proximal", regulariser="frames", widths=(4, 4, 8), depth=1)
    return lend("unrolled-2dt", design, acceleration=(1, 8), frames=(4, 40))


@pytest.fixture(scope="module")
def items():
    random = np.random.default_rng(0)
    torch.manual_seed(1)
    coils = random_coils(random, window(random, Y, X))[:5]
    coils = coils / torch.linalg.vector_norm(coils, dim=0)
    image = 40 * torch.ones(Y, X) * (torch.linspace(-1, 1, Y)[:, None].abs() < 0.8)
    kspace = dft(Y) @ (coils * image)
    sampled = interleaved(Y, [0, 1, 2, 3], FRAMES)
    frames = []
    for each in sampled:
        noisy = kspace + torch.view_as_complex(torch.randn(*kspace.shape, 2))
        frames.append(
            Kspace(
                data=(noisy * each[:, None])[None, None, None, :, None],
                sampled=each.to(torch.int32)[None, None, None, None],
                head=np.zeros((1, 1, 1), READOUT_HEAD),
                encoding=0,
                transformed=True,
                notes=NOTES,
            )
        )
    reference = Reference(
        data=kspace[:, None, 12:28],
        first=(0, 12),
        shape=(1, Y, X),
        encoding=0,
        slice=0,
        transformed=True,
        notes=NOTES,
    )
    return reference, CoilMaps(data=coils[None, :, None], encoding=0, slice=0, notes=NOTES), *frames


def run(items, **parameters):
    return list(UnrolledCine(**parameters).process(iter(items), SCAN))


def roles(found, role):
    return [each for each in found if isinstance(each, Image) and each.role == role]


def test_each_frame_gets_a_learned_image_and_a_linear_one_and_each_pattern_its_noise(items):
    found = run(items)
    learned, linear = roles(found, "image"), roles(found, "linear")
    assert len(learned) == len(linear) == FRAMES
    assert len(roles(found, "noise")) == R
    assert {each.meta["ScansideModel"] for each in learned} == {"unrolled-2dt 1"}
    truth = torch.stack([each.data[0, 0] for each in learned])
    assert torch.isfinite(torch.view_as_real(truth)).all()
    assert truth.abs().mean() > 0.5 * linear[0].data.abs().mean()


def test_images_of_a_window_leave_before_the_series_ends(items):
    sent = []

    def stream():
        for item in items:
            sent.append(len(given))
            yield item

    given = []
    for each in UnrolledCine(frames=4, margin=1).process(stream(), SCAN):
        given.append(each)
    assert max(sent) > 0
    assert len(roles(given, "image")) == FRAMES


@pytest.mark.parametrize("counter", ["set", "contrast", "average"])
def test_frames_of_another_set_contrast_or_average_are_another_series(counter, items):
    reference, maps, *frames = items
    others = []
    for frame in frames:
        head = frame.head.copy()
        head["idx"][counter] = 1
        others.append(replace(frame, data=-3 * frame.data, head=head))
    mixed = [each for pair in zip(frames, others, strict=True) for each in pair]
    found = roles(run((reference, maps, *mixed), frames=6, margin=1), "image")
    alone = [roles(run((reference, maps, *each), frames=6, margin=1), "image") for each in (frames, others)]
    for number, expected in enumerate(alone):
        own = [each for each in found if each.head[counter] == number]
        assert len(own) == FRAMES
        assert all(torch.equal(a.data, b.data) for a, b in zip(own, expected, strict=True))


def test_windows_give_each_item_once_in_order_with_neighbours_on_both_sides():
    for count in range(1, 23):
        windows, given = Windows(size=8, margin=2), []
        for item in range(count):
            found = windows.add(item)
            if found:
                given += [(found[0][index], found[0]) for index in found[1]]
        given += [(held[index], held) for held, chosen in windows.rest() for index in chosen]
        assert [item for item, _ in given] == list(range(count))
        for item, held in given:
            assert set(range(max(item - 2, 0), min(item + 3, count))) <= set(held)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"frames": (12, 40)}, "frames 7"),
        ({"acceleration": (1, 3)}, "acceleration 4"),
        ({"reference_lines": 60}, "reference lines "),
        ({"edge": -1.0}, "lines missing at an end 0 distances"),
    ],
)
def test_outside_of_its_envelope_each_frame_is_linear_and_it_is_said_once(change, reason, items, monkeypatch):
    model = zoo.load("unrolled-2dt")
    card = replace(model.card, envelope=replace(model.card.envelope, **change))
    monkeypatch.setattr(runner, "_known", {"unrolled-2dt": replace(model, card=card)})
    found = run(items)
    texts = [each for each in found if isinstance(each, Text)]
    assert len(texts) == 1
    assert reason in texts[0].text
    images = roles(found, "image")
    assert [each.meta["ScansideModel"] for each in images] == ["none"] * FRAMES
    assert not roles(found, "linear")


def test_a_network_of_series_makes_no_single_image(items, monkeypatch):
    model = zoo.load("unrolled-2dt")
    card = replace(model.card, envelope=replace(model.card.envelope, reference_lines=0))
    monkeypatch.setattr(runner, "_known", {"unrolled-2dt": replace(model, card=card)})
    text = next(iter(Unrolled(model="unrolled-2dt").process(iter(items), SCAN)))
    assert "expected an unrolled network of images" in text.text
