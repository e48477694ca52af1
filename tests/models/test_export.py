"""Exported networks: real numbers only, the same answer as torch, at any batch and matrix."""

import math
from dataclasses import replace

import pytest
import torch

from models import runner, zoo
from models.errors import ModelError
from models.export import export, fault, inspect
from models.folding import folded
from models.nets.unrolled import Design, Unrolled
from models.precision import TOLERANCE, written
from tests.models.test_zoo import CARD

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", zoo.names())
def test_every_model_of_the_project_is_the_same_when_exported_and_becomes_an_engine(name, tmp_path):
    """One test, for the export is what costs: 25 s of processor time each."""
    model, path = zoo.load(name), tmp_path / f"{name}.onnx"
    exported = export(model, path)
    assert exported.operators["Conv"] > 10
    assert fault(path) == ""
    session = runner.start(model, "onnxruntime", path)
    assert runner.gate(model, session) < TOLERANCE["fp32"]
    for batch, shape in ((1, (32, 24)), (3, (64, 40))):
        inputs = model.form.example(batch, shape, 3)
        expected = runner.start(model).infer(inputs)
        assert (session.infer(inputs) - expected).abs().max() < TOLERANCE["fp32"] * expected.abs().max()
    pytest.importorskip("tensorrt_rtx", reason="the extra engine (240 MB) is not installed")
    from models.backends import trt

    plan, layers = trt.build(path, model.form)
    assert len(plan) > path.stat().st_size / 2
    convolutions = exported.operators["Conv"]
    assert layers["CONVOLUTION FLOAT"] == convolutions
    assert layers.get("MATRIX_MULTIPLY FLOAT", 0) == exported.operators.get("MatMul", 0)
    assert not [kind for kind in layers if kind.endswith((" HALF", " BF16", " FP8"))]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mixed_precision_stands_in_the_graph_and_data_consistency_stays_float32(tmp_path):
    torch.manual_seed(0)
    design = Design(iterations=1, widths=(4, 4, 8))
    zoo.save(replace(CARD, design=design), Unrolled(design), tmp_path)
    model, path = zoo.load(str(tmp_path / "tiny.yml")), tmp_path / "mixed.onnx"
    exported = export(model, path, "mixed")
    session = runner.start(model, "onnxruntime", path, "mixed")
    assert 1e-6 < runner.gate(model, session) < TOLERANCE["mixed"]
    pytest.importorskip("tensorrt_rtx", reason="the extra engine (240 MB) is not installed")
    from models.backends import trt

    layers = trt.build(path, model.form)[1]
    assert layers["CONVOLUTION HALF"] == exported.operators["Conv"]
    assert layers["MATRIX_MULTIPLY FLOAT"] == exported.operators["MatMul"] == 2
    assert "CONVOLUTION FLOAT" not in layers


def test_an_export_for_one_batch_only_is_refused(tmp_path):
    class Network(torch.nn.Module):
        def forward(self, noisy, sd):
            return noisy + sd * math.sqrt(noisy.shape[0])

    model = replace(zoo.load("denoise-2d"), network=Network())
    with pytest.raises(ModelError, match="an export would take noisy with 2 along axis 0 only"):
        export(model, tmp_path / "x.onnx")


def test_no_signal_is_beyond_float16():
    torch.manual_seed(0)
    network = Unrolled(Design(iterations=1, widths=(4, 4, 8))).eval()
    half = written(network, "mixed")
    linear, adjoint, matrix, sd = zoo.example(1, (32, 24))
    with torch.no_grad():
        for gain in (1e-5, 1.0, 1e5):
            inputs = gain * linear, gain * adjoint, matrix, gain * sd
            expected = network(*inputs)
            assert (half(*inputs) - expected).abs().max() < 3e-3 * expected.abs().max()


def test_a_graph_with_a_transform_is_refused(tmp_path):
    node = onnx.helper.make_node("DFT", ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, 1, [1, 4, 2]) for name in "xy")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y])), tmp_path / "dft.onnx")
    with pytest.raises(ModelError, match=r"dft.onnx holds DFT: expected real numbers"):
        inspect(tmp_path / "dft.onnx")


def test_a_graph_with_a_complex_type_is_refused(tmp_path):
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, 14, [4]) for name in "xy")
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y])), tmp_path / "c.onnx")
    with pytest.raises(ModelError, match=r"c.onnx holds x, y"):
        inspect(tmp_path / "c.onnx")


def test_what_a_graph_computes_from_constants_is_computed_when_it_is_written():
    """TensorRT refused the axes of a mean, which torch writes as a reshaped constant."""
    make = onnx.helper.make_node
    axes = onnx.numpy_helper.from_array(torch.tensor([[2], [3]]).numpy())
    nodes = [
        make("Constant", [], ["flat"], value_ints=[-1]),
        make("Constant", [], ["two"], value=axes),
        make("Reshape", ["two", "flat"], ["axes"]),
        make("Reshape", ["x", "flat"], ["kept"]),
        make("ReduceMean", ["x", "axes"], ["y"]),
    ]
    x, y = (onnx.helper.make_tensor_value_info(name, 1, [1, 1, 2, 2]) for name in "xy")
    proto = onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [x], [y]))
    assert folded(proto) == 1
    assert [node.output[0] for node in proto.graph.node if node.op_type == "Reshape"] == ["kept"]
    (made,) = proto.graph.initializer
    assert made.name == "axes"
    assert onnx.numpy_helper.to_array(made).tolist() == [2, 3]
