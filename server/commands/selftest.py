"""``scanside selftest``: a phantom scan through a server, with limits; the outcome is kept as a QA record."""

import argparse
from pathlib import Path
from typing import Any

from server.commands.arguments import address


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("selftest", help="send a phantom to a server and compare what comes back")
    own.add_argument("--to", type=address, required=True, metavar="HOST:PORT", help="the server")
    own.add_argument("--tls", action="store_true", help="connect under TLS")
    own.add_argument("--ca", type=Path, help="with --tls: authorities of the server's certificate (PEM)")
    own.add_argument("--cert", type=Path, help="with --tls: our own certificate (PEM)")
    own.add_argument("--key", type=Path, help="with --tls: its key")
    own.add_argument("--json", action="store_true", help="print the record as JSON")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Test, record, print; 1 when something lies beyond its limits."""
    import json

    from server import audit, paths
    from server.commands.replay import tls
    from server.upkeep.selftest import LIMITS, keep, test

    host, port = options.to
    outcome = test(options.to, tls(options))
    entry = keep(paths.state(), f"{host}:{port}", outcome)
    audit.note("tested", server=f"{host}:{port}", passed=outcome.passed)
    if options.json:
        print(json.dumps(entry))
        return 0 if outcome.passed else 1
    for name, limit in LIMITS.items():
        value = outcome.values.get(name)
        shown = "not found" if value is None else f"{value:.4g}"
        word = "BAD " if name in outcome.beyond else "ok  "
        print(f"{word} {name}: {shown} ({limit.low:g} to {limit.high:g})")
    if outcome.fault:
        print(f"BAD  {outcome.fault}")
    return 0 if outcome.passed else 1
