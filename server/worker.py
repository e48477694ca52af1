"""A worker: one scan in a process of its own, fresh from the template and never used again.

It reads the conversation out of the keeper's ring (or, when it lags, out of the spool) and answers over the
link. It never speaks to the peer, and it does not outlive its keeper.
"""

import json
import logging
import mmap
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator

from pydantic import TypeAdapter

from server import paths
from server.access import Admission
from server.dependencies.store import site_store
from server.dicom.archiving import Archiving, Wanted
from server.dicom.destination import Worklist
from server.errors import ProtocolError, ScansideError
from server.identifiers import identifiers
from server.link import Frame, Link, Orders, Say
from server.log import belong, capture, hide
from server.reconstruction import Outcome
from server.ring import Ring
from server.session import Session
from server.wire.decode import Decoder
from server.wire.kinds import Kind, Profile
from server.wire.messages import Header, Message

log = logging.getLogger(__name__)

PERIOD = 0.5
"""Seconds between two reports of progress."""


def work(link: Link, ring: Ring, spool: int | None, orders: Orders) -> None:
    """Run one scan to its end and leave the process."""
    belong(orders.name)
    capture()
    _settle(orders)
    session = Session(
        lambda message: _say(link, Say.REPLY, payload=message),
        lambda outcome: _end(link, outcome, session, orders.name),
        _admission(orders),
        site_store(orders.expiry),
        _archiving(orders),
    )
    threading.Thread(target=_report, args=(link, session), name="report", daemon=True).start()
    read = 0
    for frame in link.frames():
        if frame.kind is Say.FAIL:
            session.fail(ProtocolError(frame.payload.decode()))
        elif not session.over:
            _take(session, _messages(frame, read, ring, spool))
        if frame.kind is not Say.FAIL:
            read = frame.number
            _say(link, Say.READ, read)
    os._exit(1)


def _take(session: Session, messages: Iterator[Message]) -> None:
    """Hand on what a stretch holds; content that cannot be read ends the scan with its reason."""
    try:
        for message in messages:
            if isinstance(message, Header):
                hide(identifiers(message.xml))
            session.take(message)
    except ScansideError as error:
        session.fail(error)


def _messages(frame: Frame, read: int, ring: Ring, spool: int | None) -> Iterator[Message]:
    """The messages of a stretch of the stream that begins and ends at their boundaries."""
    if frame.kind is Say.RING:
        return Decoder().decode(ring.view(read, frame.number))
    assert spool is not None
    return Decoder().decode(_mapped(spool, read, frame.number))


def _mapped(spool: int, start: int, stop: int) -> memoryview:
    """The bytes of a stretch where they lie in the page cache: reading them would be one more copy."""
    page = start - start % mmap.ALLOCATIONGRANULARITY
    flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
    window = mmap.mmap(spool, stop - page, flags=flags, prot=mmap.PROT_READ, offset=page)
    return memoryview(window)[start - page :]


def _admission(orders: Orders) -> Admission:
    profile = Profile(
        nul=orders.nul, prefix=orders.prefix, kinds=frozenset(Kind(each) for each in orders.kinds)
    )
    chains = None if orders.chains is None else frozenset(orders.chains)
    return Admission(profile=profile, chains=chains, config_text=orders.config_text)


def _archiving(orders: Orders) -> Archiving | None:
    if not orders.archives:
        return None
    wanted = [
        Wanted(name=name, identified=identified, deidentify=deidentify, chains=tuple(chains))
        for name, identified, deidentify, chains in orders.archives
    ]
    worklist = TypeAdapter(Worklist).validate_json(orders.worklist) if orders.worklist else None
    return Archiving(folder=paths.outbox(), wanted=wanted, session=orders.name, worklist=worklist)


def _report(link: Link, session: Session) -> None:
    """Say now and then what the chain has done; it may be lost."""
    while True:
        time.sleep(PERIOD)
        if stats := session.stats():
            _say(link, Say.STATS, payload=json.dumps(stats).encode())
        _show(link, session)


def _show(link: Link, session: Session) -> None:
    """Pictures of what was sent and of what came; a scan goes on, and ends, without them."""
    for kind, make in ((Say.PREVIEW, session.previews), (Say.VIEW, session.views)):
        try:
            found = [json.dumps(each).encode() for each in make()]
        except (MemoryError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
            log.warning("no picture could be made", exc_info=True)
            continue
        for each in found:
            _say(link, kind, payload=each)


def _settle(orders: Orders) -> None:
    """Limits and threads, before the first operation."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(orders.threads)
    if orders.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (orders.memory, orders.memory))


def _say(link: Link, kind: Say, number: int = 0, payload: bytes = b"") -> None:
    """Tell the keeper; without it there is nobody to work for."""
    try:
        link.say(kind, number, payload)
    except OSError:
        os._exit(1)


def _end(link: Link, outcome: Outcome, session: Session, name: str) -> None:
    """Tell the last figures and the outcome, and leave; threads that do not stop leave with the process."""
    _show(link, session)
    if stats := session.stats():
        _say(link, Say.STATS, payload=json.dumps(stats).encode())
    facts = outcome.facts()
    if facts["bug"]:
        log.error("%s failed", name, exc_info=outcome.error)
    _say(link, Say.OUTCOME, payload=json.dumps(facts).encode())
    logging.shutdown()
    os._exit(0)
