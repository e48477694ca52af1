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
            facts[name] = [type(gadget).__name__ for gadget in build(named(name))]
        except ChainError as error:
            print(f"{name}: {error}", file=sys.stderr)
            bad = 1
    if options.json:
        print(json.dumps(facts, indent=1))
    else:
        for name, gadgets in facts.items():
            print(f"{name}: {' -> '.join(gadgets)}")
    return bad


def _show(options: argparse.Namespace) -> int:
    import dataclasses
    import json
    from itertools import pairwise

    from server.chain import build
    from server.commands.run import _steps

    chain = build(_steps(options.name))
    if options.json:
        print(
            json.dumps(
                [{type(each).__name__: dataclasses.asdict(each)} for each in chain], indent=1, default=str
            )
        )
    elif options.graph:
        print("graph LR")
        for number, (before, behind) in enumerate(pairwise(chain)):
            print(f"    {number}[{type(before).__name__}] --> {number + 1}[{type(behind).__name__}]")
    else:
        for gadget in chain:
            print(gadget)
    return 0
