"""``scanside chains``: the installed chains, checked, and as a graph."""

import argparse
import sys
from typing import Any


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("chains", help="list the chains, or check one and show it with its parameters")
    own.add_argument("name", nargs="?", help="an installed chain, or a chain's file")
    own.add_argument("--graph", action="store_true", help="print the chain as a Mermaid graph")
    own.add_argument("--json", action="store_true", help="print the facts as JSON")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the chains; 1 when one of them cannot be built."""
    from server.chain import chains
    from server.settings import SettingsError

    if options.graph and not options.name:
        raise SettingsError("--graph is of one chain: name it")
    return _show(options) if options.name else _list(options, list(chains()))


def _list(options: argparse.Namespace, names: list[str]) -> int:
    import json

    from server.chain import build, named
    from server.errors import ChainError

    facts, bad = {}, 0
    for name in names:
        try:
            facts[name] = _names(build(named(name)))
        except ChainError as error:
            print(f"{name}: {error}", file=sys.stderr)
            bad = 1
    if options.json:
        print(json.dumps(facts, indent=1))
    else:
        for name, gadgets in facts.items():
            print(f"{name}: {_line(gadgets)}")
    return bad


def _names(chain: Any) -> list[Any]:  # noqa: ANN401 - imported where it is needed
    """The names of a chain's gadgets; branches as names by branch."""
    from gadgets.gadget import Parallel

    return [
        {name: _names(branch) for name, branch in each.branches.items()}
        if isinstance(each, Parallel)
        else type(each).__name__
        for each in chain
    ]


def _facts(chain: Any) -> list[Any]:  # noqa: ANN401 - imported where it is needed
    """A chain's gadgets with their parameters."""
    import dataclasses

    from gadgets.gadget import Parallel

    return [
        {"parallel": {name: _facts(branch) for name, branch in each.branches.items()}}
        if isinstance(each, Parallel)
        else {type(each).__name__: dataclasses.asdict(each)}
        for each in chain
    ]


def _line(names: list[Any]) -> str:
    """``A -> (one: B | other: C) -> D``"""
    return " -> ".join(
        each
        if isinstance(each, str)
        else f"({' | '.join(f'{name}: {_line(row)}' for name, row in each.items())})"
        for each in names
    )


def _show(options: argparse.Namespace) -> int:
    import json

    from server.chain import build
    from server.commands.run import _steps

    chain = build(_steps(options.name))
    if options.json:
        print(json.dumps(_facts(chain), indent=1, default=str))
    elif options.graph:
        print("\n".join(("graph LR", *_graph(_names(chain)))))
    else:
        for gadget in chain:
            print(gadget)
    return 0


def _graph(names: list[Any]) -> list[str]:
    """The edges of the chain; branches begin at the gadget before them and end at the one behind."""
    lines: list[str] = []
    count = 0

    def lay(row: list[Any], before: list[str]) -> list[str]:
        nonlocal count
        for each in row:
            if isinstance(each, dict):
                before = [end for branch in each.values() for end in lay(branch, before)]
                continue
            here, count = f"{count}[{each}]", count + 1
            lines.extend(f"    {end} --> {here}" for end in before)
            before = [here]
        return before

    lay(names, [])
    return lines
