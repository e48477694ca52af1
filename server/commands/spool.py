"""``scanside spool``: what was received and kept, and what is done with it."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands.arguments import toml

if TYPE_CHECKING:
    from server.settings import Settings
    from server.spool.index import Record
    from server.spool.stream import Spooled


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("spool", help="list, remove or export the scans that were received and kept")
    acts = own.add_subparsers(dest="act", metavar="ACT", required=True)
    _act(acts, "list", _list, "list the entries").add_argument(
        "--json", action="store_true", help="print whole outcomes as JSON"
    )
    removal = _act(acts, "remove", _remove, "remove entries, whatever became of them")
    removal.add_argument("entries", nargs="*", metavar="ENTRY", help="names of entries")
    removal.add_argument("--patient", metavar="PSEUDONYM", help="all entries of this patient")
    retention = _act(acts, "retain", _retain, "apply the rules of age and size now")
    retention.add_argument("--days", type=float, dest="spool_days", help="remove what is older")
    retention.add_argument(
        "--size", type=int, dest="spool_size", metavar="BYTES", help="remove the oldest above this size"
    )
    retention.add_argument(
        "--failed",
        action="store_false",
        default=None,
        dest="spool_keep_failed",
        help="also scans that did not succeed",
    )
    out = _act(acts, "export", _export, "write an entry as ISMRMRD HDF5")
    out.add_argument("entry", metavar="ENTRY")
    out.add_argument("output", type=Path, metavar="OUT.h5")
    _act(acts, "recover", _recover, "give an outcome to the entries whose server died")
    _act(acts, "pseudonym", _pseudonym, "print the pseudonym of the patient ID given on standard input")


def run(options: argparse.Namespace) -> int:
    """Do what is asked; 1 when a part of it could not be done."""
    from server.settings import read_settings

    return int(options.does(options, read_settings(vars(options), options.settings)))


def _act(
    acts: "argparse._SubParsersAction[Any]",
    name: str,
    does: "Callable[[argparse.Namespace, Settings], int]",
    words: str,
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = acts.add_parser(name, help=words)
    made.add_argument("--folder", type=Path, dest="spool", help="the spool's folder")
    made.add_argument("--settings", type=toml, metavar="FILE", help="settings as TOML")
    made.set_defaults(run=run, does=does)
    return made


def _list(options: argparse.Namespace, settings: "Settings") -> int:
    import json

    from server.spool.index import records

    held = records(settings.spool)
    if options.json:
        facts = [{**one.outcome, "name": one.name, "state": one.state, "size": one.size} for one in held]
        print(json.dumps(facts, indent=1))
        return 0
    for one in held:
        images, patient = one.outcome.get("images", "-"), one.outcome.get("patient") or "-"
        print(f"{one.name}  {one.state:12s} {one.size / 1e6:10.1f} MB  {images:>5} images  patient {patient}")
    print(f"{len(held)} entries, {sum(one.size for one in held) / 1e6:.1f} MB in {settings.spool}")
    return 0


def _remove(options: argparse.Namespace, settings: "Settings") -> int:
    from server import audit
    from server.settings import SettingsError
    from server.spool.index import entry, remove
    from server.spool.room import SpoolError

    if not options.entries and not options.patient:
        raise SettingsError("name entries to remove, or --patient PSEUDONYM")
    chosen = [entry(settings.spool, name) for name in options.entries]
    chosen += _of(settings, options.patient) if options.patient else []
    failed = 0
    for one in chosen:
        try:
            remove(one)
            audit.note("removed", entry=one.name)
            print(f"removed {one.name}")
        except SpoolError as error:
            print(f"scanside: {error}", file=sys.stderr)
            failed = 1
    if not chosen:
        print(f"scanside: the spool has no entry of patient {options.patient}", file=sys.stderr)
    return failed or int(not chosen)


def _of(settings: "Settings", pseudonym: str) -> "list[Record]":
    from server.pseudonym import site_key
    from server.spool.index import records

    key = site_key()
    return [one for one in records(settings.spool) if one.patient(key) == pseudonym]


def _retain(options: argparse.Namespace, settings: "Settings") -> int:
    from server import audit
    from server.spool.retention import Retention

    rules = Retention(
        days=settings.spool_days, size=settings.spool_size, keep_failed=settings.spool_keep_failed
    )
    done = rules.apply(settings.spool)
    if done.removed:
        audit.note("removed", entries=len(done.removed))
    for name in done.removed:
        print(f"removed {name}")
    print(f"{len(done.removed)} entries removed, {done.size / 1e6:.1f} MB held")
    if done.over:
        kept = "what is left did not succeed, or is being received"
        print(f"scanside: {done.over / 1e6:.1f} MB above the limit; {kept}", file=sys.stderr)
    return int(done.over > 0)


def _export(options: argparse.Namespace, settings: "Settings") -> int:
    from server import audit
    from server.spool.index import entry

    audit.note("exported", entry=options.entry)
    return exported(entry(settings.spool, options.entry).stream, options.output)


def exported(source: "Spooled", target: Path) -> int:
    """Write a spooled stream as ISMRMRD HDF5 and say what became of it."""
    from server.spool.export import export

    done = export(source, target)
    print(f"{target}: {done.readouts} readouts, {done.waveforms} waveforms")
    for kind, count in done.left_out.items():
        print(f"scanside: left out, {count} times: {kind}", file=sys.stderr)
    if done.incomplete:
        print(f"scanside: left out, {done.incomplete} bytes without a complete message", file=sys.stderr)
    if done.fault:
        print(f"scanside: the stream cannot be read further: {done.fault}", file=sys.stderr)
    return int(bool(done.fault))


def _recover(options: argparse.Namespace, settings: "Settings") -> int:
    from server.pseudonym import site_key
    from server.spool.recovery import recover

    for one in recover(settings.spool, site_key()):
        whole = "whole" if one.closed else "cut"
        print(f"{one.name}: {one.extent.complete} of {one.extent.size} bytes are complete messages, {whole}")
    return 0


def _pseudonym(options: argparse.Namespace, settings: "Settings") -> int:
    from server.pseudonym import pseudonym, site_key

    print(pseudonym(sys.stdin.readline().strip(), site_key()))
    return 0
