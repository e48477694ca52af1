"""``scanside models``: what is learned: listed, shown, verified, exported, timed, trained."""

import argparse
import json
from pathlib import Path
from typing import Any

from server.commands import convert_model, engines
from server.commands.arguments import at_least_1


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command and its words."""
    own = words.add_parser("models", help="list, show, verify, export, time and train what is learned")
    acts = own.add_subparsers(dest="act", metavar="ACT", required=True)
    lists = acts.add_parser("list", help="the models at hand")
    lists.add_argument("--json", action="store_true", help="print the facts as JSON")
    lists.set_defaults(run=_list)
    show = acts.add_parser("show", help="a model's card")
    show.add_argument("model", help="its name, or the path of its card (.yml)")
    show.set_defaults(run=_show)
    engines.add(acts)
    convert_model.add(acts)
    _add_train(acts)


def _add_train(acts: "argparse._SubParsersAction[Any]") -> None:
    train = acts.add_parser("train", help="train by a recipe; goes on where it was stopped")
    train.add_argument("recipe", help="a recipe's file, or the name of one that comes with the project")
    train.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="of this training")
    train.add_argument("--steps", type=at_least_1, help="other than the recipe's")
    train.add_argument("--jobs", type=at_least_1, help="processes that make the corpus; as many as cores")
    train.add_argument(
        "--seconds", type=at_least_1, help="weights are written by then, the schedule shortened to fit"
    )
    train.set_defaults(run=_train)


def _list(options: argparse.Namespace) -> int:
    from models import zoo

    cards = [zoo.load(name).card for name in zoo.names()]
    if options.json:
        facts = [
            {"name": each.name, "version": each.version, "sha256": each.weights.sha256} for each in cards
        ]
        print(json.dumps(facts, indent=1))
    else:
        for each in cards:
            print(f"{each.name} {each.version}: {each.task}. {each.warning}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from models import card, zoo

    print(card.text(zoo.load(options.model).card), end="")
    return 0


def _train(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from rich.progress import Progress

    from models.train import curves, recipe, tasks
    from models.train.machine import Machine

    machine = Machine.here(options.jobs, options.seconds)
    named = Path(recipe.__file__).parent / "recipes" / f"{options.recipe}.yml"
    path = named if named.exists() else Path(options.recipe)
    task = tasks.find(path)
    plan = task.read(path)
    plan = replace(plan, steps=options.steps or plan.steps)
    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yml").write_text(recipe.text(plan))
    with Progress() as progress:
        made = progress.add_task("corpus", total=task.pieces(plan))
        trained = progress.add_task("training", total=plan.steps)
        task.run(
            plan,
            folder,
            lambda count: progress.update(made, completed=count),
            lambda step, loss: progress.update(trained, completed=step),
            machine,
        )
    curves.draw(folder, folder / "curve.png")
    print(f"{folder / 'checkpoint.pt'}, {folder / 'curve.png'}")
    return 0
