"""A chain on a stream of messages, without a network: the same worker that serves a connection."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from server.chain import Step
from server.engine.channel import Closed
from server.errors import ProtocolError
from server.wire import encode
from server.wire import messages as said
from server.wire.order import DATA
from server.worker import Assignment, Outcome, Worker


def reconstruct(
    messages: Iterable[said.Message],
    steps: list[Step],
    parameters: Mapping[str, Any],
    reply: Callable[[bytes], object],
    end: Callable[[], object] = lambda: None,
) -> Outcome:
    """Run the chain on a header, data and CLOSE; the replies are whole messages, CLOSE the last of them.

    Raises ProtocolError when data come before the header.
    """
    ended: list[Outcome] = []
    worker: Worker | None = None
    closed = False
    for message in messages:
        match message:
            case said.Header(xml):
                assignment = Assignment(steps=steps, header=xml, parameters=parameters)
                worker = Worker(assignment, reply, ended.append)
            case said.Close():
                closed = True
                break
            case _ if isinstance(message, DATA) and not _put(worker, message):
                break
    if worker is None:
        raise ProtocolError("the stream has no header")
    _stop(worker, closed)
    outcome = ended[0]
    if outcome.error is not None:
        reply(encode.text(outcome.message, level="error"))
    reply(encode.close())
    end()
    return outcome


def _put(worker: Worker | None, item: said.Data | said.Unsupported) -> bool:
    """Hand an item over; False when the chain has ended."""
    if worker is None:
        raise ProtocolError(f"{type(item).__name__} came before the header")
    try:
        worker.put(item)
    except Closed:
        return False
    return True


def _stop(worker: Worker, closed: bool) -> None:
    if closed:
        worker.finish()
    else:
        worker.fail(ProtocolError("the stream ended without CLOSE"))
    worker.join()
