"""A chain on a stream of messages, without a network: the same session that a worker process runs."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from server.errors import ProtocolError
from server.reconstruction import Outcome
from server.session import Session
from server.step import AnyStep
from server.wire import encode
from server.wire import messages as said


def reconstruct(
    messages: Iterable[said.Message],
    steps: list[AnyStep],
    parameters: Mapping[str, Any],
    reply: Callable[[bytes], object],
    end: Callable[[], object] = lambda: None,
) -> Outcome:
    """Run the chain on a header, data and CLOSE; the replies are whole messages, CLOSE the last of them.

    A stream that begins with a configuration may do so; the chain that was given is used all the same.
    """
    ended: list[Outcome] = []
    session = Session(reply, ended.append)
    session.configure(steps, dict(parameters))
    try:
        for message in messages:
            if not isinstance(message, said.ConfigFile | said.ConfigText | said.Query):
                session.take(message)
            if session.over:
                break
        session.fail(ProtocolError("the stream ended without CLOSE"))
    except ProtocolError as error:
        session.fail(error)
    session.join()
    outcome = ended[0]
    if outcome.error is not None:
        reply(encode.text(outcome.message, level="error"))
    reply(encode.close())
    end()
    return outcome
