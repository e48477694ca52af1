"""The signal of tissues and sectors in each pulse of an image, at some strengths of the transmitted field."""

from dataclasses import dataclass, field

import torch

from models.kinetics.concentration import RELAXIVITY, RELAXIVITY_T2
from models.simulation.perfusion.scene import ROWS, Shares
from models.simulation.perfusion.sequence import Train
from models.simulation.perfusion.study import STEP, Study
from models.simulation.scan import generator as source
from models.simulation.tissue import Tissue, properties

NODES = (0.80, 0.93, 1.07, 1.20)
"""Strengths of the transmitted field at which signals are computed; between them a cubic goes."""

FRESH = (
    Tissue.AORTA,
    Tissue.LEFT_BLOOD,
    Tissue.RIGHT_BLOOD,
    Tissue.LEFT_ATRIUM,
    Tissue.RIGHT_ATRIUM,
    Tissue.PULMONARY,
)
"""Blood that flows: pulses of the heartbeat before never met it."""

DECAY = {Tissue.LUNG: 200.0, Tissue.FAT: 40.0, Tissue.LIVER: 45.0}
"""Unenhanced R2* [1/s] of some tissues; others have ``REST``: plausible at 3 T, from no source."""

REST = 30.0
BLOOD = 15.0
TISSUE = 5.9133
"""r2 of the agent where it is not in vessels [1 / (mM s)] (open flow-mapping code of the NIH, 3 T)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """What the rows of a scene are, and how much agent they hold."""

    study: Study
    time: torch.Tensor
    """[s], every ``STEP``."""

    held: torch.Tensor
    """[mM], float64 [row, time]."""

    t1: torch.Tensor
    t2: torch.Tensor
    density: torch.Tensor
    """Unenhanced, float64 [row]."""

    nodes: torch.Tensor = field(default_factory=lambda: torch.tensor(NODES, dtype=torch.float64))

    def concentration(self, time: float) -> torch.Tensor:
        """[mM], float64 [row]."""
        place = min(max(time / STEP, 0.0), len(self.time) - 1.001)
        low = int(place)
        return torch.lerp(self.held[:, low], self.held[:, low + 1], place - low)

    def bright(self, train: Train, time: float, echo: int = 0) -> torch.Tensor:
        """Of a saturated image, float64 [node, row, pulse]."""
        held = self.concentration(time)
        t1, t2 = (self._grid(each) for each in self.relaxed(held))
        signal = train.signal(t1, t2, self._strength, self.study.efficiency)
        decay = 1.0 if train.ramp is not None else self._decay(held, train.echoes[echo])
        return signal * (self.density * decay)[None, :, None]

    def relaxed(self, held: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """T1 and T2 [s] of tissue that holds so much agent [mM]."""
        strength = self.study.sequence.field
        return (
            1 / (1 / self.t1 + RELAXIVITY[strength] * held),
            1 / (1 / self.t2 + RELAXIVITY_T2[strength] * held),
        )

    def dark(self, train: Train, ready: torch.Tensor, echo: int = 0) -> torch.Tensor:
        """Of a proton-density image, float64 [node, row, pulse]; ``ready`` [node, row]."""
        signal = train.density(self._grid(self.t1), self._strength, ready)
        held = torch.zeros(ROWS, dtype=torch.float64)
        return signal * (self.density * self._decay(held, train.echoes[echo]))[None, :, None]

    def ready(self, train: Train, times: torch.Tensor) -> list[torch.Tensor]:
        """Magnetisation before each proton-density image [node, row]: the first one is in equilibrium."""
        now = torch.ones(len(self.nodes), ROWS, dtype=torch.float64)
        fresh = torch.zeros(ROWS, dtype=torch.bool)
        fresh[list(FRESH)] = True
        found = []
        for gap in (*(times.diff() - len(train.lines) * train.spacing).tolist(), 0.0)[: len(times)]:
            found.append(now)
            left = train.left(self._grid(self.t1), self._strength, now)
            now = torch.where(fresh, 1.0, 1 - (1 - left) * torch.exp(-gap / self.t1))
        return found

    def _grid(self, values: torch.Tensor) -> torch.Tensor:
        """[node, row]."""
        return values.expand(len(self.nodes), ROWS)

    @property
    def _strength(self) -> torch.Tensor:
        return self._grid(self.nodes[:, None])

    def _decay(self, held: torch.Tensor, echo: float) -> torch.Tensor:
        rates = torch.full((ROWS,), REST, dtype=torch.float64)
        for tissue, rate in DECAY.items():
            rates[tissue] = rate
        more = torch.full((ROWS,), TISSUE, dtype=torch.float64)
        rates[list(FRESH)], more[list(FRESH)] = BLOOD, self.study.decay
        return torch.exp(-echo * (rates + more * held))


def look(study: Study) -> Look:
    """The tissues of a person; relaxation times vary between people."""
    known = properties(study.sequence.field, source(study.seed, 13))
    time, held = study.curves()
    rows = torch.arange(ROWS)
    rows = torch.where(rows < len(Tissue), rows, int(Tissue.MYOCARDIUM))
    return Look(
        study=study,
        time=time,
        held=held,
        t1=known.t1.double()[rows],
        t2=known.t2.double()[rows],
        density=known.density.double()[rows],
    )


def strengths(field: torch.Tensor) -> torch.Tensor:
    """How much of each node's signal a pixel gets (Lagrange), float32 [node, y, x]."""
    parts = []
    for here in NODES:
        value = torch.ones_like(field)
        for other in NODES:
            if other != here:
                value = value * (field - other) / (here - other)
        parts.append(value)
    return torch.stack(parts).float()


def picture(shares: Shares, table: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Signal of each pixel, float32 [..., y, x], from a table [node, row, ...] and ``strengths``."""
    chosen = table[:, shares.rows].float()
    extra = chosen.shape[2:]
    values, field = shares.values.flatten(1), weights.flatten(1)
    flat = chosen.reshape(*chosen.shape[:2], -1).mT
    signal = sum((flat[node] @ values) * field[node] for node in range(len(field)))
    assert isinstance(signal, torch.Tensor)
    return signal.reshape(*extra, *weights.shape[1:])
