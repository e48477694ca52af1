"""A study as images, without k-space: the quick form, for algorithms and their tests."""

import math
from dataclasses import dataclass, field

import torch

from models.kinetics.concentration import RELAXIVITY, Readout
from models.simulation.perfusion.appearance import Look, look, picture, strengths
from models.simulation.perfusion.flow import HEALTHY
from models.simulation.perfusion.scene import MUSCLE, Scene, scene, segmented
from models.simulation.perfusion.sequence import Train
from models.simulation.perfusion.study import STEP, Study
from models.simulation.perfusion.truth import Truth, known
from models.simulation.scan import generator as source
from models.simulation.tissue import RELAXATION, Tissue


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """Images of one study; times [s] from the start of the scan, at the centre of k-space."""

    study: Study
    images: torch.Tensor = field(repr=False)
    """Saturated, complex64 [slice, frame, y, x]."""

    density: torch.Tensor = field(repr=False)
    """Proton density, complex64 [slice, frame, y, x]."""

    aif: torch.Tensor = field(repr=False)
    """The arterial images, complex64 [echo, frame, y, x]."""

    aif_density: torch.Tensor = field(repr=False)
    times: torch.Tensor = field(repr=False)
    """float64 [slice, frame]."""

    density_times: torch.Tensor = field(repr=False)
    aif_times: torch.Tensor = field(repr=False)
    """float64 [frame]."""

    aif_density_times: torch.Tensor = field(repr=False)
    noise_sd: float
    """Of the real part of ``images``, as of the imaginary part."""

    aif_noise_sd: float
    truth: Truth = field(repr=False)

    @property
    def readout(self) -> Readout:
        """Of the slices, for a look-up table."""
        return self.study.sequence.muscle.readout

    @property
    def aif_readout(self) -> Readout:
        """Of the arterial images."""
        return self.study.sequence.artery.readout

    @property
    def aif_echo_times(self) -> tuple[float, ...]:
        """[s]."""
        return self.study.sequence.artery.echoes

    @property
    def field(self) -> float:
        """[T]."""
        return self.study.sequence.field

    @property
    def relaxivity(self) -> float:
        """r1 [1 / (mM s)]."""
        return RELAXIVITY[self.field]

    @property
    def pixel(self) -> float:
        """Side of a pixel of the slices [m]."""
        return self.study.sequence.pixel

    @property
    def aif_pixel(self) -> float:
        """Side of a pixel of the arterial images [m]."""
        return self.study.sequence.fov[0] / self.study.sequence.artery.matrix[0]

    @property
    def t1_blood(self) -> float:
        """Nominal, unenhanced [s]."""
        return _nominal(Tissue.LEFT_BLOOD, self.field)

    @property
    def t1_myocardium(self) -> float:
        """Nominal, unenhanced [s]; the person's own differs by some per cent."""
        return _nominal(Tissue.MYOCARDIUM, self.field)


def make_series(study: Study, cnr: float = math.inf, box: int | None = 96) -> Series:
    """The images of a study, in the square of ``box`` pixels about the heart (None: all).

    ``cnr``: peak enhancement of healthy muscle under stress over the noise's sd, see ``enhancement``; the
    arterial images have half the noise.
    """
    eyes = look(study)
    slices = [scene(study, index, box) for index in range(study.sequence.slices)]
    artery = scene(study, -1)
    random = source(study.seed, 14)
    parts = [_frames(eyes, each) for each in slices]
    images, density = (torch.stack([part[which][:, 0] for part in parts]) for which in (1, 0))
    shade = torch.stack([shading(each) for each in slices])[:, None]
    sd = enhancement(eyes, slices[len(slices) // 2]) / cnr
    dark, bright = _frames(eyes, artery)
    around = shading(artery)
    first = study.sequence.density

    def noisy(values: torch.Tensor, level: float) -> torch.Tensor:
        noise = torch.view_as_complex(torch.randn(*values.shape, 2, generator=random))
        return values + level * noise

    times = torch.stack([study.times(index) for index in range(study.sequence.slices)])
    own = study.times(-1)
    return Series(
        study=study,
        images=noisy(images * shade, sd),
        density=noisy(density * shade, sd),
        aif=noisy(bright.transpose(0, 1) * around, sd / 2),
        aif_density=noisy(dark.transpose(0, 1) * around, sd / 2),
        times=times[:, first:],
        density_times=times[:, :first],
        aif_times=own[first:],
        aif_density_times=own[:first],
        noise_sd=sd,
        aif_noise_sd=sd / 2,
        truth=known(eyes, slices),
    )


def _nominal(tissue: Tissue, field: float) -> float:
    low, high = RELAXATION[tissue].t1
    return low + (high - low) * (field - 1.5) / 1.5


def shading(where: Scene) -> torch.Tensor:
    """A surface coil in front and its phase: 1 at the middle, complex64 [y, x]."""
    x, y = (each.float() / 0.1 for each in where.plane.offsets())
    x, y = x[None, :], y[:, None]
    size = torch.exp(-0.45 * y + 0.15 * x - 0.05 * (x * x + y * y))
    return torch.polar(size, 0.4 + 0.8 * x - 0.5 * y + 0.2 * x * y)


def _frames(eyes: Look, where: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    """Proton-density and saturated images without noise, float32 [frame, echo, y, x]."""
    study = eyes.study
    train = study.sequence.artery if where.index < 0 else study.sequence.muscle
    x, y = where.plane.offsets()
    weights = strengths(study.field(x, y))
    times = study.times(where.index)
    breaths = study.breaths(times).tolist()
    first, echoes = study.sequence.density, range(len(train.echoes))
    found = []
    for ready, breath in zip(eyes.ready(train, times[:first]), breaths[:first], strict=True):
        table = torch.stack([eyes.dark(train, ready, echo)[..., train.center] for echo in echoes], -1)
        found.append(picture(where.shares(breath), table, weights))
    for time, breath in zip(times[first:].tolist(), breaths[first:], strict=True):
        table = torch.stack([eyes.bright(train, time, echo)[..., train.center] for echo in echoes], -1)
        found.append(picture(where.shares(breath), table, weights))
    both = torch.stack(found)
    return both[:first], both[first:]


def enhancement(eyes: Look, where: Scene) -> float:
    """Peak signal of healthy muscle under stress (``HEALTHY``) minus its signal before the bolus.

    Mean over the muscle of a slice at end-expiration, with the shading; by it the contrast-to-noise ratio of
    pixels is defined, so that ischaemic muscle has less of it in the same scan.
    """
    muscle = segmented(where.shares(0.0)) == MUSCLE
    loud = float((shading(where).abs() * muscle).sum() / muscle.sum())
    return loud * healthy(eyes, eyes.study.sequence.muscle)


def healthy(eyes: Look, train: Train) -> float:
    """The same where the transmitted field and the coil are 1; of the whole bolus, however short the scan."""
    bolus = eyes.study.bolus
    time = torch.arange(0.0, bolus.arrival + bolus.transit + 40.0, STEP, dtype=torch.float64)
    held = HEALTHY.curves(bolus.left(time), STEP)[0]
    t1, t2 = (each[:, -1] for each in eyes.relaxed(held[:, None]))
    one = torch.ones_like(t1)
    signal = train.signal(t1, t2, one, eyes.study.efficiency)[:, train.center]
    return float(eyes.density[-1] * (signal.max() - signal[0]))
