"""What flows through a chain. Items are frozen: a gadget makes new ones and never writes into an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gadgets.head import Flag

if TYPE_CHECKING:  # the process that keeps a connection knows these types, but never loads torch
    import torch

    from gadgets.recon.view import View

Value: TypeAlias = str | int | float | Sequence[str] | Sequence[int] | Sequence[float]
"""A value of an image's meta attributes."""

Notes: TypeAlias = Mapping[str, Value]
"""What data went through: every gadget adds its entries, and they end in the meta of the images."""

Heads: TypeAlias = NDArray[Any]
"""Structured array of ``gadgets.head.READOUT_HEAD`` (or ``IMAGE_HEAD``, ``WAVEFORM_HEAD``)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Readouts:
    """Consecutive readouts of one shape, one encoding space and one kind."""

    flags: ClassVar[Flag] = Flag(0)
    """Readouts with one of these flags are of this kind; none: imaging or reference lines."""

    head: Heads
    """The MRD headers, [readout]."""

    data: NDArray[np.complex64]
    """The samples, [readout, coil, sample]."""

    trajectory: NDArray[np.float32] | None = None
    """k-space positions, [readout, sample, dimension]; None when the headers carry none."""

    notes: Notes = field(default_factory=dict)

    @property
    def encoding(self) -> int:
        """Which encoding space of the header these readouts belong to."""
        return int(self.head["encoding_space_ref"][0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Block(Readouts):
    """Imaging and reference lines: the only readouts that may enter k-space."""

    transformed: bool = False
    """The last axis is the position along the readout (x), no longer k0."""

    saturated: NDArray[np.bool_] | None = None
    """Which readouts the receiver clipped, [readout]; None: none that is known."""


class Noise(Readouts):
    """Readouts without excitation."""

    flags = Flag.NOISE_MEASUREMENT


class Navigation(Readouts):
    """Navigator echoes."""

    flags = Flag.NAVIGATION


@dataclass(frozen=True, kw_only=True, eq=False)
class PhaseCorrection(Readouts):
    """Reference echoes of EPI."""

    flags = Flag.PHASE_CORRECTION

    transformed: bool = False
    """The last axis is the position along the readout (x), no longer k0."""


class Dummy(Readouts):
    """Readouts before the steady state."""

    flags = Flag.DUMMY_SCAN


class Feedback(Readouts):
    """Readouts for real-time and hyperpolarisation feedback."""

    flags = Flag.HP_FEEDBACK | Flag.RT_FEEDBACK


class SurfaceCoil(Readouts):
    """Prescan-normalise lines."""

    flags = Flag.SURFACE_COIL_CORRECTION


class PhaseStabilization(Readouts):
    """Phase stabilisation scans and their references."""

    flags = Flag.PHASE_STABILIZATION_REFERENCE | Flag.PHASE_STABILIZATION


ASIDE: tuple[type[Readouts], ...] = (
    Noise,
    PhaseCorrection,
    Navigation,
    Dummy,
    Feedback,
    SurfaceCoil,
    PhaseStabilization,
)
"""The kinds that never enter k-space, in the order in which a readout with several flags is claimed.

