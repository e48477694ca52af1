"""One infer for all backends: only what equals torch serves, and what does not is said."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from models import background, export, forms, runner, zoo
from models.backends import eager, trt
from models.errors import ModelError
from models.nets.unrolled import Design, Unrolled
from tests.models.test_zoo import CARD


@pytest.fixture
def model(tmp_path, monkeypatch):
    torch.manual_seed(0)
    zoo.save(CARD, Unrolled(Design(iterations=1, widths=(4, 4, 8))), tmp_path / "cards")
    monkeypatch.setenv("SCANSIDE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(runner, "_serving", {})
    monkeypatch.setattr(background, "build", lambda *asked, **kind: None)
    return zoo.load(str(tmp_path / "cards" / "tiny.yml"))


class Off:
    name, precision = "onnxruntime", "fp32"

    def __init__(self, network, by):
        self.network, self.by = network, by

    def infer(self, inputs):
        with torch.no_grad():
            return self.network(*inputs) * self.by


def test_a_backend_that_differs_does_not_pass(model):
    assert runner.gate(model, Off(model.network, 1.00001)) < 1e-4
    with pytest.raises(ModelError, match=r"differs from torch by 1.0e-02 of tiny's image, allowed are 1e-04"):
        runner.gate(model, Off(model.network, 1.01))
    with pytest.raises(ModelError, match="differs from torch by inf"):
        runner.gate(model, Off(model.network, float("nan")))


def test_an_unknown_backend_is_named(model):
    with pytest.raises(ModelError, match="backend 'abacus' is unknown; there are tensorrt, tensorrt_rtx"):
        runner.start(model, "abacus")


def test_torch_serves_where_nothing_better_is_there(model):
    backend, reason = runner.serving(model, "auto")
    assert backend.name in ("torch", "torch-graph")
    assert reason == ""


def test_sessions_of_a_process_share_a_backend(model):
    assert runner.serving(model)[0] is runner.serving(model)[0]


def test_torch_serves_in_place_of_a_backend_that_is_not_ready_and_it_is_said(model):
    backend, reason = runner.serving(model, "onnxruntime")
    assert backend.name == "torch"
    assert "onnxruntime: no export yet: scanside models build tiny" in reason


def test_a_damaged_export_is_not_used_and_it_is_said(model):
    path = export.kept(model)
    path.parent.mkdir(parents=True)
    path.with_suffix(".sha256").write_text("0" * 64)
    path.write_bytes(b"graph")
    backend, reason = runner.serving(model, "onnxruntime")
    assert backend.name == "torch"
    assert "the export is damaged" in reason


def test_a_backend_that_fails_its_gate_never_serves(model, monkeypatch):
    kinds = {"onnxruntime": Off(model.network, 2.0), "torch": eager.Torch(model.network)}
    monkeypatch.setattr(runner, "start", lambda model, name, **kind: kinds[name])
    backend, reason = runner.serving(model, "onnxruntime")
    assert backend is kinds["torch"]
    assert "onnxruntime (fp32) differs from torch by 1.0e+00" in reason


def test_another_version_of_weights_has_another_export(model):
    from dataclasses import replace

    assert export.kept(model) != export.kept(replace(model, sha256="1"))
    assert export.kept(model) != export.kept(model, "mixed")


def test_what_is_missing_is_made_by_a_process_that_nobody_waits_for(model, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    monkeypatch.undo()
    monkeypatch.setenv("SCANSIDE_STATE", str(tmp_path / "state"))
    asked = []
    monkeypatch.setattr(subprocess, "Popen", lambda words, **how: asked.append(words))
    background.build(model, "torch-cuda", "fp32", asked=True)
    background.build(model, "tensorrt_rtx", "fp32", asked=True)
    background.build(model, "onnxruntime", "fp32", asked=False)
    assert asked == [] or torch.cuda.is_available()
    background.build(model, "onnxruntime", "fp32", asked=True)
    assert asked[-1] == [
        sys.executable,
        "-P",
        "-m",
        "models.background",
        str(model.path),
        "onnxruntime",
        "fp32",
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_another_process_made_passes_its_gate_and_serves_the_next_scan(model, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    monkeypatch.undo()
    monkeypatch.setenv("SCANSIDE_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(runner, "_serving", {})
    assert runner.serving(model, "onnxruntime")[0].name == "torch"
    assert background.started.pop().wait(timeout=500) == 0
    backend, reason = runner.serving(model, "onnxruntime")
    assert (backend.name, reason) == ("onnxruntime", "")


class Library:
    """What is used of TensorRT, as it should be called: the engine doubles the first input."""

    def __init__(self, typed):
        self.__name__, self.__version__ = "tensorrt", "11"
        self.asked, self.profiles, self.cleared = [], [], []
        self.NetworkDefinitionCreationFlag = SimpleNamespace(**({"STRONGLY_TYPED": 1} if typed else {}))
        self.BuilderFlag = SimpleNamespace(TF32="tf32")
        self.Logger = type("Logger", (), {"ERROR": 1, "__init__": lambda own, level: None})
        self.TensorIOMode = SimpleNamespace(INPUT="in")

    def Builder(self, logger):
        made = SimpleNamespace(
            num_layers=1,
            get_layer=lambda index: SimpleNamespace(
                type="LayerType.CONVOLUTION",
                num_outputs=1,
                get_output=lambda index: SimpleNamespace(dtype="DataType.HALF"),
            ),
        )
        config = SimpleNamespace(
            clear_flag=self.cleared.append,
            add_optimization_profile=lambda profile: self.profiles.append(profile),
        )
        return SimpleNamespace(
            create_network=lambda flags: self.asked.append(flags) or made,
            create_builder_config=lambda: config,
            create_optimization_profile=lambda: (
                lambda shapes: SimpleNamespace(
                    shapes=shapes, set_shape=lambda name, *three: shapes.update({name: three})
                )
            )({}),
            build_serialized_network=lambda network, config: b"plan",
        )

    def OnnxParser(self, network, logger):
        return SimpleNamespace(
            parse=lambda content: content != b"odd",
            num_errors=1,
            get_error=lambda index: "no importer for Odd",
        )


@pytest.mark.parametrize(("typed", "flags"), [(True, 2), (False, 0)])
def test_engines_are_strongly_typed_in_every_version_and_hold_a_profile_for_each_size(
    typed, flags, tmp_path, monkeypatch
):
    fake = Library(typed)
    monkeypatch.setattr(trt, "library", lambda name: fake)
    (tmp_path / "m.onnx").write_bytes(b"graph")
    plan, layers = trt.build(tmp_path / "m.onnx", forms.UNROLLED, "tensorrt")
    assert (plan, layers) == (b"plan", {"CONVOLUTION HALF": 1})
    assert fake.asked == [flags]
    assert fake.cleared == ["tf32"]
    assert len(fake.profiles) == len(trt.LINES)
    assert fake.profiles[1].shapes["matrix"] == ((64, 136, 272), (192, 192, 384), (512, 192, 384))
    assert fake.profiles[1].shapes["sd"] == ((1, 1, 136, 64), (1, 1, 192, 192), (32, 1, 192, 512))


def test_a_graph_that_a_library_refuses_is_said_with_its_words(tmp_path, monkeypatch):
    monkeypatch.setattr(trt, "library", lambda name: Library(typed=True))
    (tmp_path / "m.onnx").write_bytes(b"odd")
    with pytest.raises(ModelError, match=r"tensorrt refuses m.onnx: no importer for Odd"):
        trt.build(tmp_path / "m.onnx", forms.DENOISER)


def test_a_template_has_loaded_nothing_that_only_an_export_needs_and_leaves_its_forks_nothing_to_collect():
    words = "import gc, sys, server.template; server.template._load()\n"
    words += "print({'sympy', 'onnx', 'onnxruntime', 'skimage', 'scipy'} & set(sys.modules))\n"
    words += "print(len(gc.get_objects()) < 0.01 * gc.get_freeze_count())\n"
    words += "import numpy; known = set(sys.modules); numpy.unique([1]), numpy.fft.fft([1])\n"
    words += "print(set(sys.modules) - known)"
    said = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout
    assert said == "set()\nTrue\nset()\n"
