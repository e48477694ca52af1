"""Drawn slices: what is labelled, and what a network is taught by them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.errors import ModelError
from models.nets.segmenter import Segmenter, SegmenterDesign
from models.train.shortaxis import appearance, corpus, layout, sampling
from models.train.shortaxis import draw as drawing
from models.train.shortaxis.beat import FULL, draw_beat
from models.train.shortaxis.draw import MOMENTS, SIZE, draw
from models.train.shortaxis.level import area, level
from models.train.shortaxis.loop import dice, loss_of
from models.train.shortaxis.sampling import draw_sampling
from models.train.shortaxis.shape import Above, Disc, layer, wall
from models.train.shortaxis.tissue import Part


@pytest.fixture(scope="module")
def drawn():
    random = np.random.default_rng(3)
    return [draw(random) for _ in range(12)]


def test_slices_are_images_with_labels_of_three_things(drawn):
    for each in drawn:
        assert each.images.shape == each.labels.shape == (MOMENTS, SIZE, SIZE)
        assert torch.isfinite(each.images).all()
        assert float(each.images.min()) >= 0
    found = torch.stack([each.labels for each in drawn])
    assert set(found.unique().tolist()) == {0, 1, 2, 3}


def test_a_left_ventricle_has_muscle_and_some_slices_have_none(drawn):
    cavity, muscle = ([bool((each.labels[0] == label).any()) for each in drawn] for label in (1, 2))
    assert all(has for has, inner in zip(muscle, cavity, strict=True) if inner)
    assert 0 < sum(muscle) < len(drawn)


def test_equal_seeds_draw_equal_slices(drawn):
    again = draw(np.random.default_rng(3))
    torch.testing.assert_close(again.images, drawn[0].images)
    assert torch.equal(again.labels, drawn[0].labels)


def cut(height, **changes):
    """Parts and labels [y, x] of a heart's slice at a height, on points 1 mm apart; u along x."""
    heart = replace(draw_beat(np.random.default_rng(5)).heart, **changes)
    axis = torch.arange(-70.0, 71.0)
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    flat = torch.zeros_like(u)
    at = layout.Section(
        u=u[None], v=v[None], height=flat[None] + height, rough=flat, broad=flat, middle=height
    )
    parts = torch.zeros(1, *u.shape, dtype=torch.uint8)
    return parts[0], layout.paint(parts, at, heart), u


def test_a_slice_through_the_plane_of_the_valves_has_the_part_of_the_ventricle_below_it():
    """Half of a ring was labelled whole or not at all, and half rings of simulated hearts were missed."""
    whole = cut(0.97, rim=(0.0, 0.0))[1]
    parts, labels, u = cut(0.97, rim=(0.1, math.acos(0.3)), above=())
    below = ((labels == 1) | (labels == 2)).sum() / ((whole == 1) | (whole == 2)).sum()
    assert float(below) == pytest.approx(1 - math.acos(0.3) / math.pi, abs=0.06)
    assert not (parts[labels == 0] == Part.LEFT_BLOOD).any()
    assert float(u[labels == 1].mean()) < 0


def test_an_atrium_begins_where_its_ventricle_ends():
    over = Disc(centre=(0.0, 0.0), half=(15.0, 15.0))
    atria = tuple(Above(disc=over, side=side, offset=0.0) for side in ("left", "right"))
    for left, right, height, seen in (
        (0.1, 0.8, 0.95, True),
        (0.0, 0.99, 0.95, False),
        (0.1, 0.99, 0.8, False),
    ):
        parts, labels, _ = cut(height, rim=(left, math.pi), right_range=(0.1, right), above=atria)
        found = (parts == Part.ATRIUM) | (parts == Part.ROOT)
        assert bool(found.any()) is seen
        assert not (found & (labels > 0)).any()


def test_a_beat_keeps_its_muscle_and_shortens_it():
    """The section of muscle grows by as much as the long axis becomes shorter."""
    for seed in range(20):
        beat = replace(draw_beat(np.random.default_rng(seed)), gain=1.0)
        full, small = beat.at(0.0), beat.at(1.0)
        assert full.radius == pytest.approx(beat.heart.radius)
        inner = small.radius - small.wall
        assert inner == pytest.approx(beat.narrower * beat.cavity)
        assert small.length == pytest.approx((1 - beat.shortening) * full.length)
        if 3.5 < small.wall < 26:
            volumes = [
                each.length * (each.radius**2 - (each.radius - each.wall) ** 2) for each in (full, small)
            ]
            assert volumes[1] == pytest.approx(volumes[0])


