"""One simulated patient through the chain ``perfusion``, from k-space to numbers, beside the truth."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from benchmarks.perfusion_bound import bounded
from benchmarks.perfusion_sectors import Row, index_of, sectors
from gadgets.cardiac.perfusion.item import FirstPass, Slice
from gadgets.data import Readouts
from gadgets.gadget import Gadget, flat
from gadgets.scan import Scan
from models.cardiac.sectors import endocardial
from models.kinetics.blood import HAEMATOCRIT
from models.perfusion.arterial import Arterial
from models.perfusion.curves import RISE
from models.perfusion.curves import STEP as GRID
from models.perfusion.flow import kinetics
from models.perfusion.muscle import Heart
from models.simulation.perfusion.acquire import PerfusionSimulation, simulate_perfusion
from models.simulation.perfusion.scene import CAVITY, MUSCLE, RIGHT, Scene, scene, sectors_of, segmented
from models.simulation.perfusion.study import draw_study
from server.chain import build, named
from server.files.header import write_header
from server.perfusion import describe_perfusion, runs
from server.wire.header import read_header
from server.wire.readouts import split

COILS = 12

BEFORE = "table of curves"
"""What is made when the chain starts, before the first readout; of the scans of one process only the first
pays for it."""


@dataclass
class Clock:
    """CPU seconds of gadgets that pull from each other, each without what it waits for."""

    seconds: dict[str, float] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)
    _since: float = 0.0

    def _switch(self) -> None:
        now = time.thread_time()
        if self._names:
            name = self._names[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now

    def measured(self, name: str, items: Iterable[Any]) -> Iterator[Any]:
        """The items; the time that it takes to make them is that of ``name``."""
        source = iter(items)
        while True:
            self._switch()
            self._names.append(name)
            try:
                item = next(source)
            except StopIteration:
                return
            finally:
                self._switch()
                self._names.pop()
            yield item


def passed(gadget: Gadget, stream: Iterable[Any], scan: Scan) -> Iterator[Any]:
    """What a gadget answers; items that it does not take pass it by, in order."""
    taken, aside = gadget.signature()[0], deque[Any]()

    def mine() -> Iterator[Any]:
        for item in stream:
            if isinstance(item, taken):
                yield item
            else:
                aside.append(item)

    for answer in gadget.process(mine(), scan):
        while aside:
            yield aside.popleft()
        yield answer
    yield from aside


def laid(gadgets: Iterable[Gadget], stream: Iterable[Any], scan: Scan, clock: Clock) -> Iterator[Any]:
    """What leaves the last of some gadgets."""
    for gadget in gadgets:
        stream = clock.measured(type(gadget).__name__, passed(gadget, stream, scan))
    return iter(stream)


def chain(first: str, last: str, **more: dict[str, Any]) -> list[Gadget]:
    """The gadgets of the chain from one to another; ``more``: parameters of one by its name."""
    gadgets = [replace(each, **more.get(type(each).__name__, {})) for each in flat(build(named("perfusion")))]
    names = [type(each).__name__ for each in gadgets]
    return gadgets[names.index(first) : names.index(last) + 1]


def items(simulation: PerfusionSimulation) -> Iterator[Readouts]:
    """The scan as a scanner sends it."""
    for run in runs(simulation):
        yield from split(run)


def first_pass(stream: Iterable[Any]) -> FirstPass:
    """The one that leaves a part of the chain."""
    (item,) = (each for each in stream if isinstance(each, FirstPass))
    return item


@dataclass(kw_only=True)
class Seen:
    """What became of one scan: rows for the benchmark."""

    sectors: list[Row]
    slices: list[Row]
    patient: Row


def patient(seed: int, generator: str, cnrs: tuple[float, ...], scenes: dict[int, Scene]) -> list[Seen]:
    """One person's scans, alike but for their noise; ``scenes`` of the same person are used and kept."""
    begin = time.thread_time()
    study = draw_study(seed, generator)
    simulations = [simulate_perfusion(study, cnr, COILS, seed) for cnr in cnrs]
    for each in simulations:
        each.scenes = scenes
    clean = list(simulations[0].clean())
    cost = time.thread_time() - begin
    found = []
    for simulation in simulations:
        simulation.clean = lambda: iter(clean)  # type: ignore[method-assign]
        found.append(one(simulation))
        found[-1].patient["simulation_s"] = cost
    if len(found) > 1:
        bounded(found[0].sectors, found[1].sectors, simulations[0])
    for each in found:
        for row in each.sectors:
            row.pop("curve", None)
    return found


