"""``python -m server.status FOLDER SOCKET RULES LISTENER``: health and metrics, as it starts them."""

import json
import os
import signal
import socket
import sys
from pathlib import Path

from server.log import begin
from server.status.http import Rules, serve


def main(folder: str, number: str, rules: str, listener: str) -> int:
    """Answer until the process ``listener`` is gone."""
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    begin(False, "json" if os.environ.get("SCANSIDE_LOG") == "json" else "text")
    serve(Path(folder), socket.socket(fileno=int(number)), Rules(**json.loads(rules)), int(listener))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
