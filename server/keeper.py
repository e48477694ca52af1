"""One connection: receives, spools, answers what needs no chain, and keeps the replies in order.

No torch and no gadget is loaded here. A worker does the scan; a failure, or a limit, ends the reconstruction
and never the reception: the peer is told (TEXT, CLOSE, half-close), and what it still sends is received, and
spooled, to its CLOSE.
"""

import contextlib
import json
import logging
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from server import paths
from server.access import Admission
from server.asking import Queue
from server.backlog import Backlog
from server.control.voice import Voice
from server.dependencies import query as dependencies
from server.dependencies.store import site_store
from server.dicom.destination import Worklist
from server.errors import ProtocolError, ScansideError
from server.hand import Hand
from server.identifiers import identifiers, without
from server.link import Frame, Orders, Say
from server.queries import answer
from server.replies import Replies
from server.ring import SIZE, Ring
from server.secure import SecureSocket, peer_of
from server.settings import Settings
from server.spool.careful import Careful
from server.spool.entry import Entry, Unspooled
from server.stream import BLOCK, STEP, Stream
from server.wire import encode
from server.wire.decode import decode_all, text
from server.wire.follow import Mark
from server.wire.kinds import Kind
from server.wire.messages import ConfigFile, ConfigText, Query

log = logging.getLogger(__name__)

DRAIN = 10.0
"""Seconds that a peer has to close its side after it was told the end."""

ENDINGS = {
    "cancel": "the reconstruction was cancelled on the server",
    "stop": "the server was stopped, and the reconstruction was not ready in the time it had",
}
"""What a peer is told when the site ends its reconstruction."""

PAUSE = 5
"""Milliseconds without data after which a block is not waited for any longer."""