Siemens flags the reference echoes of EPI as navigators and feedback, too.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Waveform:
    """A stretch of a physiological signal."""

    head: Heads
    """One ``WAVEFORM_HEAD``, [] (zero-dimensional)."""

    data: NDArray[np.uint32]
    """[channel, sample]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NoiseMeasurement:
    """What noise readouts say about the channels: made of a scan's own, or of those of an earlier scan."""

    covariance: NDArray[np.complex128]
    """Mean of d d^H over the samples, about zero, [coil, coil]; 0 for channels that are not finite."""

    variance: NDArray[np.float64]
    """About the mean of each channel, [coil]: a constant channel has none; 0 where it is not finite."""

    samples: int
    """How many samples per channel the means run over."""

    sample_time: float = 0.0
    """The dwell time that the noise level belongs to [us]; 0 when the headers do not state it."""

    bandwidth: float | None = None
    """Receiver noise bandwidth relative to 1 / dwell time, as its header says."""

    coil_labels: tuple[str, ...] = ()
    """Coil names in the order of the channels."""

    origin: str = ""
    """Pseudonym of the earlier measurement that it is; empty when this scan's own readouts made it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CoilMeasurement:
    """The middle of k-space of every slice as an earlier scan measured it for the coils: what calibrates."""

    data: NDArray[np.complex64]
    """[slice, coil, k2, k1, k0]; along each axis the centre of k-space stands at index n // 2."""

    fov: tuple[float, float, float]
    """Field of view [m], (x, y, z): 1 / the distance of samples in k-space."""

    position: NDArray[np.float64]
    """Centre of each slice or slab, [slice, 3] [mm], as readouts say it."""

    directions: NDArray[np.float64]
    """Unit vectors along readout, phase and slice, [direction, 3]."""

    coil_labels: tuple[str, ...] = ()
    """Coil names in the order of the channels."""

    origin: str = ""
    """Pseudonym of the earlier measurement; empty for what this scan measures."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Kspace:
    """One complete buffer: all lines that one image (or series of n) is made of."""

    data: torch.Tensor
    """complex64, [slice, s, n, coil, k2, k1, k0]; the mean over averages, 0 where nothing was acquired."""

    sampled: torch.Tensor
    """int32, [slice, s, n, k2, k1]: how many times each line was acquired."""

    head: Heads
    """The header of the acquired line nearest to the centre of k-space, [slice, s, n]."""

    encoding: int
    """Which encoding space of the header."""

    transformed: bool = False
    """The last axis is the position along the readout (x), no longer k0."""

    notes: Notes = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The fully sampled lines that calibrate parallel imaging and coil maps, of one slice."""

    data: torch.Tensor
    """complex64, [coil, k2, k1, k0], the region of the reference lines only; mean over repeats."""

    first: tuple[int, int]
    """Index of the region's first line in the encoded matrix, (k2, k1)."""

    shape: tuple[int, int, int]
    """The encoded matrix that the region lies in, (k2, k1, k0)."""

    encoding: int
    slice: int
    """Which encoding space and which slice it calibrates."""

    transformed: bool = False
    """The last axis is the position along the readout (x), no longer k0."""

    notes: Notes = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class CoilMaps:
    """The sensitivity of each coil over one slice (or volume), for all images until other maps come."""

    data: torch.Tensor
    """complex64, [map, coil, z, y, x] over the encoded matrix (x as the k-space has it, not oversampled).

    Where a map has support the sum over coils of |data|^2 is 1, elsewhere it is 0. More than one map: soft
    SENSE, the first one explains most.
    """

    encoding: int
    slice: int
    """Which encoding space and which slice they belong to."""

    notes: Notes = field(default_factory=dict)


class CoilNoise(Protocol):
    """The noise of a coil image: knows the linear map from acquired samples to pixels."""

    def sd(self, weights: torch.Tensor, view: View = ...) -> torch.Tensor:
        """Noise sd (of the real part as of the imaginary part) of sum_c weights[c] image[c].

        ``weights`` complex64 [coil, z, y, x]; the answer is float32 [z, y, x]. ``view``: linear steps behind,
        as if they had acted on the coil images; ``weights`` are then those at its pixels.
        """


class ImageNoise(Protocol):
    """The noise of an image, which later linear steps can follow."""

    @property
    def sd(self) -> torch.Tensor:
        """Of the component in phase with the signal, float32 [z, y, x]."""

    def filtered(self, weights: torch.Tensor) -> ImageNoise:
        """After weights over the k-space of the image, float, broadcastable to [kz, ky, kx]."""

    def cropped(self, axis: int, size: int) -> ImageNoise:
        """Only the ``size`` pixels about the centre along an axis (negative)."""

    def resampled(self, axis: int, size: int) -> ImageNoise:
        """With ``size`` pixels along an axis (negative), by k-space that is cropped or zero-filled."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CoilImage:
    """An image of each coil, complex, in SNR units; not to be sent: a combination comes next."""

    data: torch.Tensor
    """complex64, [coil, z, y, x]."""

    head: Heads
    """One ``IMAGE_HEAD``, []: geometry, counters, time stamps."""

    noise: CoilNoise

    encoding: int
    notes: Notes = field(default_factory=dict)


Role = Literal[
    "image", "normalized", "bias", "linear", "gfactor", "noise", "snr", "labels", "contours", "report"
]
"""What an image shows; ``image`` is the main one, all others are its companions.

``normalized`` is the image with even brightness, and ``bias`` what it was divided by; ``linear`` is the
linear reconstruction of the same data where the main image is a non-linear or learned one; ``labels`` are
numbers of what their meta name (``ScansideLabels``), ``contours`` the image with their outlines in it.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """An image that may leave the server."""

    data: torch.Tensor
    """[channel, z, y, x]; complex64, float32, uint16 or int16."""

    head: Heads
    """One ``IMAGE_HEAD``, []. Matrix, channels and data type are written from ``data`` when it leaves."""

    role: Role = "image"

    meta: Notes = field(default_factory=dict)
    """Becomes the meta attributes."""

    noise: ImageNoise | None = field(default=None, repr=False)
    """Of g-factor, noise and SNR images: what their image's noise is, for the linear steps to come.

    Of a main image directly behind the combination of its coils: its own, for a denoiser that comes next.
    """


@dataclass(frozen=True, kw_only=True)
class Text:
    """A message for the console."""

    text: str
    level: Literal["info", "warning"] = "info"
