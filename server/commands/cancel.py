"""``scanside cancel``: ends the reconstruction of a running session; what its scanner sends is still kept."""

import argparse
from typing import Any

from server.commands.arguments import port


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("cancel", help="end the reconstruction of a running session")
    own.add_argument("session", help="its id, as `scanside status` shows it")
    own.add_argument("--port", type=port, help="of the server, when several run")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tell the session; 1 when there is none."""
    from server import audit
    from server.control.commands import send
    from server.control.folder import chosen

    audit.note("cancelled", session=options.session)
    send(chosen(options.port), options.session, "cancel")
    return 0
