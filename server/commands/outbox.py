"""``scanside outbox``: what goes to the archives, what became of it, and what is tried again."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.dicom.outbox import Entry


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("outbox", help="show and retry what goes to the archives")
    own.add_argument("action", nargs="?", choices=("list", "retry"), default="list")
    own.add_argument("--archive", help="only this one")
    own.add_argument(
        "--state",
        choices=("built", "sent", "committed", "failed", "expired"),
        help="only objects in this state",
    )
    own.add_argument("--json", action="store_true", help="print the facts as JSON")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show or retry; 1 when something failed or expired."""
    from server import audit, paths
    from server.dicom.outbox import Outbox

    outbox = Outbox(paths.outbox())
    try:
        if options.action == "retry":
            count = outbox.retry(options.archive)
            audit.note("retried", objects=count, archive=options.archive)
            print(f"{count} objects will be tried again")
            return 0
        found = [each for each in outbox.entries(options.state) if options.archive in (None, each.archive)]
        counts = outbox.counts()
    finally:
        outbox.close()
    _print(found, counts, options.json)
    return 1 if counts.get("failed") or counts.get("expired") else 0


def _print(found: "list[Entry]", counts: dict[str, int], as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps({"counts": counts, "objects": [_facts(each) for each in found]}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("session", "archive", "series", "objects", "state", "attempts", "reason")
    rows: dict[tuple[str, ...], list[Entry]] = {}
    for each in found:
        rows.setdefault((each.session, each.archive, each.series, each.state, each.reason), []).append(each)
    for (session, archive, series, state, reason), entries in rows.items():
        most = max(each.attempts for each in entries)
        table.add_row(session, archive, series[-12:], str(len(entries)), state, str(most), reason)
    Console().print(table)


def _facts(entry: "Entry") -> dict[str, Any]:
    """No file name and no identifier: the UIDs are made of hashes."""
    names = ("archive", "series", "object", "session", "state", "attempts", "due", "reason")
    return {name: getattr(entry, name) for name in names}
