"""The acts of ``scanside models`` on backends: export, build, verify, bench."""

import argparse
from pathlib import Path
from typing import Any

from server.commands.arguments import at_least_1


def add(acts: "argparse._SubParsersAction[Any]") -> None:
    """Declare the acts."""
    export = _act(acts, "export", _export, "write a model as ONNX, and compare it with torch")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="else this machine's own")
    build = _act(acts, "build", _build, "build a model's engine for this machine, where it is missing")
    build.add_argument("--library", choices=("tensorrt", "tensorrt_rtx"), default="tensorrt_rtx")
    verify = _act(acts, "verify", _verify, "check a model's weights, and every backend against torch")
    verify.add_argument("--exported", type=Path, metavar="FILE.onnx", help="compare this file too")
    bench = _act(acts, "bench", _bench, "time a model's backends on this machine")
    bench.add_argument("--matrix", type=at_least_1, nargs=2, default=(232, 184), metavar=("Y", "X"))
    bench.add_argument("--threads", type=at_least_1, nargs="+", default=(1, 2), metavar="N")


def _act(acts: "argparse._SubParsersAction[Any]", name: str, run: Any, about: str) -> argparse.ArgumentParser:  # noqa: ANN401
    one: argparse.ArgumentParser = acts.add_parser(name, help=about)
    one.add_argument("model", help="its name, or the path of its card (.yml)")
    one.add_argument("--precision", choices=("fp32", "mixed"), default="fp32", help="(%(default)s)")
    one.set_defaults(run=run)
    return one


def _export(options: argparse.Namespace) -> int:
    from models import runner, zoo
    from models.export import export, kept

    model = zoo.load(options.model)
    path = options.output or kept(model, options.precision)
    print(f"{path}: {export(model, path, options.precision).operators}")
    found = runner.start(model, "onnxruntime", path, options.precision)
    print(f"onnxruntime against torch: {runner.gate(model, found):.1e}, allowed {_limit(options.precision)}")
    return 0


def _limit(precision: str) -> str:
    from models.precision import TOLERANCE

    return f"{TOLERANCE[precision]:.0e}"


def _build(options: argparse.Namespace) -> int:
    import json

    import torch

    from models import engine, runner, zoo
    from models.export import kept

    model = zoo.load(options.model)
    path, reason = engine.engine(model, options.library, options.precision)
    report = kept(model, options.precision).with_suffix(f".{options.library}.json")
    print(f"{path}: {reason or 'was there, whole'}, {path.stat().st_size / 2**20:.1f} MiB")
    for kind, count in json.loads(report.read_text())["layers"].items():
        print(f"  {count:4d} {kind}")
    if torch.cuda.is_available():
        found = runner.start(model, options.library, precision=options.precision)
        print(f"against torch: {runner.gate(model, found):.1e}, allowed {_limit(options.precision)}")
    else:
        print("against torch: not executed, torch finds no CUDA device")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from models import runner, zoo
    from models.errors import ModelError

    model = zoo.load(options.model)
    print(f"{model.card.name}: weights have the SHA-256 of the card")
    faults = 0
    for name in runner.BACKENDS:
        given = options.exported if name.startswith("onnxruntime") else None
        precision = options.precision if name not in ("torch", "torch-cuda", "torch-graph") else "fp32"
        try:
            found = runner.start(model, name, given, precision)
        except ModelError as error:
            print(f"{name}: not executed: {error}")
            continue
        try:
            print(
                f"{name} {precision}: {runner.gate(model, found):.1e} from torch, allowed {_limit(precision)}"
            )
        except ModelError as error:
            faults += 1
            print(f"{name} {precision}: {error}")
    return int(faults > 0)


def _bench(options: argparse.Namespace) -> int:
    import resource
    import time

    import torch

    from models import runner, zoo
    from models.errors import ModelError

    model = zoo.load(options.model)
    inputs = runner.pad(model.form.example(1, tuple(options.matrix), 0))
    print("backend, threads, precision: CPU seconds, wall ms (least of 5), peak memory so far")
    for threads in options.threads:
        torch.set_num_threads(threads)
        for name in runner.BACKENDS:
            try:
                backend = runner.start(model, name, None, "fp32" if "torch" in name else options.precision)
                backend.infer(inputs)
            except ModelError as error:
                print(f"{name}, {threads}: not executed: {error}")
                continue
            cpu, walls = time.process_time(), []
            for _ in range(5):
                begin = time.perf_counter()
                backend.infer(inputs)
                walls.append(time.perf_counter() - begin)
            cpu = (time.process_time() - cpu) / 5
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            wall = 1e3 * min(walls)
            print(f"{name}, {threads}, {backend.precision}: {cpu:.3f} s, {wall:.0f} ms, {peak:.0f} MiB")
    return 0
