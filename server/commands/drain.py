"""``scanside drain``: the server takes no new scan, finishes the running ones, and ends."""

import argparse
from typing import Any

from server.commands.arguments import port


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("drain", help="let a server finish its running scans and end")
    own.add_argument("--port", type=port, help="of the server, when several run")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tell the server; 1 when there is none."""
    from server import audit
    from server.control.commands import send
    from server.control.folder import SERVER, chosen

    audit.note("drained", port=options.port)
    send(chosen(options.port), SERVER, "drain")
    return 0
