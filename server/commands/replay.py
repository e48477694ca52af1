"""``scanside replay``: sends recorded scans as a scanner would, and keeps what comes back."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands.arguments import above_zero, address, at_least_0, at_least_1, parameter

if TYPE_CHECKING:
    from ssl import SSLContext

    from server.client import Answer
    from server.files.scan import RecordedScan
    from server.spool.stream import Spooled
    from server.wire.messages import ConfigText


def add(words: "argparse._SubParsersAction[Any]") -> None:
    """Declare the command."""
    own = words.add_parser("replay", help="send recorded scans to a server, as a scanner would")
    own.add_argument("files", nargs="+", type=Path, metavar="FILE", help="ISMRMRD HDF5 files, spool entries")
    own.add_argument(
        "--to", type=address, default="127.0.0.1:9002", metavar="HOST:PORT", help="the server (%(default)s)"
    )
    own.add_argument(
        "--chain", help="name of an installed chain, or a file to send as text; a spooled scan has its own"
    )
    own.add_argument("-o", "--output", type=Path, metavar="OUT.h5", help="where the images go")
    own.add_argument("--group", default="dataset", help="HDF5 group of the scan (%(default)s)")
    own.add_argument("--param", type=parameter, action="append", default=[], metavar="GADGET.FIELD=VALUE")
    own.add_argument("--pace", default="fast", choices=("fast", "real"), help="real: by the time stamps")
    own.add_argument("--speed", type=above_zero, default=1.0, help="with --pace real: how many times faster")
    own.add_argument("--scanners", type=at_least_1, default=1, metavar="N", help="as many scanners at once")
    own.add_argument(
        "--cut", type=at_least_0, metavar="BYTES", help="break the connection behind so many bytes"
    )
    own.add_argument("--nul", action="store_true", help="write strings as FIRE does, with a NUL")
    own.add_argument("--tls", action="store_true", help="connect under TLS")
    own.add_argument("--ca", type=Path, help="with --tls: authorities of the server's certificate (PEM)")
    own.add_argument("--cert", type=Path, help="with --tls: our own certificate (PEM)")
    own.add_argument("--key", type=Path, help="with --tls: its key")
    own.add_argument("--timeout", type=above_zero, default=300.0, help="seconds to wait for a byte")
    own.add_argument("--json", action="store_true", help="print the facts as JSON")
    own.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Replay each file; 1 when the server reported an error, or did not answer, for any of them."""
    from concurrent.futures import ThreadPoolExecutor

    from server import audit
    from server.files.scan import RecordedScan

    scans = [(path, _source(options, path)) for path in options.files]
    for path, scan in scans:
        if not isinstance(scan, RecordedScan):
            audit.note("re-ran", entry=path.name, chain=options.chain)
    jobs = [(path, scan, number) for number in range(options.scanners) for path, scan in scans]
    readouts = sum(getattr(scan, "readouts", 0) for _, scan, _ in jobs)
    with _progress(options, readouts) as advance, ThreadPoolExecutor(options.scanners) as scanners:
        waiting = [scanners.submit(_one, options, *job, len(jobs), advance) for job in jobs]
        answers = [each.result() for each in waiting]
    _report(options, [path for path, _, _ in jobs], answers)
    return 1 if any(answer.error for answer in answers) else 0


def _source(options: argparse.Namespace, path: Path) -> "RecordedScan | Spooled":
    """The scan in a file, or in the spool.

    Raises SettingsError for what only the other kind can do.
    """
    from server import paths
    from server.files.scan import read_scan
    from server.settings import SettingsError
    from server.spool.index import find

    spooled = find(path, paths.spool())
    if spooled is None and options.chain is None:
        raise SettingsError(f"--chain is needed: {path} names none")
    if spooled is not None and options.pace == "real":
        raise SettingsError(f"{path} is spooled and sent as it was received: no --pace real")
    return spooled or read_scan(path, options.group)


def _one(
    options: argparse.Namespace,
    path: Path,
    scan: "RecordedScan | Spooled",
    number: int,
    jobs: int,
    advance: Callable[[int], None],
) -> "Answer":
    from server.client import Answer, converse
    from server.errors import AccessError
    from server.files.kept import Kept

    parts = _parts(options, scan, advance)
    context = tls(options)
    tell = _tell if jobs == 1 else partial(_tell, scan=f"{path.name} {number}, ")
    with Kept(_target(options, path, number, jobs)) as kept:
        try:
            return converse(options.to, parts, kept.image, tell, options.timeout, context)
        except (AccessError, ConnectionError) as error:
            return Answer(fault=str(error))


def tls(options: argparse.Namespace) -> "SSLContext | None":
    """How to connect under TLS; None for a plain connection.

    Raises SettingsError for certificates without --tls.
    """
    from server.settings import SettingsError

    if not options.tls:
        if options.ca or options.cert or options.key:
            raise SettingsError("--ca, --cert and --key are for a connection under TLS: give --tls")
        return None
    from server.tls import client_context

    return client_context(options.ca, options.cert, options.key)