def one(simulation: PerfusionSimulation) -> Seen:
    """One scan through the chain, with the masks that it finds and with the true ones."""
    study, clock = simulation.study, Clock()
    scan = read_header(write_header(describe_perfusion(simulation, "perfusion")))
    for _ in clock.measured(BEFORE, map(kinetics, ("btex",), (HAEMATOCRIT,))):
        pass
    sent = clock.measured("simulation", items(simulation))
    raw = first_pass(laid(chain("DetectSaturation", "CollectFirstPass"), sent, scan, clock))
    moved = first_pass(laid(chain("CorrectMotion", "FindArterialInput"), [raw], scan, clock))
    found = first_pass(laid(chain("SegmentMyocardium", "QuantifyFlow"), [moved], scan, clock))
    for _ in laid(chain("ReportPerfusion", "ReportPerfusion"), [found], scan, clock):
        pass
    hearts = [known(each, scene(study, index_of(each))) for each in moved.slices]
    true = replace(moved, slices=tuple(hearts))
    arrival = chain("SegmentMyocardium", "QuantifyFlow", SegmentMyocardium={"model": ""})
    items_by = {
        "estimated": found,
        "classical": first_pass(laid(arrival, [moved], scan, Clock())),
        "true": by(true, scan, "btex"),
    }
    if study.generator == "2cxm":
        items_by["true, by 2cxm"] = by(true, scan, "2cxm")
    about = {"seed": study.seed, "generator": study.generator, "cnr": simulation.cnr}
    return Seen(
        sectors=[
            {**about, "masks": name, **row}
            for name, item in items_by.items()
            for row in sectors(item, simulation)
        ],
        slices=[
            {**about, **overlap(a, b, simulation.scenes[index_of(a)])}
            for a, b in zip(found.slices, hearts, strict=True)
        ],
        patient={
            **about,
            "refusals": list(found.refusals),
            "flags": list(found.flags),
            "refused_with_true_masks": list(items_by["true"].refusals),
            **_arterial(moved.arterial, simulation),
            "seconds": {name: round(value, 3) for name, value in clock.seconds.items()},
        },
    )


def by(item: FirstPass, scan: Scan, model: str) -> FirstPass:
    """The first pass with its flow by a model."""
    gadgets = chain("QuantifyFlow", "QuantifyFlow", QuantifyFlow={"model": model})
    return first_pass(laid(gadgets, [item], scan, Clock()))


def known(one: Slice, where: Scene) -> Slice:
    """A registered slice with the true masks, as they lie in the geometry that its frames have in common."""
    away, breath = _common(one, where)
    shares = where.shares(breath)
    own = torch.tensor(where.displacement(breath)[:2], dtype=torch.float64)
    corner = _corner(one, where) + own - away
    height, width = one.frames.signal.shape[-2:]
    labels, names = segmented(shares), sectors_of(shares)
    y, x = (round(float(each)) for each in corner)
    labels, names = (_part(each, y, x, height, width) for each in (labels, names))
    muscle, left = labels == MUSCLE, labels == CAVITY
    middle = torch.tensor(where.pixel(0.0, 0.0), dtype=torch.float64) + away - _corner(one, where)
    ends = [
        torch.tensor(where.outline(angle), dtype=torch.float64) + away - _corner(one, where)
        for angle in where.insertions()
    ]
    heart = Heart(
        left=left,
        muscle=muscle,
        right=labels == RIGHT,
        center=(float(middle[0]), float(middle[1])),
        insertions=tuple((float(each[0]), float(each[1])) for each in ends),  # type: ignore[arg-type]
        origin="truth",
    )
    return replace(one, heart=heart, segments=names * muscle, inner=endocardial(muscle, left))


def _part(image: torch.Tensor, y: int, x: int, height: int, width: int) -> torch.Tensor:
    """A part of an image [y, x] that may reach beyond it."""
    wide = torch.nn.functional.pad(image, (width, width, height, height))
    return wide[y + height : y + 2 * height, x + width : x + 2 * width]


def _corner(one: Slice, where: Scene, finer: int = 1) -> torch.Tensor:
    """The first pixel of a slice's box in the whole image, (y, x), in the pixels of ``where``, which are so
    many times finer than the slice's."""
    head, plane = one.frames.head, where.plane
    apart = torch.from_numpy(head["position"].astype(float)) - 1000 * torch.tensor(plane.center).double()
    along = [
        finer * float(apart @ torch.from_numpy(head[name].astype(float))) / (1e3 * step)
        for name, step in zip(("phase_dir", "read_dir"), one.frames.pixel, strict=True)
    ]
    sizes = finer * torch.tensor(one.frames.signal.shape[-2:]).double()
    whole = torch.tensor([plane.matrix[1], plane.matrix[0]]).double()
    return torch.tensor(along).double() + whole / 2 - sizes / 2


def _common(one: Slice, where: Scene) -> tuple[torch.Tensor, float]:
    """Where the heart lies in the common geometry, from end-expiration, (y, x) [pixel], and the breath of the
    frame that is nearest to it."""
    shift = _shifts(one)
    breaths = _breaths(one, where)
    ways = torch.tensor([where.displacement(each)[:2] for each in breaths], dtype=torch.float64)
    away = (ways - shift).median(0).values
    return away, breaths[int((ways - away).square().sum(1).argmin())]


def _breaths(one: Slice, where: Scene) -> list[float]:
    study = where.study
    times = study.times(where.index)[study.sequence.density :]
    return [float(each) for each in study.breaths(times)]


def _shifts(one: Slice) -> torch.Tensor:
    """Of each frame as it was found, [frame, (y, x)] [pixel]."""
    if one.moved is None:
        raise ValueError("the slice was not registered")
    return one.moved.displacement.mean((2, 3)).double()


