"""Cards and weights: only what the card states is used, and only where the card says."""

import pytest
import torch

from models import runner, zoo
from models.card import Card, Envelope, Weights
from models.errors import ModelError
from models.nets.unrolled import Design, Unrolled

DESIGN = Design(iterations=1, widths=(4, 4, 8))
ENVELOPE = Envelope(
    acceleration=(1, 6),
    signal=(3, 100),
    coils=(4, 32),
    lines=(96, 320),
    columns=(48, 512),
    reference_lines=16,
)
CARD = Card(
    name="tiny",
    version=1,
    task="reconstruction",
    takes="",
    gives="",
    design=DESIGN,
    weights=Weights(file="", sha256=""),
    envelope=ENVELOPE,
    corpus="",
    recipe="",
    licence="Apache-2.0",
)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    network = Unrolled(DESIGN)
    zoo.save(CARD, network, tmp_path)
    return network, tmp_path / "tiny.yml"


def test_what_is_saved_is_loaded_with_the_hash_of_its_card(saved):
    network, path = saved
    model = zoo.load(str(path))
    assert model.card.weights.sha256 == model.sha256
    for one, other in zip(network.parameters(), model.network.parameters(), strict=True):
        assert torch.equal(one.detach().half().float(), other)


def test_one_changed_byte_is_refused(saved):
    path = saved[1].with_suffix(".safetensors")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model tiny: weights tiny.safetensors have SHA-256 .*, expected"):
        zoo.load(str(saved[1]))


def test_missing_weights_are_named(saved):
    saved[1].with_suffix(".safetensors").unlink()
    with pytest.raises(ModelError, match=r"tiny.safetensors: No such file"):
        zoo.load(str(saved[1]))


def test_weights_of_another_design_are_refused(saved):
    text = saved[1].read_text().replace("iterations: 1", "iterations: 2")
    saved[1].write_text(text)
    with pytest.raises(ModelError, match="do not fit its design"):
        zoo.load(str(saved[1]))


def test_a_card_may_not_point_elsewhere(saved):
    saved[1].write_text(saved[1].read_text().replace("file: tiny", "file: ../tiny"))
    with pytest.raises(ModelError, match="expected no path"):
        zoo.load(str(saved[1]))


def test_a_card_with_an_unknown_field_is_refused(saved):
    saved[1].write_text(saved[1].read_text() + "colour: red\n")
    with pytest.raises(ModelError, match="colour"):
        zoo.load(str(saved[1]))


def test_the_envelope_names_what_is_found_and_what_is_expected():
    facts = {"acceleration": 4, "signal": 1.5, "coils": 8, "lines": 400, "columns": 64, "reference_lines": 8}
    assert ENVELOPE.leaves(facts) == [
        "signal 1.5, expected 3 to 100",
        "lines 400, expected 96 to 320",
        "reference lines 8, expected 16 or more",
    ]
    assert ENVELOPE.leaves({**facts, "signal": 30, "lines": 180, "reference_lines": 24}) == []


def test_padding_changes_nothing_that_data_consistency_gives():
    network = Unrolled(Design(iterations=1, regulariser="plain", widths=(4, 4, 4)))
    with torch.no_grad():
        network.regularisers[0].last.weight.zero_()
    inputs = zoo.example(1, (30, 21))
    padded = runner.pad(inputs)
    assert padded[0].shape == (1, 2, 32, 24)
    assert padded[2].shape == (24, 32, 64)
    with torch.no_grad():
        assert torch.allclose(network(*inputs), network(*padded)[..., :30, :21], atol=1e-6)


def test_every_card_of_the_project_is_whole():
    for name in zoo.names():
        model = zoo.load(name)
        assert model.card.name == name
        assert "diagnosis" in model.card.warning
        assert model.card.licence
        assert model.card.corpus


def test_the_models_of_the_project_fit_into_it():
    sizes = [path.stat().st_size for path in zoo.FOLDER.glob("*.safetensors")]
    assert max(sizes) < 4 << 20
    assert sum(sizes) < 12 << 20


@pytest.mark.parametrize("name", zoo.names())
def test_gain_never_matters_to_a_model_of_the_project(name):
    model = zoo.load(name)
    inputs = model.form.example(1, (32, 32), 0)
    once = model.network(*inputs)
    for gain in (0.5, 2.0):
        named = zip(model.form.names, inputs, strict=True)
        image = model.network(*(part if name == "matrix" else gain * part for name, part in named))
        expected = once if model.card.task == "segmentation" else gain * once
        assert torch.allclose(image, expected, rtol=1e-3, atol=1e-3 * float(once.abs().max()))
