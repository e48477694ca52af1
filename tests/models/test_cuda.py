"""The network on a GPU gives what it gives on the processor: eager, and as a recorded graph."""

import pytest
import torch

from models import zoo
from models.runner import gate, start
from models.train import loop
from models.train.machine import Machine
from models.train.recipe import Recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device"),
]


@pytest.mark.parametrize("backend", ["torch-cuda", "torch-graph"])
@pytest.mark.parametrize("name", zoo.names())
def test_a_backend_on_a_gpu_passes_the_gate_twice(name, backend):
    model = zoo.load(name)
    candidate = start(model, backend)
    assert gate(model, candidate) <= 1e-4
    assert gate(model, candidate) <= 1e-4


def test_a_recorded_graph_answers_to_what_it_is_given_each_time():
    model = zoo.load("unrolled-2d")
    graph, eager = start(model, "torch-graph"), start(model, "torch")
    for seed in (1, 2, 1):
        inputs = model.form.example(1, (64, 48), seed)
        assert torch.allclose(graph.infer(inputs), eager.infer(inputs), atol=2e-3)


def test_training_on_a_gpu_follows_that_on_the_processor(tmp_path, monkeypatch):
    from models.train import corpus

    monkeypatch.setattr(corpus, "SHARD", 8)
    monkeypatch.setattr(loop, "JUDGED", (("cells", 20.0),))
    recipe = Recipe(name="tiny", shards=1, shapes=((64, 32),), steps=20, every=20, batch=4, warmup=2)
    losses = {}
    for machine in (Machine(), Machine(device=torch.device("cuda"))):
        folder = tmp_path / machine.device.type
        folder.mkdir()
        corpus.make(folder / "corpus", 0, 1, [(64, 32)])
        told = losses.setdefault(machine.device.type, [])
        loop.train(recipe, folder, lambda step, loss, told=told: told.append(loss), machine=machine)
    assert losses["cuda"][-1] == pytest.approx(losses["cpu"][-1], abs=0.02)
