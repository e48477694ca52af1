"""``scanside config check``: the effective settings, where each comes from, and what is wrong with them."""

import argparse
from pathlib import Path
from typing import Any

from server.commands.arguments import toml


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("config", help="show the settings that hold, and check them")
    deeds = own.add_subparsers(dest="deed", metavar="check", required=True)
    check = deeds.add_parser("check", help="print each setting and its source; exit 2 on faults")
    check.add_argument("--settings", type=toml, metavar="FILE", help="settings as TOML")
    check.add_argument("--json", action="store_true", help="print the facts as JSON")
    check.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print settings and faults; 2 when there are faults."""
    import json

    found = facts(options.settings)
    if options.json:
        print(json.dumps(found))
    else:
        for each in found["settings"]:
            print(f"{each['name']} = {each['value']}    # {each['source']}")
        for fault in found["faults"]:
            print(f"BAD {fault}")
    return 2 if found["faults"] else 0


def facts(file: Path | None) -> dict[str, Any]:
    """``settings`` (each with name, value and source) and ``faults``, for which the server would not start.

    Raises SettingsError for an unknown name or a wrong value.
    """
    from dataclasses import fields

    from pydantic_core import to_jsonable_python

    from server.settings import read_settings, sources

    settings, given = read_settings({}, file), sources({}, file)
    rows = [
        {
            "name": each.name,
            "value": to_jsonable_python(getattr(settings, each.name)),
            "source": given[each.name][0] if each.name in given else "default",
        }
        for each in fields(settings)
    ]
    return {"settings": rows, "faults": _faults(settings)}


def _faults(settings: Any) -> list[str]:  # noqa: ANN401 - Settings, which --help does not load
    """What a start would refuse: an open bind, certificates, folders that others may enter or write."""
    from server.access import guard
    from server.errors import ScansideError
    from server.folders import install
    from server.spool.folder import Spool
    from server.tls import server_context

    found = []
    for check in (
        guard,
        server_context,
        install,
        lambda each: Spool(each.spool, each.spool_mode, each.spool_full, room=each.spool_room, key=b""),
    ):
        try:
            check(settings)
        except (ScansideError, OSError) as error:
            found.append(str(error))
    return found
