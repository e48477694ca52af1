"""What is true of a study: flow, curves, masks, sectors and the heart's way."""

from dataclasses import dataclass, field

import torch

from models.simulation.perfusion.appearance import Look
from models.simulation.perfusion.flow import Flow
from models.simulation.perfusion.scene import Scene, sectors_of, segmented
from models.simulation.tissue import Tissue


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """Frames are those with saturation; pixels those of the slices' images; y before x."""

    flow: Flow
    labels: torch.Tensor = field(repr=False)
    """1 left cavity with papillary muscles, 2 left muscle, 3 right cavity; uint8 [slice, frame, y, x]."""

    reference: torch.Tensor = field(repr=False)
    """The same at end-expiration, uint8 [slice, y, x]."""

    sectors: torch.Tensor = field(repr=False)
    """AHA 1 to 16 at end-expiration, 0 elsewhere; uint8 [slice, y, x]."""

    insertion: torch.Tensor
    """Where the right ventricle inserts, pixels, float64 [slice, (anterior, inferior), (y, x)]."""

    center: torch.Tensor
    """Of the left ventricle's axis, pixels, float64 [slice, (y, x)]."""

    displacement: torch.Tensor = field(repr=False)
    """Of the heart from end-expiration: y, x [pixel], through the slice [mm]; float64 [slice, frame, 3]."""

    density_displacement: torch.Tensor = field(repr=False)
    time: torch.Tensor = field(repr=False)
    """Of the curves [s]."""

    blood: torch.Tensor = field(repr=False)
    right_blood: torch.Tensor = field(repr=False)
    """Left and right ventricle [mM], [time]."""

    tissue: torch.Tensor = field(repr=False)
    """[mM per volume of tissue], float64 [sector, time]; index 0 is AHA 1."""

    aif: torch.Tensor = field(repr=False)
    """Blood of the left ventricle when arterial images are acquired [mM], [frame]."""

    gd: torch.Tensor = field(repr=False)
    """Sectors when slices are acquired [mM], [slice, frame, sector]."""

    @property
    def mbf(self) -> torch.Tensor:
        """[ml/min/g], float64 [sector]."""
        return self.flow.mbf

    @property
    def ps(self) -> torch.Tensor:
        """[ml/min/g]."""
        return self.flow.ps

    @property
    def vb(self) -> torch.Tensor:
        """[ml/g]."""
        return self.flow.vb

    @property
    def visf(self) -> torch.Tensor:
        """[ml/g]."""
        return self.flow.visf

    @property
    def delay(self) -> torch.Tensor:
        """[s]."""
        return self.flow.delay

    @property
    def haematocrit(self) -> float:
        """Share of cells in blood."""
        return self.flow.haematocrit

    def map(self, values: torch.Tensor) -> torch.Tensor:
        """A value for each sector [sector] as a map at end-expiration, 0 elsewhere, [slice, y, x]."""
        table = torch.cat([values.new_zeros(1), values])
        return table[self.sectors.long()]


def known(eyes: Look, slices: list[Scene]) -> Truth:
    """The truth of a study whose slices these are."""
    study = eyes.study
    first = study.sequence.density
    times = [study.times(each.index) for each in slices]
    breaths = [study.breaths(each).tolist() for each in times]
    ways = torch.tensor(
        [[each.displacement(breath) for breath in row] for each, row in zip(slices, breaths, strict=True)],
        dtype=torch.float64,
    ) * torch.tensor([1.0, 1.0, 1000.0])
    labels = [
        torch.stack([segmented(each.shares(breath)) for breath in row[first:]])
        for each, row in zip(slices, breaths, strict=True)
    ]
    rest = [each.shares(0.0) for each in slices]
    rows = torch.stack([_at(eyes, each[first:]) for each in times])
    return Truth(
        flow=study.flow,
        labels=torch.stack(labels),
        reference=torch.stack([segmented(each) for each in rest]),
        sectors=torch.stack([sectors_of(each) for each in rest]),
        insertion=torch.tensor(
            [[each.outline(angle) for angle in each.insertions()] for each in slices], dtype=torch.float64
        ),
        center=torch.tensor([each.pixel(0.0, 0.0) for each in slices], dtype=torch.float64),
        displacement=ways[:, first:],
        density_displacement=ways[:, :first],
        time=eyes.time,
        blood=eyes.held[Tissue.LEFT_BLOOD],
        right_blood=eyes.held[Tissue.RIGHT_BLOOD],
        tissue=eyes.held[len(Tissue) :],
        aif=_at(eyes, study.times(-1)[first:])[:, Tissue.LEFT_BLOOD],
        gd=rows[:, :, len(Tissue) :],
    )


def _at(eyes: Look, times: torch.Tensor) -> torch.Tensor:
    """Concentrations at some times, [time, row]."""
    return torch.stack([eyes.concentration(time) for time in times.tolist()])
