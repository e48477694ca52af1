"""``scanside audit``: who did what on this server, and whether that record is as it was written."""

import argparse
from typing import Any


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("audit", help="show or verify the record of who did what")
    own.add_argument("action", nargs="?", choices=("list", "verify"), default="list")
    own.add_argument("--head", default="", metavar="DIGEST", help="with verify: one that was noted earlier")
    own.add_argument("--json", action="store_true", help="print the facts as JSON")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show or verify; 1 when it is not as it was written."""
    import json

    from server import audit

    if options.action == "verify":
        chain = audit.verify(head=options.head)
        facts = {"lines": chain.lines, "head": chain.head}
        print(json.dumps(facts) if options.json else f"{chain.lines} lines, whole; head {chain.head}")
        return 0
    for each in audit.lines():
        if options.json:
            print(json.dumps(each))
        else:
            said = " ".join(f"{name}={value}" for name, value in each["facts"].items())
            print(f"{each['time']}  {each['who']:12s} {each['did']:10s} {said}")
    return 0
