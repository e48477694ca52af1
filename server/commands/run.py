"""``scanside run``: a chain without a network, from file to file or as a pipe."""

import argparse
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands.arguments import parameter

if TYPE_CHECKING:
    from server.step import AnyStep
    from server.wire.messages import Message


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser(
        "run", help="run a chain on a file, or as a pipe: scanside run CHAIN < in.mrd > out.mrd"
    )
    own.add_argument("chain", help="name of an installed chain, or a chain's file")
    own.add_argument(
        "input", nargs="?", type=Path, metavar="IN", help="ISMRMRD HDF5 file (standard input: a stream)"
    )
    own.add_argument("-o", "--output", type=Path, metavar="OUT.h5", help="images (standard output: a stream)")
    own.add_argument("--group", default="dataset", help="HDF5 group of the scan (%(default)s)")
    own.add_argument("--param", type=parameter, action="append", default=[], metavar="GADGET.FIELD=VALUE")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Reconstruct; 1 when the chain failed."""
    from server.threads import quiet

    quiet()
    _check(options)
    from server.offline import reconstruct

    logging.getLogger("server.reconstruction").addHandler(logging.NullHandler())
    messages = _from_file(options) if options.input else _from_pipe()
    outcome = reconstruct(messages, _steps(options.chain), dict(options.param), *_sink(options))
    if outcome.facts()["bug"]:
        traceback.print_exception(outcome.error)
    elif options.output and not outcome.error:
        print(f"{outcome.images} images")
    return 1 if outcome.error else 0


def _check(options: argparse.Namespace) -> None:
    """Refuse what would stop, fill a terminal, or overwrite the scan.

    Raises SettingsError.
    """
    from server.settings import SettingsError

    if options.output is None and sys.stdout.isatty():
        raise SettingsError("images do not go to a terminal: give -o OUT.h5, or a pipe")
    if options.input is None and sys.stdin.isatty():
        raise SettingsError("a scan does not come from a terminal: give a file, or a pipe")
    if options.input and options.output and options.output.resolve() == options.input.resolve():
        raise SettingsError(f"-o {options.output} would replace the scan")


def _steps(chain: str) -> "list[AnyStep]":
    from server.chain import named, parse

    path = Path(chain)
    return parse(path.read_text()) if path.suffix and path.is_file() else named(chain)


def _from_file(options: argparse.Namespace) -> "Iterator[Message]":
    from gadgets.data import Readouts
    from server.files.scan import read_scan
    from server.wire.messages import Close, Header
    from server.wire.readouts import split

    scan = read_scan(options.input, options.group)
    yield Header(scan.xml)
    for item in scan.runs():
        yield from split(item) if isinstance(item, Readouts) else (item,)
    yield Close()


def _from_pipe() -> "Iterator[Message]":
    from server.wire.buffer import Buffer

    stream = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - not ours to close
    return Buffer().messages(lambda view: stream.readinto(view) or 0)


def _sink(options: argparse.Namespace) -> tuple[Any, Any]:
    """Where messages go, and what is called at the end; texts are also shown."""
    from gadgets.data import Image
    from server.files.kept import Kept
    from server.wire.decode import decode_all
    from server.wire.kinds import Kind
    from server.wire.messages import TextMessage

    kept, out, text = Kept(options.output), sys.stdout.buffer, Kind.TEXT.to_bytes(2, "little")

    def take(message: bytes) -> None:
        if options.output is None:
            out.write(message)
        for found in decode_all(message) if options.output or message[:2] == text else ():
            if isinstance(found, Image):
                kept.image(found)
            elif isinstance(found, TextMessage):
                print(f"scanside: {found.text}", file=sys.stderr)

    def end() -> None:
        kept.__exit__(None, None, None)
        out.flush()

    return take, end
