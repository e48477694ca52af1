"""One scan: header, chain, gadgets; its replies are handed on as whole messages.

Nothing here knows a socket or a process: items come in by ``put``, messages leave by ``reply``.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from gadgets.cardiac.perfusion.kept import KeptFlow
from gadgets.data import Block, CoilMeasurement, Image, NoiseMeasurement, Readouts, Text, Waveform
from gadgets.errors import DataError, Interrupted
from gadgets.gadget import flat, takes
from gadgets.image.label import Labels
from server.chain import build
from server.dependencies import coils, flow
from server.dependencies.noise import before, keep, masked
from server.dependencies.store import Store
from server.dicom.archiving import Archiving, Copies
from server.engine.line import Line
from server.errors import AccessError, ChainError, ModelError, ProtocolError, ScansideError
from server.identifiers import identifiers, without
from server.incoming import Incoming
from server.parameters import apply
from server.preview import preview
from server.step import AnyStep
from server.wire import encode
from server.wire.header import read_header
from server.wire.kinds import Kind, Profile
from server.wire.messages import Data, Unsupported

log = logging.getLogger(__name__)

SHOWN = 8
"""Series of which a picture is made at a time."""

KINDS = {
    ProtocolError: "protocol",
    ChainError: "chain",
    DataError: "data",
    ModelError: "model",
    AccessError: "access",
    ScansideError: "data",
}
"""Errors by kind, as metrics count them."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What a scan is to be made of."""

    steps: list[AnyStep]
    chain: str = ""
    """The chain's name; empty for one that was written out."""

    header: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    profile: Profile = field(default_factory=Profile)
    store: Store | None = None
    """Where measurements are kept that later scans depend on."""

    archiving: Archiving | None = None
    """Where the images go beside the peer."""


@dataclass
class Outcome:
    """How a scan ended."""

    error: BaseException | None = None
    images: int = 0
    received: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def facts(self) -> dict[str, Any]:
        """The outcome as plain values, for the keeper, the spool's index and the log."""
        return {
            "state": "failed" if self.error else "complete",
            "error": self.message,
            "kind": self.kind,
            "bug": self.error is not None and not isinstance(self.error, ScansideError),
            "images": self.images,
            "received": dict(self.received),
            "dropped": dict(self.dropped),
        }

    @property
    def kind(self) -> str:
        """Whose fault it was, in a word; empty when all went well."""
        if self.error is None:
            return ""
        if isinstance(self.error, MemoryError) or "allocate memory" in str(self.error):
            return "memory"
        return next((word for kind, word in KINDS.items() if isinstance(self.error, kind)), "bug")

    @property
    def message(self) -> str:
        """What the peer is told; empty when all went well."""
        if self.error is None:
            return ""
        if isinstance(self.error, ScansideError):
            return str(self.error)
        if isinstance(self.error, MemoryError) or "allocate memory" in str(self.error):
            return "the reconstruction needs more memory than it may have"
        return f"internal error ({type(self.error).__name__}); the server's log has the details"