def _parts(
    options: argparse.Namespace, scan: "RecordedScan | Spooled", advance: Callable[[int], None]
) -> Iterator[bytes]:
    from server.client import cut
    from server.spool.stream import Spooled

    if isinstance(scan, Spooled):
        other = options.chain or options.param
        parts = scan.edited(_Rechained(options)) if other else scan.pieces()
    else:
        parts = _recorded(options, scan, advance)
    return cut(parts, options.cut) if options.cut is not None else parts


def _recorded(
    options: argparse.Namespace, scan: "RecordedScan", advance: Callable[[int], None]
) -> Iterator[bytes]:
    from server.client import conversation, paced
    from server.parameters import to_text
    from server.wire.encode import FIRE, GADGETRON

    items: Iterable[Any] = scan.runs()
    if options.pace == "real":
        items = paced(items, options.speed)
    given = dict(options.param)
    text = to_text(given) if given else ""
    profile = FIRE if options.nul else GADGETRON
    return conversation(_chain(options), scan.xml, _counted(items, advance), text, profile)


def _chain(options: argparse.Namespace) -> "str | ConfigText":
    from server.wire.messages import ConfigText

    chain = Path(options.chain)
    return ConfigText(chain.read_text()) if chain.suffix and chain.is_file() else str(options.chain)


class _Rechained:
    """Messages before the data, with another chain in the place of the one they name, or other parameters."""

    def __init__(self, options: argparse.Namespace) -> None:
        from server.wire.encode import FIRE, GADGETRON, config_file, config_text

        self._profile = FIRE if options.nul else GADGETRON
        self._given = dict(options.param)
        self._config = None
        if options.chain:
            chain = _chain(options)
            self._config = (
                config_file(chain) if isinstance(chain, str) else config_text(chain.text, self._profile)
            )

    def __call__(self, kind: int, message: bytes) -> bytes:
        """The message as it is sent; parameters that are given count more than FIRE's own."""
        from server.parameters import to_text
        from server.wire.encode import text
        from server.wire.kinds import Kind

        if kind in (Kind.CONFIG_FILE, Kind.CONFIG_TEXT):
            return self._config or message
        if kind == Kind.HEADER and self._given:
            return message + text(to_text(self._given), self._profile)
        return self._changed(message) if kind == Kind.TEXT else message

    def _changed(self, message: bytes) -> bytes:
        """A text of FIRE's parameters, without those that would choose another chain than the given one."""
        from server.parameters import CHOICE, from_text
        from server.wire.decode import text
        from server.wire.encode import text as encoded

        said = text(memoryview(message)[6:])
        found = from_text(said)
        left = set(CHOICE) if self._config else set()
        if found is None or not (left & set(found) or self._given):
            return message
        content = json.loads(said)
        content["parameters"] = {k: v for k, v in found.items() if k not in left} | self._given
        return encoded(json.dumps(content), self._profile)


def _counted(items: Iterable[Any], advance: Callable[[int], None]) -> Iterator[Any]:
    for item in items:
        yield item
        advance(len(item.head) if item.head.ndim else 0)


def _target(options: argparse.Namespace, path: Path, number: int, jobs: int) -> Path | None:
    """OUT.h5, or one file for each scan when there are several."""
    output: Path | None = options.output
    if output is None or jobs == 1:
        return output
    name = path.name if path.is_dir() or not path.exists() else path.stem
    return output.with_name(f"{output.stem}_{name}_{number}{output.suffix}")


def _tell(text: str, scan: str = "") -> None:
    print(f"{scan}server: {text}", file=sys.stderr)


@contextmanager
def _progress(options: argparse.Namespace, readouts: int) -> "Iterator[Callable[[int], None]]":
    """A progress bar on a terminal; nothing where there is none, or with --json."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=options.json or not console.is_terminal) as bar:
        task = bar.add_task("readouts", total=readouts)
        yield lambda count: bar.advance(task, count)


def _report(options: argparse.Namespace, paths: list[Path], answers: "list[Answer]") -> None:
    if options.json:
        facts = [
            {"file": str(path), "error": answer.error, **vars(answer)}
            for path, answer in zip(paths, answers, strict=True)
        ]
        print(json.dumps(facts, indent=1))
    for path, answer in zip(paths, answers, strict=True):
        if not options.json:
            print(f"{path.name}: {answer.images} images{_times(answer.arrived)}")
        if answer.error and answer.error not in answer.texts:
            print(f"{path.name}: {answer.error}", file=sys.stderr)


def _times(arrived: list[float]) -> str:
    return f", first after {arrived[0]:.3f} s, last after {arrived[-1]:.3f} s" if arrived else ""
