"""What a server answers about itself."""

import json
from pathlib import Path
from typing import Any

from server.control.folder import STATUS, address
from server.errors import ControlError


def snapshot(folder: Path, seconds: float = 2.0) -> dict[str, Any]:
    """The server and its sessions; see ``server.control.board``.

    Raises ControlError when nothing answers in time.
    """
    return dict(_ask(folder, {}, seconds))


def preview(
    folder: Path, session: str, series: int | None = None, seconds: float = 2.0
) -> dict[str, Any] | None:
    """The last picture of a session, or of one of its series: width, height, pixels; None when there is none.

    Raises ControlError when nothing answers in time.
    """
    found = _ask(folder, {"preview": session, "series": series}, seconds)
    return None if found is None else dict(found)


def view(folder: Path, session: str, name: str, seconds: float = 2.0) -> dict[str, Any] | None:
    """The last picture of what came in to a session: ``kspace``, ``noise`` or ``trace``; None without one.

    Raises ControlError when nothing answers in time.
    """
    found = _ask(folder, {"preview": session, "view": name}, seconds)
    return None if found is None else dict(found)


def _ask(folder: Path, question: dict[str, Any], seconds: float) -> Any:  # noqa: ANN401 - JSON
    import zmq

    with zmq.Context() as context, context.socket(zmq.REQ) as asking:
        asking.linger = 0
        asking.connect(f"ipc://{address(folder, STATUS)}")
        asking.send(json.dumps(question).encode())
        if not asking.poll(int(1000 * seconds)):
            raise ControlError(f"nothing answers in {folder} within {seconds:g} s: does the server run?")
        return json.loads(asking.recv())