def test_papillary_muscles_and_trabeculae_leave_room_for_blood_at_end_systole():
    """Small cavities had no room for what was drawn in them, and those of thick hearts came out large."""
    filled = []
    for seed in range(200):
        beat = draw_beat(np.random.default_rng(seed))
        heart, cavity = beat.at(1.0), beat.narrower * beat.cavity
        papillary = sum(math.prod(disc.half) for disc in heart.papillary)
        filled.append(papillary + 1 - (1 - heart.sponge / cavity) ** 2)
        resting = sum(math.prod(disc.half) for disc in beat.heart.papillary) * beat.cavity**2
        assert resting + beat.strands / math.pi <= FULL * cavity**2 + 1e-6
    assert max(filled) < 0.8
    assert np.mean(filled) < FULL


def test_slices_are_drawn_through_the_beat():
    slices = [draw(np.random.default_rng(seed)) for seed in range(30)]
    full, small = (sum(float((each.labels[n] == 1).sum()) for each in slices) for n in (0, 1))
    assert small < 0.8 * full


def test_a_slice_shows_what_the_base_brings_down_to_it():
    beat = replace(draw_beat(np.random.default_rng(1)), shortening=0.2, lift=0.0)
    assert beat.height(0.5, 0.0) == pytest.approx(0.5)
    assert beat.height(0.8, 1.0) == pytest.approx(1.0)
    assert beat.height(0.0, 1.0) == 0.0


def test_beyond_the_heart_moments_differ_by_noise_alone_but_for_ghosts_and_gain(monkeypatch):
    def plain(*args):
        found = made(*args)
        return replace(found, power=1.0, sampling=replace(found.sampling, ghost=(0.0, 0, 0)))

    made = appearance.scene
    monkeypatch.setattr(drawing, "scene", plain)
    monkeypatch.setattr(sampling, "SUDDEN", 0)
    random = np.random.default_rng(3)
    for each in (draw(random) for _ in range(12)):
        here, there = (each.images[moment] for moment in (0, 1))
        assert not torch.equal(here, there)
        beyond = torch.nn.functional.max_pool2d((each.labels > 0).any(0).float()[None], 61, 1, 30)[0] == 0
        if beyond.sum() > 500 and (each.labels > 0).any():
            assert float((here - there)[beyond].mean().abs()) < 0.03 * float(here[beyond].mean())


def test_a_moment_may_have_a_ghost_that_the_others_have_not(monkeypatch):
    scan = replace(draw_sampling(np.random.default_rng(0), 64, 64), ghost=(0.0, 20, 0), noise=0.0)
    image, random = torch.zeros(64, 64), np.random.default_rng(1)
    image[8:16, 8:16] = 1
    plain = torch.hypot(scan.fine[0] @ image @ scan.fine[1].T, torch.zeros(1))
    seen = [scan.seen(image, random) for _ in range(200)]
    odd = [each for each in seen if not torch.allclose(each, plain)]
    assert 0.5 * sampling.SUDDEN < len(odd) / 200 < 2 * sampling.SUDDEN
    assert all(0.09 < float(each[28:36, 8:16].mean()) < 0.41 for each in odd)


