"""A process that sends one piece of memory again and again; nothing in it but the socket.

``python sender.py FILE``: prints its port; each connection says how many times (8 bytes), and gets the file.
"""

import socket
import struct
import sys
from pathlib import Path


def main() -> None:
    """Serve connections one after the other, until killed."""
    data = Path(sys.argv[1]).read_bytes()
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            (times,) = struct.unpack("<Q", connection.recv(8, socket.MSG_WAITALL))
            try:
                for _ in range(times):
                    connection.sendall(data)
            except OSError:
                continue


if __name__ == "__main__":
    main()
