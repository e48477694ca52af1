"""``scanside run``: a chain without a network, from file to file or as a pipe."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.chain import Step
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
    own.add_argument("--param", action="append", default=[], metavar="GADGET.FIELD=VALUE")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Reconstruct; 1 when the chain failed."""
    from server.threads import quiet

    quiet()
    from server.commands.replay import parameters
    from server.offline import reconstruct

    messages = _from_file(options) if options.input else _from_pipe()
    outcome = reconstruct(messages, _steps(options.chain), parameters(options.param), *_sink(options))
    if outcome.message:
        print(f"scanside: {outcome.message}", file=sys.stderr)
    elif options.output:
        print(f"{outcome.images} images")
    return 1 if outcome.error else 0


def _steps(chain: str) -> "list[Step]":
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
    """Where messages go, and what is called at the end."""
    if options.output is None:
        out = sys.stdout.buffer
        return out.write, out.flush
    from gadgets.data import Image
    from server.files.kept import Kept
    from server.wire.decode import decode_all

    kept = Kept(options.output)

    def keep(message: bytes) -> None:
        for found in decode_all(message):
            if isinstance(found, Image):
                kept.image(found)
            elif hasattr(found, "text"):
                print(found.text, file=sys.stderr)

    return keep, lambda: kept.__exit__(None, None, None)
