"""The command ``scanside``: what its words are. Each word's module imports what it needs when it runs."""

import argparse
import sys
from collections.abc import Sequence

from server import __version__
from server.commands import (
    cancel,
    chains,
    convert,
    demo,
    doctor,
    drain,
    gadgets,
    replay,
    run,
    serve,
    simulate,
    spool,
    status,
    view,
)

COMMANDS = (
    serve,
    replay,
    run,
    simulate,
    convert,
    spool,
    view,
    status,
    cancel,
    drain,
    gadgets,
    chains,
    doctor,
    demo,
)


def parser() -> argparse.ArgumentParser:
    """The grammar of the command."""
    made = argparse.ArgumentParser(
        prog="scanside", description="Reconstructs MR images while the scanner is still sending the data."
    )
    made.add_argument("--version", action="version", version=f"scanside {__version__}")
    words = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(words)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 (it failed) or 2 (it was used wrongly)."""
    options = parser().parse_args(arguments)
    from models.errors import ScansideError

    try:
        return int(options.run(options))
    except BrokenPipeError:
        return 1
    except (ScansideError, OSError) as error:
        print(f"scanside: {error}", file=sys.stderr)
        return 2 if type(error).__name__ == "SettingsError" else 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