@pytest.fixture(scope="module")
def random_labels():
    labels = torch.randint(
        0, 4, (8, MOMENTS, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return (labels + 1).half(), labels, torch.linspace(1.2, 1.8, 8)


def test_windows_keep_each_label_on_its_pixel(random_labels):
    ((seen, taught), *_) = corpus.batches(random_labels, 8, 64, np.random.default_rng(1))
    assert seen.shape == (8, 1, 64, 64)
    high, low = (float(seen[:, 0][taught == label].mean()) for label in (3, 0))
    assert high > low + 0.2


def test_beside_a_moment_are_the_first_two_or_itself():
    images = torch.arange(12.0).view(4, 3, 1, 1)
    which, alone = torch.tensor([0, 1, 2, 2]), torch.tensor([False, False, False, True])
    shown = corpus.presented(images, which, alone, 3)[:, :, 0, 0]
    assert shown.tolist() == [[0, 0, 1], [4, 3, 4], [8, 6, 7], [11, 11, 11]]
    assert corpus.presented(images, which, alone, 1)[:, :, 0, 0].tolist() == [[0], [4], [8], [11]]


def test_windows_may_have_end_diastole_and_end_systole_beside_them(random_labels):
    ((seen, taught), *_) = corpus.batches(random_labels, 8, 64, np.random.default_rng(1), frames=3)
    assert seen.shape == (8, 3, 64, 64)
    high, low = (float(seen[:, 0][taught == label].mean()) for label in (3, 0))
    assert high > low + 0.2


def test_a_window_has_the_pixels_that_networks_see(random_labels):
    images, labels, pixels = random_labels
    labels = torch.zeros_like(labels)
    for label, pixel in zip(labels, pixels.tolist(), strict=True):
        half = round(24 / pixel)
        label[:, 40 - half : 40 + half, 60 - half : 60 + half] = 1
    taught = corpus.centred((images, labels, pixels), 64, pixel=1.6)[1]
    for window in taught:
        assert int(window.sum()) == pytest.approx((48 / 1.6) ** 2, rel=0.1)
        assert window.nonzero().float().mean(0).tolist() == pytest.approx([31.5, 31.5], abs=1)


def test_small_cavities_have_thick_walls_of_the_same_section():
    wide, narrow = (wall(cavity, 1200.0) for cavity in (26.0, 14.0))
    for cavity, thick in ((26.0, wide), (14.0, narrow)):
        assert np.pi * ((cavity + thick) ** 2 - cavity**2) == pytest.approx(1200)
    assert narrow > 1.4 * wide


def test_trabeculae_of_a_small_cavity_are_a_thick_layer_of_the_same_section():
    wide, narrow = (layer(cavity, 300.0) for cavity in (26.0, 14.0))
    for cavity, thick in ((26.0, wide), (14.0, narrow)):
        assert np.pi * (cavity**2 - (cavity - thick) ** 2) == pytest.approx(300)
    assert narrow > 1.8 * wide
    assert layer(5.0, 300.0) == 2.5


def test_steps_may_see_windows_of_different_sides(random_labels):
    """Only wide ones were seen in training, and hearts looked at closely lost their base."""
    sides = {
        tuple(seen.shape[-2:])
        for turn in range(4)
        for seen, _ in corpus.batches(random_labels, 2, 96, np.random.default_rng(turn), narrow=64)
    }
    assert sides == {(64, 64), (80, 80), (96, 96)}


def test_the_loss_of_certain_right_scores_is_nothing_and_of_wrong_ones_much():
    labels = torch.tensor([[[0, 1], [2, 3]]])
    right = 50 * torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).float()
    assert float(loss_of(right, labels)) < 0.01
    assert float(loss_of(right.roll(1, 1), labels)) > 10
    assert dice(labels == 1, labels == 1) == 1.0


def test_scores_have_the_image_s_shape_and_no_unit():
    network = Segmenter(SegmenterDesign(kind="segmenter", widths=(8, 8, 8, 8))).eval()
    image = torch.rand(2, 1, 40, 56)
    scores = network(image)
    assert scores.shape == (2, 4, 40, 56)
    torch.testing.assert_close(network(1000 * image), scores, rtol=1e-4, atol=1e-4)


def test_a_network_may_be_shown_three_frames():
    network = Segmenter(SegmenterDesign(kind="segmenter", widths=(8, 8, 8, 8), frames=3)).eval()
    image = torch.rand(2, 3, 32, 48)
    scores = network(image)
    assert scores.shape == (2, 4, 32, 48)
    torch.testing.assert_close(network(1000 * image), scores, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(network(image[:, [0, 2, 1]]), scores)


def test_scores_of_muscle_are_shifted_until_its_area_is_right():
    """Another prior of muscle makes too much of it at the boundaries; that is found and taken back."""
    torch.manual_seed(0)
    network = Segmenter(SegmenterDesign(kind="segmenter", widths=(8, 8, 8, 8))).eval()
    images = torch.rand(6, 1, 48, 48, generator=torch.Generator().manual_seed(1))

    def scores():
        with torch.inference_mode():
            return network(images)

    network.shift(-scores().mean((0, 2, 3)))
    labels = scores().argmax(1)
    network.shift(torch.tensor([0.0, 0.0, 0.3, 0.0]))
    assert area(scores().argmax(1), labels) > 1.05
    assert level(network, images, labels) < 0
    assert area(scores().argmax(1), labels) == pytest.approx(1, abs=0.02)


def test_slices_without_muscle_say_nothing_of_its_scores():
    network = Segmenter(SegmenterDesign(kind="segmenter", widths=(8, 8, 8, 8)))
    images, labels = torch.rand(2, 1, 32, 32), torch.ones(2, 32, 32, dtype=torch.long)
    with pytest.raises(ModelError, match="no slice has 60 pixels of muscle"):
        level(network, images, labels)
