"""Models of other frameworks: converted in a process of their own, equal to the framework, or refused."""

import os
import stat
import textwrap
from pathlib import Path

import pytest
import torch

from models import runner, zoo
from models.apply import apply
from models.convert import Request, convert, reason
from models.errors import ModelError
from models.foreign import Foreign
from server.cli import main

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

CONVERTERS = "SCANSIDE_CONVERTERS"
"""Environment variable: an interpreter that has Keras with torch, and jax2onnx."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "models"
    place.mkdir(mode=0o755)
    monkeypatch.setenv("SCANSIDE_MODELS", str(place))
    monkeypatch.setattr(runner, "_known", {})
    monkeypatch.setattr(runner, "_serving", {})
    return place


@pytest.fixture
def converters():
    if CONVERTERS not in os.environ:
        pytest.skip(f"{CONVERTERS} names no interpreter with Keras and jax2onnx")
    return Path(os.environ[CONVERTERS])


def design(source, task="image", **more):
    return Foreign(kind="onnx", source=source, task=task, **more)


def doubling(path, operator="Add"):
    """An ONNX file that gives each image twice."""
    axes = ["n", 2, "y", "x"]
    x, y = (onnx.helper.make_tensor_value_info(name, 1, axes) for name in "xy")
    node = onnx.helper.make_node(operator, ["x", "x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    opset = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def serve(name, images, sd=None):
    model = runner.shared(name)
    backend, why = runner.serving(model, "auto")
    assert (backend.name, why) == ("onnxruntime", "")
    return apply(model, backend, images, sd)


def complexes(*shape):
    return torch.view_as_complex(torch.randn(*shape, 2, generator=torch.Generator().manual_seed(0)))


def test_an_onnx_file_gets_a_card_and_serves(folder, tmp_path, capsys):
    words = [
        "models",
        "convert",
        str(doubling(tmp_path / "twice.onnx")),
        "--name",
        "twice",
        "-o",
        str(folder),
    ]
    assert main([*words, "--source", "onnx", "--task", "image"]) == 0
    assert "- ApplyModel: {model: twice}" in capsys.readouterr().out
    assert "twice" in zoo.names()
    card = zoo.load("twice").card
    assert card.design.source == "onnx"
    assert "trained by others" in card.corpus
    images = complexes(3, 20, 30)
    assert torch.allclose(serve("twice", images), 2 * images)


def test_one_changed_byte_of_a_converted_model_is_refused(folder, tmp_path):
    convert(Request(name="twice", file=doubling(tmp_path / "t.onnx"), design=design("onnx")), folder)
    path = folder / "twice.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="model twice: weights twice.onnx have SHA-256"):
        zoo.load("twice")


def test_a_folder_that_others_may_write_is_refused(folder):
    folder.chmod(folder.stat().st_mode | stat.S_IWOTH)
    with pytest.raises(ModelError, match="may be written by others"):
        zoo.names()


def test_an_operator_that_nobody_knows_is_named_and_nothing_is_left(folder, tmp_path):
    with pytest.raises(ModelError, match=r"odd.onnx cannot be converted: operator Abacus is not supported"):
        convert(
            Request(name="odd", file=doubling(tmp_path / "odd.onnx", "Abacus"), design=design("onnx")), folder
        )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "operator"),
    [
        (
            "torch.onnx.ConversionError: No ONNX function found for aten.linalg_eigh.default",
            "aten.linalg_eigh",
        ),
        ("NotImplementedError: No plugins registered for JAX primitive 'igamma'", "igamma"),
        ("Fatal error: com.x:Odd(-1) is not a registered function/op", "Odd"),
    ],
)
def test_the_words_of_each_framework_name_the_operator(words, operator):
    assert f"operator {operator}" in reason(f"Traceback\n  line\n{words}\n")


def test_a_missing_interpreter_is_said(folder, tmp_path):
    with pytest.raises(ModelError, match="converter /no/such/python"):
        convert(
            Request(
                name="twice",
                file=doubling(tmp_path / "t.onnx"),
                design=design("onnx"),
                interpreter=Path("/no/such/python"),
            ),
            folder,
        )


def test_a_magnitude_model_keeps_the_phase_and_the_unit_of_its_image():
    like = design("onnx", channels=1, scale="peak", multiple=8)
    images = complexes(2, 20, 30)
    unit = like.unit(images)
    fed = like.feed(images, None, unit)
    assert fed.shape == (2, 1, 24, 32)
    assert torch.allclose(like.answer(0.5 * fed, images, unit), 0.5 * images, atol=1e-6)
    last = design("onnx", channels=3, layout="channels-last")
    assert last.feed(images, torch.ones(20, 30), torch.ones(2, 1, 1)).shape == (2, 20, 30, 3)
    with pytest.raises(ModelError, match="takes a noise map, but there is none"):
        last.feed(images, None, unit)


PYTORCH = """
    import torch
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 2, 3, padding=1)
        def forward(self, x):
            return x[:, :2] + self.last(torch.relu(self.first(x)))
    class Odd(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.eigh(x @ x.mT)[0][:, :2, :, None] * x[:, :2]
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_pytorch_class_becomes_a_denoiser_that_gives_what_pytorch_gives(folder, tmp_path):
    from safetensors.torch import save_file

    file, weights = tmp_path / "net.py", tmp_path / "net.safetensors"
    file.write_text(textwrap.dedent(PYTORCH))
    space: dict = {}
    exec(file.read_text(), space)
    torch.manual_seed(0)
    net = space["Net"]().eval()
    save_file(net.state_dict(), weights)
    asked = Request(
        name="net", file=file, item="Net", weights=weights, design=design("pytorch", "denoiser", channels=3)
    )
    assert convert(asked, folder).difference < 1e-5
    images, sd = complexes(1, 33, 21), torch.full((33, 21), 0.5)
    with torch.no_grad():
        expected = net(torch.cat([images.real, images.imag, sd[None]])[None])[0]
    found = serve("net", images, sd)[0]
    assert torch.allclose(torch.stack([found.real, found.imag]), expected, atol=1e-5)
    with pytest.raises(ModelError, match=r"cannot be converted: operator aten.*eigh"):
        convert(Request(name="odd", file=file, item="Odd", design=design("pytorch", channels=3)), folder)


KERAS = """
    import os; os.environ["KERAS_BACKEND"] = "torch"
    import sys, keras, numpy as np
    keras.utils.set_random_seed(0)
    x = keras.Input((None, None, 2))
    y = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y = keras.layers.Conv2D(2, 3, padding="same")(y)
    keras.Model(x, keras.layers.Add()([x, y])).save(sys.argv[1])
"""

JAX = """
    import jax, jax.numpy as jnp, numpy as np
    W = np.random.default_rng(0).standard_normal((3, 3, 2, 2)).astype(np.float32) * 0.1
    def model(x):
        y = jax.lax.conv_general_dilated(x, W, (1, 1), "SAME", dimension_numbers=("NCHW", "HWIO", "NCHW"))
        return x + jnp.maximum(y, 0)
    def odd(x):
        return x + jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
"""


@pytest.mark.slow
@pytest.mark.interop
@pytest.mark.timeout(600)
def test_a_keras_model_becomes_an_image_model(folder, tmp_path, converters):
    import subprocess

    (tmp_path / "make.py").write_text(textwrap.dedent(KERAS))
    subprocess.run([converters, "-I", tmp_path / "make.py", tmp_path / "m.keras"], check=True, timeout=300)
    asked = Request(
        name="keras",
        file=tmp_path / "m.keras",
        design=design("keras", layout="channels-last"),
        interpreter=converters,
    )
    assert convert(asked, folder).difference < 1e-4
    assert serve("keras", complexes(2, 33, 21)).shape == (2, 33, 21)


@pytest.mark.slow
@pytest.mark.interop
@pytest.mark.timeout(600)
def test_a_jax_function_becomes_a_regulariser(folder, tmp_path, converters):
    file = tmp_path / "net.py"
    file.write_text(textwrap.dedent(JAX))
    like = design("jax", "regulariser")
    asked = Request(name="jax", file=file, item="model", design=like, interpreter=converters)
    assert convert(asked, folder).difference < 1e-4
    images = complexes(1, 33, 21)
    assert torch.isfinite(serve("jax", images).abs().max())
    with pytest.raises(ModelError, match="cannot be converted: operator pure_callback is not supported"):
        convert(Request(name="odd", file=file, item="odd", design=like, interpreter=converters), folder)