class Keeper:
    """One connection from accept to close; ``serve`` returns the session's outcome."""

    def __init__(
        self,
        connection: socket.socket | SecureSocket,
        settings: Settings,
        queue: Queue,
        name: str = "",
        entry: Entry | Unspooled | None = None,
        threads: int = 1,
        busy: str = "",
        admission: Admission | None = None,
        voice: Voice | None = None,
    ) -> None:
        self._socket, self._settings, self._queue, self._name = connection, settings, queue, name
        self._admission = admission or Admission(profile=settings.profile)
        self._voice = voice or Voice()
        self._peer = peer_of(connection)
        self._entry: Entry | Unspooled = entry or Unspooled()
        self._threads, self._busy = threads, busy
        self._replies = Replies(connection, Backlog(_beside(settings), settings.replies), self._fail)
        self._log = Careful(self._entry, lambda fault: self._warn(fault))
        self._stream = Stream(Ring.create(), self._log, self._told_stream, settings.limits)
        self._config: ConfigFile | ConfigText | None = None
        self._header = b""
        self._closed = False
        self._hand = Hand(settings, self._heard, self._lost, self._heed)
        self._engaged = False
        self._lock = threading.Lock()
        self._ended = False
        self._kind = ""
        """Which of the keeper's own reasons ended the reconstruction."""
        self.outcome: dict[str, Any] = {"state": "empty", "error": "", "images": 0}

    def serve(self) -> dict[str, Any]:
        """Receive to the end and see the worker out."""
        self._socket.settimeout(self._settings.idle)
        try:
            self._receive()
        except ProtocolError as error:
            self._fail(str(error), "protocol")
            self._swallow()
        except TimeoutError:
            self._fail(f"no byte came for {self._settings.idle:g} s", "limit")
        except OSError as error:
            self._fail(f"the connection failed: {error}", "connection")
        self._end()
        return self.outcome

    def _receive(self) -> None:
        while not self._closed:
            count, marks = self._stream.receive(self._socket.recv_into)
            if not count:
                self._cut()
                return
            for mark in marks:
                self._note(mark)
            self._patient()
            last = any(mark.last for mark in marks)
            if last:
                self._log.sync()
            self._announce(last)

    def _patient(self) -> None:
        """The ring must still hold the start of the stream when a worker is made."""
        if not self._engaged and self._stream.received > SIZE - 2 * STEP:
            raise ProtocolError(f"no header came within the first {self._stream.received} bytes")

    def _announce(self, now: bool) -> None:
        """Tell the worker of whole messages: in blocks, unless a trigger is among them or the peer pauses."""
        if not self._hand.made:
            return
        if now or self._closed or self._stream.untold >= BLOCK or not self._more():
            self._stream.tell()

    def _more(self) -> bool:
        if isinstance(self._socket, SecureSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(PAUSE))

    def _warn(self, fault: str) -> None:
        """Say aloud that the scan is not kept, or not to its end."""
        log.warning("%s: %s", self._name, fault)
        self._replies.send(encode.text(fault, self._admission.profile, "warning"))

    def _note(self, mark: Mark) -> None:
        """Act on what concerns the keeper; all else is the worker's."""
        match mark.kind:
            case Kind.CONFIG_FILE | Kind.CONFIG_TEXT:
                self._config = _config(mark.message)
            case Kind.QUERY:
                self._query(mark.message)
            case Kind.HEADER:
                self._header = mark.message
                self._engage()
            case Kind.ACQUISITION | Kind.IMAGE | Kind.WAVEFORM:
                self._engage()
            case Kind.CLOSE:
                self._closed = True
                self._hand.scan_is_over()
                self._close()

    def _query(self, message: bytes) -> None:
        [query] = decode_all(message)
        assert isinstance(query, Query)
        self._replies.send(answer(query))

    def _close(self) -> None:
        """The peer's CLOSE. Without a header there is no scan: a question, a probe, or a name to check."""
        if self._hand.made or self._ended:
            return
        error = ""
        if isinstance(self._config, ConfigText):
            self._answer(self._config.text)
        elif self._config is not None and self._config.name not in PROBES:
            known = self._answer(self._config.name) or _installed(self._config.name)
            error = "" if known else f"no chain is called {self._config.name!r}"
        self._conclude({"state": "probe", "error": error})

    def _answer(self, configuration: str) -> bool:
        """Answer a question about stored measurements, which comes as a configuration without a scan."""
        try:
            reply = dependencies.answer(configuration, site_store(self._settings.expiry))
        except ScansideError as error:
            log.warning("%s: %s", self._name, error)
            return True
        if reply is not None:
            self._replies.send(reply)
        return reply is not None

    def _engage(self) -> None:
        """Have a worker made, once."""
        if self._engaged:
            return
        self._engaged = True
        settings = self._settings
        orders = Orders(
            name=self._name,
            threads=self._threads,
            memory=settings.memory,
            nul=self._admission.profile.nul,
            prefix=self._admission.profile.prefix,
            kinds=tuple(self._admission.profile.kinds),
            chains=None if self._admission.chains is None else tuple(self._admission.chains),
            config_text=self._admission.config_text,
            expiry=settings.expiry,
            archives=tuple((a.name, a.identified, a.deidentify, a.chains) for a in settings.archives),
            worklist=TypeAdapter(Worklist).dump_json(settings.worklist).decode() if settings.worklist else "",
        )
        spool = self._entry.fileno() if self._entry.fileno() >= 0 else None
        self._voice.say(
            "session",
            state="running",
            peer=self._peer,
            chain=self._chain_name(),
            keeper_pid=os.getpid(),
            started=time.time(),
        )
        if self._busy:
            state = "spooled" if spool is not None else "refused"
            self._conclude({"state": state, "error": self._busy, "kind": "busy"})
            return
        try:
            self._hand.make(self._queue, orders, self._stream.ring, spool)
        except OSError as error:
            self._fail(f"no worker could be made: {error}", "gadgets")

    def _chain_name(self) -> str:
        """The installed chain that was named; never a word of the peer's own."""
        if not isinstance(self._config, ConfigFile):
            return "(text)"
        return _plain(self._config.name) if _installed(self._config.name) else "(unknown)"

    def _told_stream(self, place: Say, offset: int) -> None:
        """Say how far the stream is complete; without a worker nobody needs it any more."""
        if self._stream.heard and not self._hand.say(place, offset):
            self._stream.deafen()

    def _heard(self, frame: Frame) -> None:
        match frame.kind:
            case Say.READ:
                self._stream.read(frame.number)
            case Say.REPLY:
                self._replies.send(frame.payload)
            case Say.STATS:
                self._progress(json.loads(frame.payload))
            case Say.PREVIEW:
                self._voice.say("preview", **json.loads(frame.payload))
            case Say.VIEW:
                self._voice.say("view", **json.loads(frame.payload))
            case Say.OUTCOME:
                self._conclude(json.loads(frame.payload))

    def _lost(self, reason: str, kind: str) -> None:
        """The worker died without an outcome, or was never made."""
        self._conclude({"state": "failed", "error": reason, "kind": kind})

    def _heed(self) -> None:
        """Take commands of the site: they end the reconstruction, reception goes on."""
        for each in self._voice.commands():
            reason = ENDINGS.get(each["do"])
            if reason:
                self._fail(reason, "stopped")
            if reason and (each["do"] == "stop" or not self._hand.pid):
                self._conclude({"state": "failed", "error": reason})

    def _progress(self, stats: dict[str, Any]) -> None:
        self._voice.say("worker", worker_pid=self._hand.pid)
        self._voice.say(
            "progress", state="running", bytes=self._stream.received, lag=self._stream.lag, **stats
        )

    def _cut(self) -> None:
        """The connection ended without CLOSE; one on which nothing was said is only a probe."""
        if not self._stream.received:
            return
        where = f", {self._stream.pending} bytes into a message" if self._stream.pending else ""
        self._fail(f"the connection ended without CLOSE{where}", "connection")

    def _fail(self, reason: str, kind: str = "console") -> None:
        """End the reconstruction and tell the peer."""
        if self._ended:
            return
        self._kind = self._kind or kind
        if not self._hand.made:
            self._conclude({"state": "failed", "error": reason})
            return
        self._stream.tell()
        self._hand.say(Say.FAIL, payload=reason.encode())

    def _conclude(self, facts: dict[str, Any]) -> None:
        """The last word to the peer; only the first conclusion counts."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self.outcome |= facts
        if self.outcome["error"]:
            self.outcome["kind"] = self._kind or self.outcome.get("kind", "protocol")
        self.outcome["error"] = self._clean(self.outcome["error"])
        self._hand.leave()
        self._stream.deafen()
        last = [encode.close()]
        if self.outcome["error"]:
            last.insert(0, encode.text(self.outcome["error"], self._admission.profile, "error"))
        self._replies.conclude(*last)

    def _clean(self, error: str) -> str:
        """The reason without the identifiers of the scan's header, which a peer's own words may hold."""
        with contextlib.suppress(ScansideError):
            return without(error, identifiers(text(memoryview(self._header)[6:]))) if error else error
        return error

    def _swallow(self) -> None:
        """The stream cannot be followed any more: take what still comes, to the peer's end or a limit."""
        until = time.monotonic() + self._settings.idle
        for piece in _received(self._socket, self._settings.idle):
            self._log.write(piece)
            if time.monotonic() > until:
                return

    def _end(self) -> None:
        """Let the worker leave, write what is queued, half-close, and wait for the peer to do the same."""
        if self._hand.made:
            self._hand.wait()
        else:
            self._conclude({})
        patience = self._settings.patience
        if not self._replies.join(patience):
            self._replies.abandon(f"the peer took none of its last replies for {patience:g} s")
        if self._replies.fault and not self.outcome["error"]:
            self.outcome |= {"state": "failed", "error": self._replies.fault, "kind": "console"}
        until = time.monotonic() + DRAIN
        for _ in _received(self._socket, DRAIN):
            if time.monotonic() > until:
                break
        self._socket.close()
        self.outcome["bytes"] = self._stream.received
        if self.outcome["state"] in ("empty", "probe"):
            self._entry.discard()
        else:
            self._entry.close(self.outcome)
            known = ("state", "error", "kind", "bytes", "images")
            self._voice.say(
                "outcome",
                readouts=sum(self.outcome.get("received", {}).values()),
                **{name: self.outcome[name] for name in known if name in self.outcome},
            )
        self._voice.close()


def _beside(settings: Settings) -> Path:
    """Where replies may wait on the disk."""
    return settings.spool if settings.spool_mode != "none" else paths.state()


PROBES = ("isalive.xml",)
"""Configurations by which Gadgetron's tools ask whether a server is alive."""


def _config(message: bytes) -> ConfigFile | ConfigText:
    """The configuration that the peer sent; one that cannot be read is the worker's to refuse."""
    try:
        [config] = decode_all(message)
    except ScansideError:
        return ConfigText("")
    assert isinstance(config, ConfigFile | ConfigText)
    return config


def _plain(name: str) -> str:
    return name.removesuffix(".yml").removesuffix(".yaml").removesuffix(".xml")


def _installed(name: str) -> bool:
    return any(
        _plain(name) == path.stem
        for folder in paths.config_folders()
        for path in paths.chains(folder).values()
    )


def _received(connection: socket.socket | SecureSocket, seconds: float) -> Iterator[memoryview]:
    """What still comes, piece by piece, to the peer's end or a pause of ``seconds``."""
    waste = memoryview(bytearray(1 << 16))
    connection.settimeout(seconds)
    try:
        while count := connection.recv_into(waste):
            yield waste[:count]
    except OSError:
        return
