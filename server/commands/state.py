"""``scanside state``: back up, restore, go back a version, change the site's key."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("state", help="back up, restore or roll back what a server keeps")
    acts = own.add_subparsers(dest="act", metavar="ACT", required=True)
    _act(acts, "show", _show, "the versions of what is kept")
    _act(acts, "backup", _backup, "write it into one file").add_argument(
        "file", type=Path, metavar="FILE.tar"
    )
    _act(acts, "restore", _restore, "put a backup into an empty state folder").add_argument(
        "file", type=Path, metavar="FILE.tar"
    )
    back = _act(acts, "rollback", _rollback, "make the outbox's table one that an older version knows")
    back.add_argument("version", type=int, help="of the table, as that version's `state show` prints it")
    turn = _act(acts, "rotate-key", _rotate, "give the site another key")
    turn.add_argument("--spool", type=Path, help="the spool's folder")


def run(options: argparse.Namespace) -> int:
    """Do what is asked; 1 when it cannot be done."""
    return int(options.does(options))


def _act(
    acts: "argparse._SubParsersAction[Any]",
    name: str,
    does: Callable[[argparse.Namespace], int],
    words: str,
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = acts.add_parser(name, help=words)
    made.set_defaults(run=run, does=does)
    return made


def _show(options: argparse.Namespace) -> int:
    import sqlite3
    from contextlib import closing

    from server import __version__, paths
    from server.dicom import schema

    file = paths.outbox() / schema.NAME
    print(f"scanside {__version__}, knows version {schema.VERSION} of the outbox")
    if file.exists():
        with closing(sqlite3.connect(file)) as base:
            print(f"{file}: version {schema.version(base)}")
    return 0


def _backup(options: argparse.Namespace) -> int:
    from server import audit, paths
    from server.upkeep.backup import backup

    audit.note("exported", backup=options.file.name)
    print(f"{options.file}: {backup(paths.state(), options.file)} files")
    return 0


def _restore(options: argparse.Namespace) -> int:
    from server import audit, paths
    from server.upkeep.backup import restore

    _stopped()
    count = restore(options.file, paths.state())
    audit.note("restored", backup=options.file.name, files=count)
    print(f"{paths.state()}: {count} files")
    return 0


def _rollback(options: argparse.Namespace) -> int:
    from contextlib import closing

    from server import audit, paths
    from server.dicom import schema

    _stopped()
    with closing(schema.opened(paths.outbox())) as base:
        schema.move(base, paths.outbox(), options.version)
    audit.note("rolled back", outbox=options.version)
    print(
        f"the outbox's table has version {options.version}; this version of scanside would upgrade it again"
    )
    return 0


def _rotate(options: argparse.Namespace) -> int:
    from server import audit, paths
    from server.upkeep.rotation import rotate

    _stopped()
    count = rotate(paths.state(), options.spool or paths.spool())
    audit.note("changed", settings=["site key"])
    print(f"the site has another key; {count} entries of the spool have other pseudonyms")
    return 0


def _stopped() -> None:
    """Raises UpkeepError while a server of this user runs."""
    from server.control.folder import running
    from server.upkeep.backup import UpkeepError

    if running():
        raise UpkeepError("a server runs: stop it first")
