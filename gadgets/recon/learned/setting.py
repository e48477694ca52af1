"""What an unrolled network needs of a slice before its lines are there: operator, inverse, noise map."""

from dataclasses import dataclass
from functools import cached_property

import torch

from gadgets.arrays import to_image
from gadgets.data import CoilMaps, Reference
from gadgets.errors import DataError
from gadgets.kspace.coilmaps.centre import box
from gadgets.recon.sense.window import COUNTERS, Span, Window, window
from gadgets.scan import Encoding
from models.inputs import consistency, signal, tikhonov, trained, two_channels
from models.nets.unrolled import Design
from models.operator import Coils, Proximal, proximal
from models.runner import pad, pad_matrix
from models.zoo import Inputs


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """One slice's maps with one pattern of lines: serves all frames that have both."""

    maps: CoilMaps
    sampled: torch.Tensor
    """int32, [k2, k1]."""

    window: Window
    coils: Coils
    normal: torch.Tensor
    """A^H W A, complex64 [x, y, y]."""

    linear: Proximal
    """The inverse that makes the Tikhonov image."""

    scale: float
    """Of the signal, in SNR units."""

    def serves(self, maps: CoilMaps, sampled: torch.Tensor) -> bool:
        """Whether it is of these maps and lines."""
        return self.maps is maps and torch.equal(self.sampled, sampled)

    @property
    def weights(self) -> torch.Tensor:
        """Of the window's lines, float32 [k1]."""
        return self.window.cut(self.sampled)[0].to(torch.float32)

    @cached_property
    def sd(self) -> torch.Tensor:
        """Noise of the linear image, float32 [y, x]."""
        return self.linear.sd()[0]

    @cached_property
    def exact(self) -> Proximal:
        """The inverse of the exact steps inside of a network."""
        return proximal(self.normal, trained(self.scale))

    @cached_property
    def last(self) -> Proximal:
        """The inverse of the exact step behind a network of gradient steps."""
        return proximal(self.normal, consistency(self.scale))

    @cached_property
    def steps(self) -> torch.Tensor:
        """weight P of the exact steps in two-channel form, of padded images."""
        return pad_matrix(self.exact.weight * self.exact.channels())

    @cached_property
    def operator(self) -> torch.Tensor:
        """A^H W A in two-channel form, of padded images."""
        return pad_matrix(torch.cat([self.normal.real, -self.normal.imag], -1))

    def inputs(self, adjoint: torch.Tensor, linear: torch.Tensor, design: Design) -> Inputs:
        """What a network takes, in units of the signal, of images [1, y, x]; sides made fit."""
        exact = design.consistency == "proximal"
        images = linear / self.scale, adjoint / (self.scale * (self.exact.weight if exact else 1))
        parts = [two_channels(image[0])[None] for image in images]
        matrix = self.steps if exact else self.operator
        return pad((parts[0], parts[1], matrix, self.sd[None, None] / self.scale))

    def image(self, found: torch.Tensor, adjoint: torch.Tensor, design: Design) -> torch.Tensor:
        """The network's answer [1, 2, y, x] as an image consistent with the data, complex64 [1, y, x].

        In SNR units. What a network of gradient steps took for noise, but the data say plainly, comes back by
        one exact step; the others end with one.
        """
        height, width = adjoint.shape[-2:]
        part = found[0, :, :height, :width] * self.scale
        image = torch.complex(part[0], part[1])[None]
        return image if design.consistency == "proximal" else self.last(adjoint, image)

    def ready(self, design: Design) -> "Setting":
        """Itself, with all that is computed once for a network computed."""
        _ = (self.sd, self.steps) if design.consistency == "proximal" else (self.sd, self.operator, self.last)
        return self

    def facts(self) -> dict[str, float]:
        """What a model's envelope asks for."""
        lines, columns = self.coils.maps.shape[-2:]
        there = self.weights > 0
        _, centre = box(self.sampled > 0)
        return {
            "acceleration": lines / max(int(there.sum()), 1),
            "signal": self.scale,
            "coils": self.coils.maps.shape[1],
            "lines": lines,
            "columns": columns,
            "reference_lines": len(centre),
            "edge": edge(there),
        }


def edge(there: torch.Tensor) -> float:
    """Lines missing at one end of k-space over the mean distance of lines; ``there``: bool [k1]."""
    size, found = len(there), there.nonzero()[:, 0]
    return max(int(found[0]), size - 1 - int(found[-1])) * len(found) / size if len(found) else 0.0


def settle(maps: CoilMaps, sampled: torch.Tensor, reference: Reference, encoding: Encoding) -> Setting:
    """The setting of a slice. Raises DataError for volumes and for more than one set of maps."""
    sets, _, depth = maps.data.shape[:3]
    if sets != 1 or depth != 1:
        raise DataError(
            f"Unrolled takes slices (2D) with one set of coil maps, but found {depth} planes and {sets} sets"
        )
    over = _window(sampled, encoding)
    coils = Coils.of(over.maps(maps.data)[:, :, 0])
    normal = coils.normal(over.cut(sampled)[0].to(torch.float32))
    scale = max(signal(_low(reference, over, coils), coils.maps), 1e-6)
    return Setting(
        maps=maps,
        sampled=sampled,
        window=over,
        coils=coils,
        normal=normal,
        linear=proximal(normal, tikhonov(scale)),
        scale=scale,
    )


def _window(sampled: torch.Tensor, encoding: Encoding) -> Window:
    """The window of the lines; the whole matrix where that of a lattice would leave some of them out."""
    over = window(sampled, encoding)
    if int((over.cut(sampled) > 0).sum()) == int((sampled > 0).sum()):
        return over
    planes, lines = (Span(size=size, first=0, points=size, kept=range(size)) for size in sampled.shape)
    return Window(k2=planes, k1=lines)


def _low(reference: Reference, over: Window, coils: Coils) -> torch.Tensor:
    """The image of the reference lines alone, complex64 [map, y, x]."""
    lines = reference.data if reference.transformed else to_image(reference.data)
    first, size = reference.first[1], reference.shape[1]
    full = torch.nn.functional.pad(lines, (0, 0, first, size - first - lines.shape[-2]))
    cut = over.cut(full, -2)[:, 0]
    return coils.adjoint(cut, torch.ones(cut.shape[-2]))


def foreseen(reference: Reference, encoding: Encoding) -> torch.Tensor | None:
    """The lines that the header promises, int32 [k2, k1]; None where it does not promise any.

    A guess to be early by: who has the lines compares.
    """
    planes, size = reference.shape[:2]
    limit = encoding.limit(COUNTERS[1])
    step, second = encoding.acceleration
    if planes != 1 or second != 1 or limit is None or encoding.calibration == "interleaved":
        return None
    shift = size // 2 - limit.center
    line = torch.arange(size)
    there = (line - size // 2) % step == 0
    there &= (line >= limit.minimum + shift) & (line <= limit.maximum + shift)
    averages = encoding.limit("average")
    sampled = there.to(torch.int32)
    if encoding.calibration == "embedded":
        first = reference.first[1]
        sampled[first : first + reference.data.shape[-2]] = 1
    return sampled[None] * (averages.size if averages else 1)
