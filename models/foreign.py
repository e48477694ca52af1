"""Models of other frameworks, as ONNX with a card: what they take, and how images become that and back."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from models.errors import ModelError

Task = Literal["image", "denoiser", "regulariser"]
"""What a converted model is for: image to image, noise taken away, a step of an iterative solver."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """How a converted model is fed."""

    kind: Literal["onnx"]
    source: Literal["pytorch", "onnx", "keras", "jax"]
    """The framework that it came from."""

    task: Task
    layout: Literal["channels-first", "channels-last"] = "channels-first"
    channels: Literal[1, 2, 3] = 2
    """1: magnitude; 2: real and imaginary part; 3: those and the noise map."""

    scale: Literal["snr", "peak"] = "snr"
    """Images are in SNR units, or divided by the 99.5th percentile of their magnitude."""

    multiple: int = 1
    """Sides of images must be multiples of this; they are padded with zeros, and cropped again."""

    def shape(self, batch: int, y: int, x: int) -> tuple[int, ...]:
        """Of an input."""
        if self.layout == "channels-first":
            return batch, self.channels, y, x
        return batch, y, x, self.channels

    @property
    def free(self) -> tuple[int, ...]:
        """The axes that are free: batch, y, x."""
        return (0, 2, 3) if self.layout == "channels-first" else (0, 1, 2)

    def feed(self, images: torch.Tensor, sd: torch.Tensor | None, unit: torch.Tensor) -> torch.Tensor:
        """What the model takes of complex images [n, y, x], their noise map [y, x] and unit [n, 1, 1]."""
        images = images / unit
        parts = [images.abs()] if self.channels == 1 else [images.real, images.imag]
        if self.channels == 3:
            if sd is None:
                raise ModelError("the model takes a noise map, but there is none")
            parts.append((sd / unit).expand(images.shape))
        taken = torch.stack(parts, 1).float()
        down, right = (-size % self.multiple for size in taken.shape[-2:])
        taken = torch.nn.functional.pad(taken, (0, right, 0, down))
        return taken if self.layout == "channels-first" else taken.movedim(1, -1).contiguous()

    def answer(self, found: torch.Tensor, images: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
        """The complex images [n, y, x] of the model's answer; a magnitude takes its image's phase.

        Raises ModelError for an answer of another shape.
        """
        channels = found if self.layout == "channels-first" else found.movedim(-1, 1)
        height, width = images.shape[-2:]
        if channels.dim() != 4 or channels.shape[0] != len(images) or channels.shape[1] not in (1, 2):
            raise ModelError(
                f"the model gives {tuple(found.shape)}, expected one or two channels for each of "
                f"{len(images)} images"
            )
        channels = channels[..., :height, :width]
        if channels.shape[-2:] != images.shape[-2:]:
            raise ModelError(f"the model gives {tuple(found.shape)} for images of {height} x {width}")
        if channels.shape[1] == 2:
            return torch.complex(channels[:, 0], channels[:, 1]) * unit
        phase = images / images.abs().clamp(min=1e-20)
        return channels[:, 0] * phase * unit

    def unit(self, images: torch.Tensor) -> torch.Tensor:
        """By what each image is divided, float32 [n, 1, 1]."""
        if self.scale == "snr":
            return torch.ones(len(images), 1, 1)
        magnitude = images.abs().flatten(1)[:, :: 1 + images[0].numel() // (1 << 20)]
        return torch.quantile(magnitude, 0.995, dim=1).clamp(min=1e-12)[:, None, None]


class Absent(nn.Module):
    """Stands for a network of which only the ONNX file is there: torch cannot run it."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Raises ModelError."""
        raise ModelError("this model is an ONNX file: backend onnxruntime runs it, torch does not")
