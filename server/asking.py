"""Where workers are asked for: one queue that all keepers share, and that outlives the templates it is for.

A request waits there while no template is loaded, so that a scan need not know whether one lives.
"""

import contextlib
import enum
import json
import os
import socket
import struct
from dataclasses import asdict, dataclass, field

from server.link import Orders

STATUS = struct.Struct("<Bi")
"""What goes into a status pipe: a ``Fate`` and its number."""


class Fate(enum.IntEnum):
    """What is said of a worker; the end of the pipe before it was born: ask again."""

    REFUSED = 0
    """None will be made."""
    BORN = 1
    """Its process id; said by the worker itself."""
    DIED = 2
    """Its wait status; said by the template."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a queue, whose messages stay whole; taking one never waits."""
    asking, answering = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    answering.setblocking(False)
    return asking, answering


@dataclass
class Queue:
    """Requests for workers, each with the files of one: link, ring, status, and the spool if there is one."""

    ends: tuple[socket.socket, socket.socket] = field(default_factory=pair)

    @property
    def answering(self) -> socket.socket:
        """The end at which templates, or the listener for want of one, take requests."""
        return self.ends[1]

    def ask(self, orders: Orders, link: socket.socket, ring: int, spool: int | None) -> int:
        """Have a worker made; the answer is the read end of its status pipe.

        Raises OSError when there is neither a template nor a listener that would start one.
        """
        reading, writing = os.pipe()
        files = [link.fileno(), ring, writing, *([spool] if spool is not None else [])]
        try:
            socket.send_fds(self.ends[0], [json.dumps(asdict(orders)).encode()], files)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return reading

    def only_ask(self) -> None:
        """A keeper's view: when nobody is left to answer, asking must fail and not wait."""
        self.answering.close()

    def refuse(self) -> None:
        """Answer every request that waits: there will be no worker."""
        with contextlib.suppress(BlockingIOError):
            while True:
                message, files, _, _ = socket.recv_fds(self.answering, 1 << 16, 4)
                if message:
                    tell(files[2], Fate.REFUSED, 0)
                for file in files:
                    os.close(file)


def tell(pipe: int, fate: Fate, number: int) -> None:
    """Say a worker's fate to its keeper, if that still lives."""
    with contextlib.suppress(OSError):
        os.write(pipe, STATUS.pack(fate, number))


def told(pipe: int) -> tuple[Fate, int] | None:
    """The next thing that is said of a worker; None when nobody can say more."""
    data = os.read(pipe, STATUS.size)
    if len(data) != STATUS.size:
        return None
    fate, number = STATUS.unpack(data)
    return Fate(fate), number
