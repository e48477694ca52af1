"""Segmentation of real short-axis hearts that no training has seen, its time, and its robustness.

12 subjects at end-diastole and end-systole (``segmentation/`` of the data folder: evaluation only). The files
state no size of a pixel; 1.4 mm is assumed. Dice over the whole stack, each subject and phase by itself.
Hausdorff distances are those of outlines in the slices that both have.
"""

import gzip
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figures import Figure, SkippedError, data_file
from models import runner, zoo
from models.cardiac.function import curves
from models.cardiac.gate import judge
from models.cardiac.reader import reading
from models.cardiac.regions import shrunk
from models.cardiac.segment import Reader, Segmented, segment

MODEL = "short-axis-cine"
PIXEL = 1.4
"""Assumed [mm]: the files say 1."""

FLOORS = {"LV": 0.85, "myocardium": 0.70, "RV": 0.65}
TYPES = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 512: "<u2"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """End-diastole and end-systole."""

    name: str
    images: torch.Tensor
    """float32 [phase, slice, y, x]."""

    labels: NDArray[np.uint8]


def nifti(path: Path) -> NDArray[Any]:
    """The values of a gzipped NIfTI file, [z, y, x]."""
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content[40:56], "<i2")[1:4]
    kind = TYPES[int(np.frombuffer(content[70:72], "<i2")[0])]
    start = int(np.frombuffer(content[108:112], "<f4")[0])
    return np.frombuffer(content, kind, int(np.prod(shape)), start).reshape(shape[::-1])


def side(path: Path) -> float:
    """Of a pixel in the plane, as a gzipped NIfTI file says it [mm]: the middle one of three axes."""
    return float(np.frombuffer(gzip.decompress(path.read_bytes())[76:92], "<f4")[2])


def subjects() -> Iterator[Subject]:
    """All of the data folder. Raises SkippedError where there is none."""
    folder = data_file("segmentation")
    for name in sorted({path.name[:6] for path in folder.glob("*_ED.nii.gz")}):
        images, labels = (
            np.stack([nifti(folder / f"{name}_{phase}{kind}.nii.gz") for phase in ("ED", "ES")])
            for kind in ("", "_gt")
        )
        yield Subject(name=name, images=torch.from_numpy(images.astype(np.float32)), labels=labels)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Of two masks."""
    return 2 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)


def scores(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Dice [phase, class] of labels [phase, slice, y, x]."""
    return np.array(
        [
            [dice(one == label, other == label) for label in (1, 2, 3)]
            for one, other in zip(found, truth, strict=True)
        ]
    )


