"""A small random network in the place of those that come with the project."""

import pytest
import torch

from models import runner, zoo
from models.card import Card, Envelope, Weights
from models.nets.unrolled import Unrolled


@pytest.fixture
def lend(tmp_path, monkeypatch):
    """Make a network of a design the one of a name; the folder of its card."""

    def put(name, design, version=1, **more):
        torch.manual_seed(0)
        reach = {"signal": (1, 1000), "coils": (2, 32), "lines": (16, 400), "columns": (16, 400)}
        card = Card(
            name=name,
            version=version,
            task="reconstruction",
            takes="",
            gives="",
            design=design,
            weights=Weights(file="", sha256=""),
            envelope=Envelope(reference_lines=16, **reach, **more),
            corpus="",
            recipe="",
            licence="Apache-2.0",
        )
        zoo.save(card, Unrolled(design), tmp_path)
        monkeypatch.setattr(zoo, "FOLDER", tmp_path)
        monkeypatch.setattr(runner, "_known", {})
        return tmp_path

    return put
