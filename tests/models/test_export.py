"""Exported networks: real numbers only, the same answer as torch, at any batch and matrix."""

import warnings

import pytest
import torch

from models import runner, zoo
from models.errors import ModelError
from models.export import TOLERANCE, export, inspect
from models.nets.unrolled import Design, Unrolled
from tests.models.test_zoo import CARD

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_exported_network_is_the_same_at_any_batch_and_matrix(tmp_path):
    from dataclasses import replace

    torch.manual_seed(0)
    design = Design(iterations=1, widths=(4, 4, 8))
    zoo.save(replace(CARD, design=design), Unrolled(design), tmp_path)
    model = zoo.load(str(tmp_path / "tiny.yml"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = export(model, tmp_path / "tiny.onnx")
    assert exported.operators["Conv"] > 0
    assert exported.operators["MatMul"] == 2
    session = runner.start(model, "onnxruntime", exported.path)
    for batch, shape in ((1, (32, 24)), (3, (64, 40))):
        inputs = zoo.example(batch, shape, seed=3)
        expected = runner.start(model).infer(inputs)
        found = session.infer(inputs)
        assert (found - expected).abs().max() < TOLERANCE * expected.abs().max()


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


def test_an_unknown_backend_is_named():
    model = zoo.Model(card=CARD, network=Unrolled(CARD.design), sha256="")
    with pytest.raises(ModelError, match="backend 'abacus' is unknown; there are torch, onnxruntime"):
        runner.start(model, "abacus")