def hausdorff(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The largest way from an outline of two masks [y, x] to the other one [pixel]; nan where one is empty.

    D. P. Huttenlocher et al., IEEE PAMI 15 (1993) 850.
    """
    rims = [torch.from_numpy(np.argwhere(each & ~shrunk(each))).double() for each in (one, other)]
    if not all(len(each) for each in rims):
        return math.nan
    away = torch.cdist(*rims)
    return float(torch.maximum(away.amin(0).max(), away.amin(1).max()))


def distances(found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Hausdorff distance [phase, class, slice] of labels [phase, slice, y, x]; nan where one has none."""
    return np.array(
        [
            [[hausdorff(a == label, b == label) for a, b in zip(*pair, strict=True)] for label in (1, 2, 3)]
            for pair in zip(found, truth, strict=True)
        ]
    )


def network() -> Reader:
    """The model in torch: the shipped one, or the site's of its name (SCANSIDE_MODELS)."""
    model = zoo.load(MODEL)
    return reading(model, runner.start(model))


def run() -> Iterator[Figure]:
    """Dice on real hearts, agreement of volumes, what the gate says, processor time."""
    torch.set_num_threads(1)
    apply, rows, results = network(), [], []
    for subject in subjects():
        begin = time.process_time()
        found = segment(apply, subject.images, PIXEL)
        spent = time.process_time() - begin
        rows.append(scores(found.labels, subject.labels))
        results.append((subject, found))
        accepted = judge(found.labels[0], curves(found.labels, 1e-3), found.disagreement)
        said = "accepted" if accepted.accepted else "; ".join(accepted.reasons)
        note = " ".join(f"{value:.2f}" for value in rows[-1].ravel())
        name = f"{subject.name} Dice ED LV myo RV, ES LV myo RV"
        yield Figure(name=name, value=spent, unit="CPU s", note=f"{note}; {said}")
    yield from _summary(np.array(rows))
    yield from _common(results)
    yield from _distances([distances(found.labels, subject.labels) for subject, found in results])
    yield from _agreement(results)


def _summary(every: NDArray[np.float64]) -> Iterator[Figure]:
    """``every`` [subject, phase, class]."""
    for phase, moment in enumerate(("ED", "ES")):
        for label, (name, floor) in enumerate(FLOORS.items()):
            values = every[:, phase, label]
            yield Figure(
                name=f"Dice {name} {moment}, mean",
                value=float(values.mean()),
                limit=floor,
                sense="at least",
                spread=(float(values.min()), float(values.max())),
            )


def _common(results: list[tuple[Subject, Segmented]]) -> Iterator[Figure]:
    """What the choice of slices costs: the same Dice over slices where readers and we have that class."""
    for phase, moment in enumerate(("ED", "ES")):
        for label, name in enumerate(FLOORS, 1):
            values, apart = [], 0
            for subject, found in results:
                theirs, ours = subject.labels[phase] == label, found.labels[phase] == label
                both = theirs.any((1, 2)) & ours.any((1, 2))
                values.append(dice(theirs[both], ours[both]))
                apart += int((theirs.any((1, 2)) != ours.any((1, 2))).sum())
            yield Figure(
                name=f"Dice {name} {moment}, slices that both have",
                value=float(np.mean(values)),
                spread=(min(values), max(values)),
                note=f"{apart} slices only one has",
            )


def _distances(every: list[NDArray[np.float64]]) -> Iterator[Figure]:
    """``every`` [phase, class, slice] of each subject."""
    for phase, moment in enumerate(("ED", "ES")):
        for label, name in enumerate(FLOORS):
            each = np.concatenate([one[phase, label] for one in every])
            there = each[~np.isnan(each)]
            middle, far = np.percentile(there, [50, 95])
            yield Figure(
                name=f"Hausdorff distance of {name} {moment}, mean of slices",
                value=float(there.mean()),
                unit="pixel",
                spread=(float(there.min()), float(there.max())),
                note=f"median {middle:.1f}, 95 % within {far:.1f}, {len(there)} slices",
            )


def _agreement(results: list[tuple[Subject, Segmented]]) -> Iterator[Figure]:
    for label, name in ((1, "LV"), (2, "myocardium"), (3, "RV")):
        ours = [(found.labels == label).sum((1, 2, 3)) for _, found in results]
        truth = [(subject.labels == label).sum((1, 2, 3)) for subject, _ in results]
        pairs = np.ravel(ours).astype(float), np.ravel(truth).astype(float)
        yield Figure(name=f"volume of {name}, correlation [voxel]", value=float(np.corrcoef(*pairs)[0, 1]))
        yield Figure(name=f"volume of {name}, ours over theirs", value=float(pairs[0].sum() / pairs[1].sum()))
    yield from _ejection(results)
    errors = [1 - scores(found.labels[:1], subject.labels[:1])[0, :2].mean() for subject, found in results]
    doubts = [found.disagreement for _, found in results]
    yield Figure(
        name="disagreement against error, correlation", value=float(np.corrcoef(errors, doubts)[0, 1])
    )


def _ejection(results: list[tuple[Subject, Segmented]]) -> Iterator[Figure]:
    """The ejection fraction beside that of the readers' labels, which needs no size of a voxel; the limit is
    what is asked of simulated hearts against their analytic volumes."""

    def fraction(labels: NDArray[np.uint8]) -> float:
        full, empty = (float((moment == 1).sum()) for moment in labels[:2])
        return 100 * (1 - empty / full) if full else math.nan

    apart = np.array([fraction(found.labels) - fraction(subject.labels) for subject, found in results])
    known = apart[~np.isnan(apart)]
    yield Figure(
        name="EF against readers', 95 % within",
        value=float(np.percentile(abs(known), 95)),
        unit="points",
        limit=5.0,
        note=f"mean {known.mean():+.1f}, sd {known.std():.1f}, n {len(known)}; by subject"
        f" {' '.join(f'{each:+.0f}' for each in known)}",
    )


__all__ = ["SkippedError", "run"]
