"""The model of a scan: loaded once, its backend chosen once, and what is not as asked is said."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch

from gadgets.data import Notes, Text
from models.backends import Backend
from models.errors import ModelError
from models.foreign import Foreign
from models.precision import Precision
from models.runner import serving, shared, start
from models.zoo import Model

Runs = Literal[
    "auto",
    "torch",
    "torch-cuda",
    "torch-graph",
    "onnxruntime",
    "onnxruntime-cuda",
    "onnxruntime-tensorrt",
    "tensorrt",
    "tensorrt_rtx",
]

Work = Callable[[Backend], torch.Tensor]


@dataclass(eq=False, kw_only=True)
class Served:
    """A model and what runs it, for one scan."""

    name: str
    backend: Runs = "auto"
    precision: Precision = "fp32"
    reason: str = ""
    """Why the backend is not the one that was asked for."""

    loaded: tuple[Model, Backend] | ModelError | None = None
    said: set[str] = field(default_factory=set)

    def load(self) -> tuple[Model, Backend] | ModelError:
        """The model and its backend, or why there is none."""
        if self.loaded is None:
            try:
                model = shared(self.name)
                backend, self.reason = serving(model, self.backend, self.precision)
                self.loaded = model, backend
            except ModelError as error:
                self.loaded = error
        return self.loaded

    def run(self, work: Work) -> torch.Tensor:
        """What ``work`` gives by the backend; by torch from here on where another backend fails.

        Raises ModelError where there is no model, or where torch could not run it.
        """
        loaded = self.load()
        if isinstance(loaded, ModelError):
            raise loaded
        model, backend = loaded
        try:
            return work(backend)
        except (ModelError, RuntimeError) as error:
            if backend.name == "torch" or isinstance(model.card.design, Foreign):
                raise
            self.reason = f"{backend.name} failed: {error}"
            self.loaded = model, start(model)
            return work(self.loaded[1])

    def notes(self) -> Notes:
        """Model, hash, backend and precision, as an image's meta name them."""
        if self.loaded is None or isinstance(self.loaded, ModelError):
            return {}
        model, backend = self.loaded
        named: Notes = {
            "ScansideModel": f"{model.card.name} {model.card.version}",
            "ScansideModelHash": model.sha256,
            "ScansideBackend": backend.name,
            "ScansidePrecision": backend.precision,
        }
        return {**named, "ScansideBackendFallback": self.reason} if self.reason else named

    def warn(self, text: str) -> Iterator[Text]:
        """A warning, the first time."""
        if text not in self.said:
            self.said.add(text)
            yield Text(text=text, level="warning")

    def warn_of_backend(self) -> Iterator[Text]:
        """A warning where torch took another backend's place, the first time."""
        if self.reason:
            yield from self.warn(f"torch in place of backend {self.backend}: {self.reason}")
