"""The runtime folder: one for each server, by its port, in which its sockets lie; nobody else may enter."""

import os
import socket
import stat
from functools import cache
from pathlib import Path

from server import paths
from server.errors import ControlError

LONGEST = 107
"""Bytes of a UNIX socket's path, at most."""

EVENTS, STATUS, SERVER = "events", "status", "server"
"""Where sessions report, where the status is asked for, and the listener's name among the commanded."""

COMMAND = ".command"
"""How the sockets end that take commands."""


def runtime(port: int) -> Path:
    """The folder of the server on ``port``, made with mode 0700.

    Raises ControlError when it is not this user's alone.
    """
    folder = place(port)
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
        _private(each)
    return folder


def address(folder: Path, name: str) -> str:
    """The path by which the socket ``name`` of the folder is bound and reached.

    A path that is too long for a socket goes by way of a descriptor of the folder, which stays open.
    """
    path = os.fspath(folder / name)
    if len(os.fsencode(path)) <= LONGEST:
        return path
    return f"/proc/self/fd/{_opened(folder)}/{name}"


@cache
def _opened(folder: Path) -> int:
    return os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def place(port: int) -> Path:
    """Where the folder of the server on ``port`` is, whether it exists or not."""
    return paths.run() / str(port)


def running() -> list[Path]:
    """The folders of the servers that answer."""
    found = paths.run().glob(f"*/{STATUS}")
    return sorted(
        each.parent for each in found if each.parent.name.isdigit() and answers(each.parent, each.name)
    )


def chosen(port: int | None) -> Path:
    """The folder of the server on ``port``; without one, of the only server that runs.

    Raises ControlError when there is none, or more than one.
    """
    if port is not None:
        return place(port)
    found = running()
    if len(found) == 1:
        return found[0]
    if not found:
        raise ControlError(f"no server of this user runs: nothing answers in {paths.run()}")
    raise ControlError(f"several servers run; give --port: {', '.join(each.name for each in found)}")


def answers(folder: Path, name: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    """Whether somebody listens at the UNIX socket ``name`` of the folder."""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address(folder, name))
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


def _private(folder: Path) -> None:
    """Refuse a folder that is a link, another user's, or open to others."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise ControlError(
            f"the runtime folder {folder} must be this user's own with mode 0700, found"
            f" {stat.filemode(found.st_mode)} of user {found.st_uid}"
        )
