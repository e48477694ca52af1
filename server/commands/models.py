"""``scanside models``: what is learned: listed, shown, verified, exported, timed, trained."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands.arguments import at_least_1

if TYPE_CHECKING:
    from models.zoo import Model


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command and its words."""
    own = words.add_parser("models", help="list, show, verify, export, time and train what is learned")
    acts = own.add_subparsers(dest="act", metavar="ACT", required=True)
    lists = acts.add_parser("list", help="the models at hand")
    lists.add_argument("--json", action="store_true", help="print the facts as JSON")
    lists.set_defaults(run=_list)
    for name, act, about in (
        ("show", _show, "a model's card"),
        ("verify", _verify, "check a model's weights, and that its export equals it"),
        ("export", _export, "write a model as ONNX"),
        ("build", _build, "build a TensorRT-RTX engine of an exported model"),
        ("bench", _bench, "time a model on this machine"),
    ):
        one = acts.add_parser(name, help=about)
        one.add_argument("model", help="its name, or the path of its card (.yml)")
        one.set_defaults(run=act)
        if name in ("export", "build"):
            one.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
        if name == "verify":
            one.add_argument("--exported", type=Path, metavar="FILE.onnx", help="compare this file too")
        if name == "bench":
            one.add_argument("--exported", type=Path, metavar="FILE.onnx", help="time this file too")
            one.add_argument("--matrix", type=at_least_1, default=192, help="(%(default)s)")
    _add_train(acts)


def _add_train(acts: "argparse._SubParsersAction[Any]") -> None:
    train = acts.add_parser("train", help="train by a recipe; goes on where it was stopped")
    train.add_argument("recipe", help="a recipe's file, or the name of one that comes with the project")
    train.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="of this training")
    train.add_argument("--steps", type=at_least_1, help="other than the recipe's")
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


def _verify(options: argparse.Namespace) -> int:
    from models import zoo

    model = zoo.load(options.model)
    print(f"{model.card.name}: weights have the SHA-256 of the card")
    return _compare(model, options.exported) if options.exported else 0


def _compare(model: "Model", exported: Path) -> int:
    from models import runner, zoo
    from models.export import TOLERANCE, inspect

    print(f"{exported.name}: {inspect(exported).operators}")
    inputs = zoo.example(2, (64, 48), seed=1)
    expected = runner.start(model).infer(inputs)
    found = runner.start(model, "onnxruntime", exported).infer(inputs)
    error = float((found - expected).abs().max() / expected.abs().max())
    print(f"onnxruntime against torch: largest difference {error:.1e}, limit {TOLERANCE:.0e}")
    return int(error > TOLERANCE)


def _export(options: argparse.Namespace) -> int:
    from models import zoo
    from models.export import export

    model = zoo.load(options.model)
    print(f"{options.output}: {export(model, options.output).operators}")
    return _compare(model, options.output)


def _build(options: argparse.Namespace) -> int:
    from models import zoo
    from models.engine import build
    from models.export import export

    source = options.output.with_suffix(".onnx")
    export(zoo.load(options.model), source)
    print(f"{options.output}: {build(source, options.output)}")
    return 0


def _bench(options: argparse.Namespace) -> int:
    import time

    import torch

    from models import runner, zoo

    model = zoo.load(options.model)
    inputs = runner.pad(zoo.example(1, (options.matrix, options.matrix)))
    for name in runner.BACKENDS[: 2 if options.exported else 1]:
        backend = runner.start(model, name, options.exported)
        backend.infer(inputs)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            backend.infer(inputs)
            times.append(time.perf_counter() - start)
        threads = torch.get_num_threads()
        print(f"{name}, {threads} threads, {options.matrix} x {options.matrix}: {1e3 * min(times):.0f} ms")
    return 0


def _train(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from rich.progress import Progress

    from models.train import corpus, curves, loop, recipe

    named = Path(recipe.__file__).parent / "recipes" / f"{options.recipe}.yml"
    plan = recipe.read(named if named.exists() else Path(options.recipe))
    plan = replace(plan, steps=options.steps or plan.steps)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "recipe.yml").write_text(recipe.text(plan))
    with Progress() as progress:
        made = progress.add_task("corpus", total=plan.shards)
        corpus.make(
            options.output / "corpus",
            plan.seed,
            plan.shards,
            list(plan.shapes),
            lambda count: progress.update(made, completed=count),
        )
        trained = progress.add_task("training", total=plan.steps)
        loop.train(plan, options.output, lambda step, loss: progress.update(trained, completed=step))
    curves.draw(options.output, options.output / "curve.png")
    print(f"{options.output / 'checkpoint.pt'}, {options.output / 'curve.png'}")
    return 0
