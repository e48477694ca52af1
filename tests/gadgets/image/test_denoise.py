"""Denoisers and converted models as steps of a chain: what they are told, and what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gadgets.data import Image, Text
from gadgets.errors import DataError
from gadgets.head import IMAGE_HEAD
from gadgets.image.denoise import ApplyModel, Denoise
from gadgets.recon.learned import serve
from gadgets.scan import Scan
from models import runner, zoo
from models.convert import WIDE
from models.nets.denoiser import Denoiser, Denoising
from tests.models.test_zoo import CARD

Y, X = 20, 30


@pytest.fixture(autouse=True)
def model(tmp_path, monkeypatch):
    """A small random denoiser under the name of the model that comes with the project."""
    torch.manual_seed(0)
    design = Denoising(kind="denoiser", widths=(4, 4, 8))
    network = Denoiser(design)
    zoo.save(replace(CARD, name="denoise-2d", design=design, envelope=WIDE), network, tmp_path)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    monkeypatch.setattr(runner, "_known", {})
    monkeypatch.setattr(runner, "_serving", {})


class Shrink:
    """Takes away the noise map itself: what a denoiser was told can be seen in its answer."""

    name, precision = "torch", "fp32"

    def infer(self, inputs):
        return inputs[0] - inputs[1]


@pytest.fixture
def shrink(monkeypatch):
    monkeypatch.setattr(serve, "serving", lambda *asked: (Shrink(), ""))


def image(role="image", value=5.0, *, noise=None, **meta):
    head = np.zeros((), IMAGE_HEAD)
    data = torch.full((1, 1, Y, X), value, dtype=torch.complex64 if role == "image" else torch.float32)
    notes = {"ScansideNoise": "scan", "ScansideEncoding": 0, **meta}
    return Image(data=data, head=head, role=role, meta=notes, noise=noise)


def run(items, **parameters):
    return list(Denoise(**parameters).process(iter(items), Scan()))


def test_an_image_waits_for_the_noise_map_that_comes_behind_it(shrink):
    found = run([image(), image("gfactor", 2.0), image()])
    assert [each.role for each in found] == ["image", "linear", "gfactor", "image", "linear"]
    assert torch.equal(found[0].data, torch.full((1, 1, Y, X), 3 - 2j))
    assert torch.equal(found[1].data, image().data)
    assert found[2].meta["ScansideNoiseOf"] == "linear"
    assert torch.equal(found[3].data, found[0].data)


def test_an_image_that_knows_its_own_noise_waits_for_nothing(shrink):
    class Noise:
        sd = torch.full((1, Y, X), 3.0)

    found = run([image("gfactor", 2.0), image(noise=Noise())], linear=False)
    assert torch.equal(found[1].data, torch.full((1, 1, Y, X), 2 - 3j))
    assert found[1].noise is None


def test_half_the_strength_takes_half_away(shrink):
    found = run([image("gfactor", 2.0), image()], strength=0.5, linear=False)
    assert torch.equal(found[1].data, torch.full((1, 1, Y, X), 4 - 1j))


def test_the_model_and_what_ran_it_stand_in_the_meta():
    found = run([image("gfactor", 1.0), image()])
    assert found[1].meta["ScansideModel"] == "denoise-2d 1"
    assert len(found[1].meta["ScansideModelHash"]) == 64
    assert found[1].meta["ScansideBackend"] == "torch"
    assert found[1].meta["ScansideHistory"] == ("Denoise 1",)
    assert "ScansideModel" not in found[2].meta


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([image(), image()], "noise unknown"),
        ([image("gfactor", 1.0), image(ScansideNoise="none")], "noise unknown"),
        ([image("gfactor", 1.0), replace(image(), data=torch.ones(1, 1, Y, X))], "before Magnitude"),
    ],
)
def test_where_it_cannot_serve_the_image_passes_and_it_is_said(items, reason):
    found = [each for each in run(items) if not isinstance(each, Image) or each.role == "image"]
    assert isinstance(found[0], Text)
    assert found[0].level == "warning"
    assert sum(isinstance(each, Text) for each in found) == 1
    assert reason in found[1].meta["ScansideFallback"]
    assert found[1].meta["ScansideModel"] == "none"
    with pytest.raises(DataError, match=reason):
        run(items, outside="refuse")


def test_values_that_are_not_finite_never_leave(monkeypatch):
    class Broken(Shrink):
        def infer(self, inputs):
            return torch.full_like(inputs[0], torch.nan)

    monkeypatch.setattr(serve, "serving", lambda *asked: (Broken(), ""))
    found = run([image("gfactor", 1.0), image()])
    assert "not finite" in found[1].text
    assert torch.equal(found[2].data, image().data)


def test_replicas_measure_what_the_noise_becomes(monkeypatch):
    class Half(Shrink):
        def infer(self, inputs):
            return 0.5 * inputs[0]

    monkeypatch.setattr(serve, "serving", lambda *asked: (Half(), ""))
    *_, noise = run([image("gfactor", 2.0), image()], replicas=16)
    assert noise.role == "noise"
    assert noise.meta["ScansideNoiseOf"] == "image"
    assert float(noise.data.mean()) == pytest.approx(1.0, abs=0.03)


def test_another_backend_that_fails_gives_way_to_torch_and_it_is_said(monkeypatch):
    class Lost(Shrink):
        name = "tensorrt"

        def infer(self, inputs):
            raise RuntimeError("no device")

    monkeypatch.setattr(serve, "serving", lambda *asked: (Lost(), ""))
    found = run([image("gfactor", 1.0), image(), image()], linear=False)
    assert "torch in place of backend auto: tensorrt failed: no device" in found[1].text
    assert [each.meta["ScansideBackend"] for each in found[2:]] == ["torch", "torch"]
    assert "no device" in found[3].meta["ScansideBackendFallback"]


def test_a_converted_model_that_is_not_there_lets_the_image_pass():
    text, passed = ApplyModel(model="odd").process(iter([image()]), Scan())
    assert "model 'odd' is unknown" in text.text
    assert passed.meta["ScansideModel"] == "none"


def test_a_converted_model_makes_each_image_anew(monkeypatch):
    monkeypatch.setattr(serve, "serving", lambda *asked: (Shrink(), ""))
    main, linear = ApplyModel(model="denoise-2d").process(iter([image()]), Scan())
    assert torch.equal(main.data, torch.full((1, 1, Y, X), 4 - 1j))
    assert linear.role == "linear"
