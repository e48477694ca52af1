"""What may be said when: the order of a session as a table."""

import enum

from gadgets.data import Image, Readouts, Waveform
from server.errors import ProtocolError
from server.wire import messages as said


class State(enum.Enum):
    """What a session waits for."""

    CONFIG = "a configuration"
    HEADER = "the measurement header"
    STREAM = "data"
    DONE = "nothing more"


DATA = (Readouts, Waveform, Image, said.Unsupported)

NEXT: dict[State, dict[type | tuple[type, ...], State]] = {
    State.CONFIG: {
        (said.ConfigFile, said.ConfigText): State.HEADER,
        said.Query: State.CONFIG,
        said.TextMessage: State.CONFIG,
        said.Close: State.DONE,
    },
    State.HEADER: {
        said.Header: State.STREAM,
        said.Query: State.HEADER,
        said.TextMessage: State.HEADER,
        said.Close: State.DONE,
    },
    State.STREAM: {
        DATA: State.STREAM,
        said.TextMessage: State.STREAM,
        said.Query: State.STREAM,
        said.Close: State.DONE,
    },
    State.DONE: {},
}


def after(state: State, message: said.Message) -> State:
    """The state behind ``message``.

    Raises ProtocolError when it may not come now.
    """
    for kinds, state_after in NEXT[state].items():
        if isinstance(message, kinds):
            return state_after
    raise ProtocolError(f"{type(message).__name__} came while waiting for {state.value}")
