"""``scanside external``: a chain as the external step of a Gadgetron."""

import argparse
import os
from typing import Any

from server.commands.arguments import port

PORT, MODULE = "GADGETRON_EXTERNAL_PORT", "GADGETRON_EXTERNAL_MODULE"
"""Environment variables in which a Gadgetron tells what it starts where to connect, and what to be."""


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("external", help="be the external step of a Gadgetron: connect to it, run a chain")
    own.add_argument(
        "port", nargs="?", type=port, help=f"port of the Gadgetron's server that waits for us ({PORT})"
    )
    own.add_argument("chain", nargs="?", help=f"name of an installed chain, or a chain's file ({MODULE})")
    own.add_argument(
        "--listen", action="store_true", help="listen on the port instead, for <connect>, scan after scan"
    )
    own.add_argument("--scans", type=int, default=0, metavar="N", help="with --listen: end after N scans")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the chain on what the Gadgetron sends; 1 when it failed."""
    from server.threads import quiet

    quiet()
    import socket

    from server.commands.run import _steps
    from server.log import begin

    begin(verbose=False)
    number, steps = _port(options), _steps(_chain(options))
    if options.listen:
        return _listen(number, steps, options.scans)
    with socket.create_connection(("localhost", number), 30) as connection:
        connection.settimeout(None)
        return _serve(connection, steps)


def _port(options: argparse.Namespace) -> int:
    from server.settings import SettingsError

    try:
        return int(options.port or port(os.environ.get(PORT, "")))
    except argparse.ArgumentTypeError:
        raise SettingsError(f"external needs a port: the first argument, or {PORT}") from None


def _chain(options: argparse.Namespace) -> str:
    from server.settings import SettingsError

    chain = options.chain or os.environ.get(MODULE)
    if not chain:
        raise SettingsError(f"external needs a chain: the second argument, or {MODULE}")
    return str(chain)


def _listen(number: int, steps: Any, scans: int) -> int:  # noqa: ANN401 - imported where it is needed
    import socket

    worst, count = 0, 0
    with socket.create_server(("127.0.0.1", number)) as listener:
        print(f"scanside external listens on 127.0.0.1:{number}", flush=True)
        while not scans or count < scans:
            connection, _ = listener.accept()
            with connection:
                worst, count = max(worst, _serve(connection, steps)), count + 1
    return worst


def _serve(connection: Any, steps: Any) -> int:  # noqa: ANN401 - imported where they are needed
    import sys

    from server.external.node import serve

    fault = serve(connection, steps)
    if fault is not None:
        print(f"scanside: {fault}", file=sys.stderr)
    return int(fault is not None)
