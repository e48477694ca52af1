"""The Unrolled gadget: learned inside its envelope, linear outside of it, and it says which."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gadgets.data import CoilMaps, Image, Kspace, Reference, Text
from gadgets.errors import DataError
from gadgets.head import READOUT_HEAD
from gadgets.recon.learned import PlugAndPlay, Unrolled, gadget, serve
from gadgets.recon.learned.setting import foreseen
from gadgets.scan import Encoding, Limit, Scan, Space
from models import runner, zoo
from models.errors import ModelError
from models.inputs import consistency as behind
from models.inputs import signal, trained
from models.nets.denoiser import Denoiser, Denoising
from models.nets.unrolled import Design
from models.nets.unrolled import Unrolled as Network
from models.operator import Coils, dft, proximal
from models.train.coils import random_coils
from models.train.fields import window

Y, X, COILS, R, LINES = 48, 36, 6, 3, 16
NOTES = {"ScansideNoise": "scan"}


def encoding(calibration="embedded"):
    space = Space(matrix=(X, Y, 1), fov=(0.3, 0.3, 0.005))
    limit = {"kspace_encode_step_1": Limit(minimum=0, maximum=Y - 1, center=Y // 2)}
    return Encoding(encoded=space, recon=space, limits=limit, acceleration=(R, 1), calibration=calibration)


SCAN = Scan(encodings=(encoding(),))


@pytest.fixture(autouse=True)
def model(lend):
    """A small random network under the name of the model that comes with the project."""
    design = Design(iterations=1, consistency="proximal", widths=(4, 4, 8))
    return lend("unrolled-2d", design, version=3, acceleration=(1, 4))


def scanned(noise=1.0, seed=0):
    random = np.random.default_rng(seed)
    coils = random_coils(random, window(random, Y, X))
    coils = coils / torch.linalg.vector_norm(coils, dim=0)
    image = 30 * torch.ones(Y, X) * (torch.hypot(torch.linspace(-1, 1, Y)[:, None], torch.zeros(X)) < 0.8)
    kspace = dft(Y) @ (coils * image)
    kspace = kspace + noise * torch.view_as_complex(torch.randn(*kspace.shape, 2))
    sampled = (torch.arange(Y) - Y // 2) % R == 0
    reference = slice(Y // 2 - LINES // 2, Y // 2 + LINES // 2)
    sampled[reference] = True
    head = np.zeros((1, 1, 1), READOUT_HEAD)
    data = (kspace * sampled[:, None])[None, None, None, :, None]
    return (
        Reference(
            data=kspace[:, None, reference],
            first=(0, reference.start),
            shape=(1, Y, X),
            encoding=0,
            slice=0,
            transformed=True,
            notes=NOTES,
        ),
        CoilMaps(data=coils[None, :, None], encoding=0, slice=0, notes=NOTES),
        Kspace(
            data=data,
            sampled=sampled.to(torch.int32)[None, None, None, None],
            head=head,
            encoding=0,
            transformed=True,
            notes=NOTES,
        ),
    )


def run(items, **parameters):
    return list(Unrolled(**parameters).process(iter(items), SCAN))


def test_the_learned_image_has_the_linear_one_and_its_noise_beside_it():
    image, linear, noise = run(scanned())
    assert [each.role for each in (image, linear, noise)] == ["image", "linear", "noise"]
    assert image.meta["ScansideModel"] == "unrolled-2d 3"
    assert len(image.meta["ScansideModelHash"]) == 64
    assert image.meta["ScansideBackend"] == "torch"
    assert noise.meta["ScansideNoiseOf"] == "linear"
    assert image.data.shape == (1, 1, Y, X)
    assert not torch.equal(image.data, linear.data)
    assert torch.isfinite(torch.view_as_real(image.data)).all()


def test_the_noise_map_is_that_of_the_linear_image():
    torch.manual_seed(1)
    reference, maps, first = scanned(0)
    _, _, noise = run((reference, maps, first))
    images = []
    frames = [first]
    for seed in range(200):
        torch.manual_seed(seed)
        here = (first.sampled > 0)[0, 0, 0, 0]
        added = torch.view_as_complex(torch.randn(first.data.shape[3], Y, X, 2)) * here[:, None]
        frames.append(replace(first, data=first.data + added[None, None, None, :, None]))
    found = run((reference, maps, *frames))
    images = torch.stack([each.data[0, 0] for each in found if each.role == "linear"])
    sd = torch.view_as_real(images[1:] - images[0]).square().mean((0, -1)).sqrt()
    assert float((sd / noise.data[0, 0]).median()) == pytest.approx(1, abs=0.03)


def test_being_early_changes_nothing():
    reference, maps, frame = scanned()
    early = run((reference, maps, frame))
    late = run((frame, reference, maps))
    for one, other in zip(early, late, strict=True):
        assert torch.equal(one.data, other.data)


def test_the_lines_are_foreseen_from_the_header_alone():
    reference, _, frame = scanned()
    assert torch.equal(foreseen(reference, encoding()), frame.sampled[0, 0, 0])
    assert foreseen(reference, encoding("interleaved")) is None


def test_set_up_happens_before_the_first_line_of_the_image_is_there(monkeypatch):
    reference, maps, frame = scanned()
    order = []
    settle = gadget.settle
    monkeypatch.setattr(gadget, "settle", lambda *given: order.append("set up") or settle(*given))

    def stream():
        yield reference
        yield maps
        order.append("lines")
        yield frame

    run(stream())
    assert order == ["set up", "lines"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"acceleration": (1, 1.2)}, "acceleration 1.778"),
        ({"signal": (500, 1000)}, "signal "),
        ({"coils": (20, 32)}, "coils "),
        ({"reference_lines": 40}, "reference lines "),
        ({"edge": 0.5}, "lines missing at an end "),
    ],
)
def test_outside_of_its_envelope_the_linear_image_is_sent_and_it_is_said(change, reason, monkeypatch):
    model = zoo.load("unrolled-2d")
    card = replace(model.card, envelope=replace(model.card.envelope, **change))
    monkeypatch.setattr(runner, "_known", {"unrolled-2d": replace(model, card=card)})
    text, image, noise = run(scanned())
    assert isinstance(text, Text)
    assert text.level == "warning"
    assert reason in text.text
    assert image.role == "image"
    assert image.meta["ScansideModel"] == "none"
    assert reason in image.meta["ScansideFallback"]
    assert noise.role == "noise"
    with pytest.raises(DataError, match=reason):
        run(scanned(), outside="refuse")


def test_data_that_were_not_whitened_get_the_linear_image():
    reference, maps, frame = scanned()
    text, image, _ = run((reference, maps, replace(frame, notes={"ScansideNoise": "none"})))
    assert "noise unknown" in text.text
    assert image.meta["ScansideModel"] == "none"


def test_weights_that_are_not_the_cards_are_not_used(model):
    file = model / "unrolled-2d.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    text, image, _ = run(scanned())
    assert "have SHA-256" in text.text
    assert image.meta["ScansideModel"] == "none"


def test_values_that_are_not_finite_never_leave(monkeypatch):
    class Broken:
        name, precision = "torch", "fp32"

        def infer(self, inputs):
            return torch.full_like(inputs[0], torch.nan)

    monkeypatch.setattr(serve, "serving", lambda *asked: (Broken(), ""))
    text, image, _ = run(scanned())
    assert "not finite" in text.text
    assert torch.isfinite(torch.view_as_real(image.data)).all()


@pytest.mark.parametrize(("consistency", "rule"), [("proximal", trained), ("gradient", behind)])
def test_what_a_network_washes_out_comes_back_where_the_data_say_it(consistency, rule, monkeypatch):
    known = zoo.load("unrolled-2d")
    design = replace(known.card.design, consistency=consistency)
    network = Network(design).requires_grad_(requires_grad=False)
    monkeypatch.setattr(network, "regularised", lambda index, image, *rest: torch.zeros_like(image))
    if consistency == "gradient":
        network.steps[-1] = 0
    model = zoo.Model(card=replace(known.card, design=design), network=network, sha256=consistency)
    monkeypatch.setattr(runner, "_known", {"unrolled-2d": model})
    reference, maps, frame = scanned()
    image, _, _ = run((reference, maps, frame))
    coils = Coils.of(maps.data[:, :, 0])
    weights = frame.sampled[0, 0, 0, 0].float()
    low = coils.adjoint(reference_lines(reference), torch.ones(Y))
    exact = proximal(coils.normal(weights), rule(signal(low, coils.maps)))
    expected = exact(coils.adjoint(frame.data[0, 0, 0, :, 0], weights)) * image.meta["ScansideScale"]
    assert torch.allclose(image.data[0], expected, atol=1e-3)


def reference_lines(reference):
    lines = torch.zeros(len(reference.data), Y, X, dtype=torch.complex64)
    first = reference.first[1]
    lines[:, first : first + LINES] = reference.data[:, 0]
    return lines


def test_the_warning_is_sent_once_and_every_image_says_it(monkeypatch):
    model = zoo.load("unrolled-2d")
    card = replace(model.card, envelope=replace(model.card.envelope, coils=(30, 32)))
    monkeypatch.setattr(runner, "_known", {"unrolled-2d": replace(model, card=card)})
    reference, maps, frame = scanned()
    found = run((reference, maps, frame, frame))
    assert sum(isinstance(each, Text) for each in found) == 1
    assert sum("ScansideFallback" in each.meta for each in found if isinstance(each, Image)) == 2


def test_an_unknown_model_is_named():
    with pytest.raises(ModelError, match="model 'odd' is unknown; there are unrolled-2d"):
        zoo.load("odd")


def test_a_volume_is_refused():
    reference, maps, frame = scanned()
    deep = replace(maps, data=maps.data.expand(-1, -1, 2, -1, -1))
    volume = replace(
        frame,
        data=frame.data.expand(-1, -1, -1, -1, 2, -1, -1),
        sampled=frame.sampled.expand(-1, -1, -1, 2, -1),
    )
    with pytest.raises(DataError, match="2 planes"):
        run((replace(reference, shape=(2, Y, X)), deep, volume))


def test_a_denoiser_is_plugged_into_an_iterative_solver(tmp_path, monkeypatch):
    class Keep:
        name, precision = "torch", "fp32"

        def infer(self, inputs):
            return inputs[0]

    design = Denoising(kind="denoiser", widths=(4, 4, 8))
    card = replace(zoo.load("unrolled-2d").card, name="clean", design=design)
    zoo.save(card, Denoiser(design), tmp_path)
    monkeypatch.setattr(serve, "serving", lambda *asked: (Keep(), ""))
    reference, maps, frame = scanned()
    items = iter((reference, maps, frame))
    image, _, _ = PlugAndPlay(model="clean", iterations=40, weight=0.3).process(items, SCAN)
    coils = Coils.of(maps.data[:, :, 0])
    weights = frame.sampled[0, 0, 0, 0].float()
    exact = proximal(coils.normal(weights), 1e-3)(coils.adjoint(frame.data[0, 0, 0, :, 0], weights))
    error = (image.data[0] - exact * image.meta["ScansideScale"]).abs().mean() / exact.abs().mean()
    assert error < 0.02, "with a denoiser that does nothing it is proximal descent to the least squares"
    with pytest.raises(DataError, match="is for reconstruction, expected a denoiser"):
        list(PlugAndPlay(model="unrolled-2d", outside="refuse").process(iter((reference, maps, frame)), SCAN))
    with pytest.raises(DataError, match="expected an unrolled network"):
        run((reference, maps, frame), model="clean", outside="refuse")


def test_replicas_measure_the_noise_of_the_learned_image(monkeypatch):
    class Keep:
        name, precision = "torch", "fp32"

        def infer(self, inputs):
            return inputs[0]

    monkeypatch.setattr(serve, "serving", lambda *asked: (Keep(), ""))
    *_, linear, noise = run(scanned(), replicas=16)
    assert (linear.meta["ScansideNoiseOf"], noise.meta["ScansideNoiseOf"]) == ("linear", "image")
    inside = linear.data > 0
    ratio = float((noise.data[inside] / linear.data[inside]).median())
    assert 0.95 < ratio < 1.3, "the last exact step takes away what the linear image's weight leaves out"