class Reconstruction:
    """A scan's chain at work. ``done`` is called once, from the worker's own thread."""

    def __init__(
        self, assignment: Assignment, reply: Callable[[bytes], object], done: Callable[[Outcome], None]
    ) -> None:
        scan = read_header(assignment.header)
        self._store = assignment.store
        self._scan = scan = masked(scan, self._store) if self._store else scan
        steps, ignored = apply(assignment.steps, assignment.parameters)
        self._profile, self._reply, self._done = assignment.profile, reply, done
        chain = build(steps)
        self._images = any(issubclass(Image, gadget.signature()[1]) for gadget in flat(chain))
        self._line = Line(chain, scan, cores=torch.get_num_threads())
        self._labels = Labels(scan)
        self._hidden = identifiers(assignment.header)
        self.outcome = Outcome()
        self._seen: dict[int, Image] = {}
        self._incoming = Incoming(scan)
        self._copies = Copies(assignment.archiving, self._tell)
        self._copies.begin(scan, assignment.header, "; ".join(map(str, chain)), assignment.chain)
        self._thread = threading.Thread(target=self._pump, name="reconstruction", daemon=True)
        for name in ignored:
            self._tell(f"parameter {name!r} belongs to no gadget of the chain and is ignored", "warning")
        self._line.start()
        for noise in before(scan, self._store) if self._store else ():
            self._incoming.take(noise)
            self._line.inlet.put(noise)
        for measured in coils.before(scan, self._store) if self._store else ():
            self._line.inlet.put(measured)
        for found in flow.before(scan, self._store) if self._store and takes(chain, KeptFlow) else ():
            self._line.inlet.put(found)
        self._thread.start()

    def put(self, item: Data | Unsupported) -> None:
        """Hand one item to the chain, waiting for room.

        Raises Closed when the chain has ended.
        """
        if isinstance(item, Unsupported):
            self.fail(DataError(item.what))
            return
        count = len(item.head) if isinstance(item, Readouts) else 1
        self.outcome.received[type(item).__name__] += count
        self._incoming.take(item)
        self._line.inlet.put(item)

    def finish(self) -> None:
        """The peer said CLOSE: the gadgets may flush."""
        self._line.inlet.finish()

    def fail(self, error: BaseException) -> None:
        """Nothing more can come, and not everything came."""
        self._line.inlet.fail(error)
        self.outcome.error = self.outcome.error or error

    def stats(self) -> dict[str, Any]:
        """Numbers of what was received and made so far."""
        readouts = sum(self.outcome.received.values())
        return {"readouts": readouts, "images": self.outcome.images, "gadgets": self._line.stats()}

    def previews(self) -> list[dict[str, Any]]:
        """A picture of the last image of every series that has a new one since the last call."""
        seen, self._seen = self._seen, {}
        return [preview(each) for each in list(seen.values())[-SHOWN:]]

    def views(self) -> list[dict[str, Any]]:
        """Pictures of what came in, those that have changed since the last call."""
        return list(self._incoming.views())

    def join(self) -> None:
        """Wait for the end, which ``done`` has been told by then."""
        self._thread.join()

    def _pump(self) -> None:
        try:
            for item in self._line.outlet:
                self._send(item)
        except Interrupted:
            pass
        except Exception as error:  # noqa: BLE001 - the edge of a session
            self._line.outlet.abandon()
            self.outcome.error = error
        self._line.join(2.0)
        self._conclude()

    def _send(self, item: object) -> None:
        if isinstance(item, Image):
            _finite(item)
            labelled = self._labels.label(item)
            self._reply(encode.image(labelled, self._profile))
            self._copies.take(labelled)
            self.outcome.images += 1
            self._seen[int(labelled.head["image_series_index"])] = labelled
        elif isinstance(item, Text):
            self._tell(item.text, item.level)
        elif isinstance(item, CoilMeasurement) and self._store:
            if said := coils.keep(item, self._scan, self._store):
                self._tell(said.text, said.level)
        elif isinstance(item, KeptFlow):
            self._keep_flow(item)
        elif isinstance(item, NoiseMeasurement) and self._store:
            if said := keep(item, self._scan, self._store):
                self._tell(said.text, said.level)
        elif isinstance(item, Waveform) and Kind.WAVEFORM in self._profile.kinds:
            self._reply(encode.waveform(item))
        else:
            self.outcome.dropped[type(item).__name__] += len(item.head) if isinstance(item, Readouts) else 1

    def _keep_flow(self, item: KeptFlow) -> None:
        """For a later scan; this one's report does not hang on it."""
        try:
            said = flow.keep(item, self._scan, self._store) if self._store else None
        except ScansideError as error:
            said = Text(text=str(error), level="warning")
        if said:
            self._tell(said.text, said.level)

    def _tell(self, text: str, level: str) -> None:
        """Say it on the console and in the log, without the header's identifiers, which a gadget may know."""
        text = without(text, self._hidden)
        log.log(logging.WARNING if level == "warning" else logging.INFO, text)
        self._reply(encode.text(text, self._profile, level))

    def _conclude(self) -> None:
        outcome = self.outcome
        outcome.error = self._line.failure or outcome.error
        expected = self._images and outcome.received[Block.__name__]
        if outcome.error is None and expected and not outcome.images:
            outcome.error = DataError(f"the chain made no image of {outcome.received['Block']} readouts")
        self._copies.end(complete=outcome.error is None)
        self._done(outcome)


def _finite(image: Image) -> None:
    """Let no image out that holds NaN or infinity: one such sample in a readout spreads over all of it."""
    if not bool(torch.isfinite(image.data).all()):
        raise DataError(f"an image ({image.role}) is not finite: a readout holds NaN or infinity")
