"""A spooled scan as an ISMRMRD HDF5 file, for every tool that reads those."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gadgets.data import Readouts, Waveform
from server.errors import DataError, ProtocolError
from server.files.scan import write_scan
from server.spool.stream import Spooled
from server.wire.messages import Header, Message, Unsupported

SESSION = frozenset({"ConfigFile", "ConfigText", "Header", "Close", "Query"})
"""Messages of the session itself: a recorded scan has no place for them and needs none."""


@dataclass(frozen=True)
class Exported:
    """What went into a file, and what did not."""

    readouts: int
    waveforms: int
    left_out: dict[str, int]
    """Messages by kind for which an ISMRMRD file has no place."""

    incomplete: int
    """Bytes at the end that are no complete messages."""

    fault: str
    """Why nothing behind some message was read; empty when all complete messages were."""


def export(source: Spooled, target: Path) -> Exported:
    """Write the complete messages of a stream to ``target``, in bulk, and say what they were.

    Raises DataError when the stream has no header.
    """
    faults: list[str] = []
    messages = _followed(source, faults)
    left: Counter[str] = Counter()
    header = _header(messages, left)
    waveforms: list[Waveform] = []
    count = write_scan(target, header.xml, _runs(messages, waveforms, left), waveforms)
    extent = source.extent()
    return Exported(count, len(waveforms), dict(left), extent.size - extent.complete, "".join(faults))


def _followed(source: Spooled, faults: list[str]) -> Iterator[Message]:
    """The messages up to the first that cannot be understood."""
    try:
        yield from source.messages()
    except ProtocolError as error:
        faults.append(str(error))


def _header(messages: Iterator[Message], left: Counter[str]) -> Header:
    for message in messages:
        if isinstance(message, Header):
            return message
        _leave(message, left)
    raise DataError("the spooled stream has no header")


def _runs(messages: Iterator[Message], waveforms: list[Waveform], left: Counter[str]) -> Iterator[Readouts]:
    """The readouts; everything else goes where it belongs meanwhile."""
    for message in messages:
        if isinstance(message, Readouts):
            yield message
        elif isinstance(message, Waveform):
            waveforms.append(message)
        else:
            _leave(message, left)


def _leave(message: Message, left: Counter[str]) -> None:
    name = message.what if isinstance(message, Unsupported) else type(message).__name__
    if name not in SESSION:
        left[name] += 1