def overlap(found: Slice, true: Slice, where: Scene) -> Row:
    """Of the masks where something is measured; and of the frames before registration and after it, the least
    and the mean.

    ``where`` has half pixels: frames are compared as finely.
    """
    breaths, shift = _breaths(found, where), _shifts(found) * 2
    ways = torch.tensor([where.displacement(each)[:2] for each in breaths], dtype=torch.float64)
    away = (ways - shift).median(0).values
    nearest = int((ways - away).square().sum(1).argmin())
    layouts = {each: segmented(where.shares(each)) == MUSCLE for each in set(breaths)}
    target = layouts[breaths[nearest]]
    before = [dice(layouts[each], target) for each in breaths]
    rolled = [
        torch.roll(layouts[each], tuple(int(part) for part in (ways[nearest] - way).round()), (0, 1))
        for each, way in zip(breaths, ways, strict=True)
    ]
    ideal = [dice(each, target) for each in rolled]
    first, finer = _corner(found, where, 2), _fine(found)
    common = (ways[nearest] - away)[:, None, None].expand(finer.shape[1:])
    box = _within(target, first, common)
    after = [dice(_within(layouts[each], first, by), box) for each, by in zip(breaths, finer, strict=True)]
    masks: Row = {}
    heart, truth = found.heart, true.heart
    if heart is not None and truth is not None and found.segments is not None:
        masks = {"muscle": dice(heart.muscle, truth.muscle), "left": dice(heart.left, truth.left)}
        if true.segments is not None:
            both = heart.muscle & truth.muscle
            masks["same_sector"] = float((found.segments == true.segments)[both].float().mean())
    return {
        "level": found.level,
        "before": [min(before), sum(before) / len(before)],
        "after": [min(after), sum(after) / len(after)],
        "ideal": [min(ideal), sum(ideal) / len(ideal)],
        "reasons": list(heart.reasons) if heart is not None else [],
        "frames": len(breaths),
        "beyond": 0 if found.moved is None else int(found.moved.beyond.sum()),
        **masks,
    }


def _fine(one: Slice) -> torch.Tensor:
    """The displacements of a slice on half pixels, in them, [frame, (y, x), y, x]."""
    if one.moved is None:
        raise ValueError("the slice was not registered")
    wide = torch.nn.functional.interpolate(one.moved.displacement.double(), scale_factor=2, mode="bilinear")
    return 2 * wide


def _within(layout: torch.Tensor, first: torch.Tensor, displacement: torch.Tensor) -> torch.Tensor:
    """The part of a layout on half pixels that a box shows whose first one is ``first`` (y, x), as seen at
    its half pixels plus a displacement [(y, x), y, x]."""
    places = [
        (torch.arange(by.shape[axis]).unsqueeze(1 - axis) + first[axis] + by).round().long()
        for axis, by in enumerate(displacement)
    ]
    inside = torch.ones_like(places[0], dtype=torch.bool)
    for place, size in zip(places, layout.shape, strict=True):
        inside &= (place >= 0) & (place < size)
    y, x = (place.clamp(0, size - 1) for place, size in zip(places, layout.shape, strict=True))
    return layout[y, x] & inside


def dice(one: torch.Tensor, other: torch.Tensor) -> float:
    """Twice what two masks share, over the sum of both."""
    return 2 * float((one & other).sum()) / max(1.0, float(one.sum() + other.sum()))


def _arterial(found: Arterial | None, simulation: PerfusionSimulation) -> Row:
    """The input's peak and landmarks beside those of the true curve."""
    if found is None:
        return {}
    study = simulation.study
    fine = torch.arange(0.0, float(study.waves[-1]), 0.02, dtype=torch.float64)
    true = study.bolus.left(fine)
    zero = float(found.times[0]) - float(study.times(-1)[study.sequence.density])
    return {
        "peak": found.peak,
        "true_peak": float(true.max()),
        "efficiency": found.efficiency,
        "true_efficiency": study.efficiency,
        **landmarks(found, zero, fine, true),
    }


def landmarks(found: Arterial, zero: float, fine: torch.Tensor, true: torch.Tensor) -> dict[str, list[float]]:
    """Found and true moment of each landmark [s], of which the true ones follow the definitions in
    ``models.perfusion.curves`` on the continuous curve; ``zero``: of the found times on the true clock."""
    peak = int(true.argmax())
    foot = int(torch.nonzero(true[:peak] < RISE * true[peak])[-1])
    behind = torch.nonzero(true[peak:] < 0.6 * true[peak])[:, 0]
    first = peak + int(behind[0]) if len(behind) else len(true) - 1
    rising = torch.nonzero(true[first:].diff() > 0)[:, 0]
    valley = first + int(rising[0]) if len(rising) else len(true) - 1
    start = float(found.times[0]) - zero
    marks = found.bolus
    return {
        name: [start + GRID * at, float(fine[where])]
        for name, at, where in (
            ("foot", marks.foot, foot),
            ("top", marks.peak, peak),
            ("valley", marks.valley, valley),
        )
    }
