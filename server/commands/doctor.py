"""``scanside doctor``: what this machine can do, and what is missing."""

import argparse
from typing import Any

from server.commands.arguments import toml


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("doctor", help="say what this machine can do, and what is missing")
    own.add_argument("--settings", type=toml, metavar="FILE", help="ask the archives of these settings, too")
    own.add_argument("--json", action="store_true", help="print the facts as JSON")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the findings; 1 when the server could not work here."""
    import json

    from server.diagnosis import findings
    from server.settings import read_settings

    found = findings(read_settings({}, options.settings) if options.settings else None)
    if options.json:
        print(json.dumps([vars(each) for each in found], indent=1))
    else:
        for each in found:
            print(f"{'ok  ' if each.good else 'BAD ' if each.needed else '-   '} {each.what}: {each.says}")
    return 1 if any(each.needed and not each.good for each in found) else 0
