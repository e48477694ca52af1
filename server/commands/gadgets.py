"""``scanside gadgets``: the catalogue."""

import argparse
from typing import Any


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("gadgets", help="list the gadgets, or one with its parameters")
    own.add_argument("name", nargs="?", help="one gadget")
    own.add_argument("--json", action="store_true", help="print the facts as JSON")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the catalogue."""
    import json

    from server.chain import catalogue, describe
    from server.registry import find

    entries = [describe(find(options.name))] if options.name else catalogue()
    if options.json:
        print(json.dumps(entries, indent=1))
        return 0
    for entry in entries:
        print(f"{entry['name']}: {' | '.join(entry['takes'])} -> {' | '.join(entry['gives'])}")
        print(f"    {entry['does']}")
        if options.name:
            for name, field in entry["parameters"].items():
                print(f"    {name} = {json.dumps(field.get('default'))}  {field.get('description', '')}")
    return 0
