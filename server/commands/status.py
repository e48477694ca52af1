"""``scanside status``: what a running server does, once, as JSON, or live."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands.arguments import port

if TYPE_CHECKING:
    from rich.console import RenderableType

PERIOD = 0.5
"""Seconds between two looks."""


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("status", help="show what a running server does")
    own.add_argument("--port", type=port, help="of the server, when several run")
    own.add_argument("--watch", action="store_true", help="go on showing it, until Ctrl-C")
    own.add_argument("--json", action="store_true", help="print the facts as JSON")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the status; 1 when no server answers."""
    from server.control.folder import chosen

    folder = chosen(options.port)
    if options.watch:
        return _watch(folder, options.json)
    _print(folder, options.json)
    return 0


def _print(folder: Path, as_json: bool) -> None:
    import json

    from rich.console import Console

    from server.control.ask import snapshot

    found = snapshot(folder)
    if as_json:
        print(json.dumps(found), flush=True)
    else:
        Console().print(picture(found))


def _watch(folder: Path, as_json: bool) -> int:
    """Look again and again; with JSON, one line each time."""
    import time

    from rich.live import Live

    from server.control.ask import snapshot

    if as_json:
        while True:
            _print(folder, as_json)
            time.sleep(PERIOD)
    with Live(picture(snapshot(folder)), auto_refresh=False) as live:
        while True:
            time.sleep(PERIOD)
            live.update(picture(snapshot(folder)), refresh=True)


def picture(found: dict[str, Any]) -> "RenderableType":
    """The status as a terminal shows it: the server, its sessions, their gadgets, warnings and errors."""
    from rich.console import Group
    from rich.text import Text

    lines: list[RenderableType] = [Text(_server(found)), _sessions(found["sessions"])]
    for each in found["sessions"]:
        lines += [Text(f"{each['id']}: {text}", "yellow") for text in each["texts"]]
        lines += [Text(f"{each['id']}: {each['error']}", "red")] if each["error"] else []
    return Group(*lines)


def _server(found: dict[str, Any]) -> str:
    import time

    server = found["server"]
    since = f", up {time.time() - server['since']:.0f} s" if server["since"] else ""
    http = f", http {found['http']}" if found["http"] else ""
    draining = ", draining" if server["draining"] else ""
    return f"port {server['port']}, process {server['pid']}{since}{http}{draining}"


def _sessions(sessions: list[dict[str, Any]]) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    table = Table("session", "state", "peer", "chain", "s", "MB", "readouts", "images", "lag MB", "gadgets")
    for each in sessions:
        facts = (
            each["id"],
            each["state"],
            each["peer"] or "",
            each["chain"] or "",
            f"{each['seconds']:.1f}",
            f"{each['bytes'] / 1e6:.1f}",
            str(each["readouts"]),
            str(each["images"]),
            f"{each['lag'] / 1e6:.1f}",
            "  ".join(_gadget(gadget) for gadget in each["gadgets"]),
        )
        table.add_row(*map(Text, facts))
    return table


def _gadget(gadget: dict[str, Any]) -> str:
    """``Grappa 1.25 s (3)``, with what waits for it in brackets."""
    waiting = f" ({gadget['queue']})" if gadget["queue"] else ""
    return f"{gadget['name']} {gadget['seconds']:.2f} s{waiting}"
