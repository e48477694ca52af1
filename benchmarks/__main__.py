"""``python -m benchmarks [--json FILE] [NAME...]``: run the benchmarks, print a table, keep it as JSON."""

import argparse
import importlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, SkippedError, machine
from server.threads import quiet

NAMES = (
    "decoder",
    "server",
    "latency",
    "start",
    "realtime",
    "quality",
    "skyra",
    "ingest",
    "tls",
    "viewers",
    "cartesian_speed",
    "cartesian_truth",
    "partial_truth",
    "noise",
    "unrolled_quality",
    "unrolled_split",
    "one_channel",
    "dynamic",
    "failures",
    "denoise_quality",
    "unrolled_speed",
    "segmentation",
    "cine_stacks",
    "cine_speed",
    "segmentation_bad",
    "segmentation_robust",
    "training_step",
    "first_pass",
    "perfusion_curves",
    "perfusion_bad",
    "perfusion_truth",
)


def main() -> int:
    """Run the named benchmarks, or all; a limit that is not met is shown, and is no failure."""
    words = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    words.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all by default")
    words.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    options = words.parse_args()
    if unknown := set(options.names) - set(NAMES):
        words.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    quiet()
    console = Console(width=None if sys.stdout.isatty() else 150)
    facts = machine()
    console.print("; ".join(f"{name} {value}" for name, value in facts.items()), highlight=False)
    done = {name: _one(name, console) for name in options.names or NAMES}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": facts, "benchmarks": done}, indent=1) + "\n")
    return 0


def _one(name: str, console: Console) -> dict[str, Any]:
    run: Callable[[], Iterator[Figure]] = importlib.import_module(f"benchmarks.{name}").run
    begin, figures = time.perf_counter(), []
    skipped = ""
    try:
        for figure in run():
            figures.append(figure)
    except SkippedError as reason:
        skipped = str(reason)
    seconds = time.perf_counter() - begin
    if figures:
        console.print(_table(f"{name} ({seconds:.0f} s)", figures))
    if skipped:
        console.print(f"{name}: skipped: {skipped}")
    return {"seconds": round(seconds, 1), "skipped": skipped, "figures": [_plain(one) for one in figures]}


def _plain(figure: Figure) -> dict[str, Any]:
    """The figure for JSON, which knows no NaN."""
    facts = figure.facts()
    return {**facts, "value": None} if math.isnan(figure.value) else facts


def _table(title: str, figures: list[Figure]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("figure", "measured", "spread", "asked", "met", "note"):
        table.add_column(column, justify="right" if column in ("measured", "asked") else "left")
    for one in figures:
        spread = "" if one.spread is None else " to ".join(map(_number, one.spread))
        asked = (
            "" if one.limit is None else f"{'>=' if one.sense == 'at least' else '<='} {_number(one.limit)}"
        )
        met = {None: "", True: "yes", False: "NO"}[one.met]
        table.add_row(one.name, f"{_number(one.value)} {one.unit}".strip(), spread, asked, met, one.note)
    return table


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


if __name__ == "__main__":
    sys.exit(main())
