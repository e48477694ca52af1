"""``python -m server.dicom FOLDER``: empties the outbox; the archives come as JSON on standard input.

It ends with SIGTERM, or when its parent's end of the pipe closes.
"""

import json
import logging
import signal
import sys
import threading
from pathlib import Path

from pydantic import TypeAdapter

from server.dicom.destination import Archive
from server.dicom.office import work


def main(folder: str) -> int:
    """Work until the listener has gone."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pynetdicom").setLevel(logging.ERROR)
    archives = TypeAdapter(tuple[Archive, ...]).validate_python(json.loads(sys.stdin.readline()))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_until_closed, args=(stop,), daemon=True).start()
    work(Path(folder), archives, stop)
    return 0


def _until_closed(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
