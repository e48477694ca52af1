"""What can be trained, by the task that a recipe names: how its recipe is read, and what a training does."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import ModelError
from models.train import corpus, loop, recipe
from models.train.denoise import loop as denoising
from models.train.denoise import recipe as denoising_recipe
from models.train.dynamic import corpus as series
from models.train.dynamic import loop as dynamic
from models.train.dynamic import recipe as dynamic_recipe
from models.train.machine import Machine
from models.train.shortaxis import corpus as slices
from models.train.shortaxis import loop as segmentation
from models.train.shortaxis import recipe as segmentation_recipe

Made = Callable[[int], None]
"""Hears how many pieces of the corpus there are."""

Tell = Callable[[int, float], None]
"""Hears of each step and its loss."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One kind of training."""

    read: Callable[[Path], Any]
    """The recipe from its file."""

    pieces: Callable[[Any], int]
    """Of the corpus."""

    run: Callable[[Any, Path, Made, Tell, Machine], object]
    """Make the corpus and train, in a folder; goes on where it was stopped."""


def find(path: Path) -> Task:
    """The task of a recipe. Raises ModelError for an unknown one."""
    name = recipe.task(path)
    if name not in TASKS:
        raise ModelError(f"recipe {path.name}: task {name}, known are {', '.join(TASKS)}")
    return TASKS[name]


def _unrolled(plan: recipe.Recipe, folder: Path, made: Made, tell: Tell, machine: Machine) -> object:
    shards = folder / "corpus"
    corpus.make(shards, plan.seed, plan.shards, list(plan.shapes), plan.rich, made, machine.jobs)
    return loop.train(plan, folder, tell, machine=machine)


def _segmentation(
    plan: segmentation_recipe.SegmentationRecipe, folder: Path, made: Made, tell: Tell, machine: Machine
) -> object:
    segmentation.check(plan, folder)
    drawn = folder / "corpus", plan.seed, plan.shards, made
    if not plan.fresh:
        slices.make(*drawn, machine.jobs)
        return segmentation.train(plan, folder, tell, machine)
    with slices.growing(*drawn, max(machine.jobs - 1, 1)) as ready:
        return segmentation.train(plan, folder, tell, machine, ready)


def _denoising(
    plan: denoising_recipe.Recipe, folder: Path, made: Made, tell: Tell, machine: Machine
) -> object:
    if machine.deadline < math.inf:
        raise ModelError("a training of the denoiser knows no deadline yet: leave the seconds out")
    return denoising.train(plan, folder, made, tell)


def _dynamic(
    plan: dynamic_recipe.DynamicRecipe, folder: Path, made: Made, tell: Tell, machine: Machine
) -> object:
    series.make(folder / "corpus", plan.seed, plan.shards, list(plan.shapes), made, machine.jobs)
    return dynamic.train(plan, folder, tell, machine)


TASKS: Mapping[str, Task] = {
    "unrolled": Task(read=recipe.read, pieces=lambda plan: plan.shards, run=_unrolled),
    "denoise": Task(
        read=denoising_recipe.read, pieces=lambda plan: plan.objects + plan.noises, run=_denoising
    ),
    "dynamic": Task(read=dynamic_recipe.read, pieces=lambda plan: plan.shards, run=_dynamic),
    "segmentation": Task(read=segmentation_recipe.read, pieces=lambda plan: plan.shards, run=_segmentation),
}
