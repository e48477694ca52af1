"""Health and metrics as the listener has them: the socket is its own, so that the address stays."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from server.settings import Settings


class Page:
    """The process that answers."""

    def __init__(self, folder: Path, bound: socket.socket, rules: str) -> None:
        number = bound.fileno()
        command = [sys.executable, "-m", "server.status", str(folder), str(number), rules, str(os.getpid())]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=(number,), start_new_session=True
        )

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


def bound(settings: Settings) -> socket.socket:
    """The listening socket. Raises OSError for an address that is taken."""
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    return socket.create_server((settings.http_host, settings.http_port), family=family, backlog=16)


def named(made: socket.socket) -> str:
    """Where it is asked, ``127.0.0.1:9003``."""
    host, port = made.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def rules(settings: Settings) -> str:
    """What the process must know of the settings."""
    return json.dumps(
        {
            "spool": str(settings.spool) if settings.spool_mode != "none" else "",
            "room": settings.spool_room,
            "refuses": settings.spool_full == "refuse",
            "traces": settings.traces,
            "allow": [str(each) for each in settings.allow],
        }
    )
