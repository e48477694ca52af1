"""Commands to a running session or to the server: a datagram socket each, that any poll can wait for.

Not ZeroMQ: a keeper can wait for the socket beside its peer's and its worker's, the kernel bounds the queue,
and the sender knows at once whether anybody is there.
"""

import contextlib
import json
import socket
from pathlib import Path
from typing import Any, Self

from server.control.events import SESSION
from server.control.folder import COMMAND, address, answers
from server.errors import ControlError

LIMIT = 4096
"""The longest command [bytes]."""

KNOWN = ("cancel", "drain", "stop")
"""``drain`` is for the server; ``stop`` is the server's own to a scan that outlives its grace."""


class Commands:
    """What a session is told. Make it after the fork; the folder is that of ``runtime``."""

    def __init__(self, folder: Path, session: str) -> None:
        name = _name(session)
        self._path = folder / name
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(address(folder, name))
        self._path.chmod(0o600)

    def fileno(self) -> int:
        """What select and poll wait for."""
        return self._socket.fileno()

    def take(self) -> list[dict[str, Any]]:
        """The commands that came, each with the key ``do``; whatever is none is dropped."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                command = _command(self._socket.recv(LIMIT + 1))
                if command is not None:
                    found.append(command)
        return found

    def close(self) -> None:
        """Take no more."""
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Take no more."""
        self.close()


def send(folder: Path, session: str, command: str) -> None:
    """Tell a session, or the listener under the name ``server``, to ``cancel`` or ``drain``.

    Raises ControlError when there is no such session, or it does not take commands.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        try:
            sender.sendto(json.dumps({"do": command}).encode(), address(folder, _name(session)))
        except (FileNotFoundError, ConnectionRefusedError):
            raise ControlError(f"no session {session} runs in {folder}") from None
        except BlockingIOError:
            raise ControlError(f"session {session} takes no commands: its queue is full") from None


def sweep(folder: Path) -> None:
    """Remove the sockets of sessions that are gone without having closed them."""
    for path in folder.glob(f"*{COMMAND}"):
        if not answers(folder, path.name, socket.SOCK_DGRAM):
            path.unlink(missing_ok=True)


def _command(data: bytes) -> dict[str, Any] | None:
    if len(data) > LIMIT:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("do") in KNOWN else None


def _name(session: str) -> str:
    if not SESSION.fullmatch(session):
        raise ControlError("a session's id is at most 40 letters, digits and hyphens")
    return f"{session}{COMMAND}"
