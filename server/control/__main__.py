"""``python -m server.control FOLDER``: the collector, as the listener starts it."""

import logging
import sys
from pathlib import Path

from server.control.collect import collect
from server.errors import ControlError


def main(folder: str) -> int:
    """Collect until the listener and its sessions have gone; 1 when the folder is another's."""
    try:
        collect(Path(folder), sys.stdin.fileno())
    except ControlError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the message says it all
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
