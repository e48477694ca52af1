"""The command ``scanside``: what its words are. Each word's module imports what it needs when it runs."""

import argparse
import sys
from collections.abc import Sequence

from server import __version__
from server.commands import (
    audit,
    cancel,
    chains,
    config,
    convert,
    demo,
    doctor,
    drain,
    external,
    gadgets,
    models,
    outbox,
    package,
    page,
    replay,
    run,
    selftest,
    serve,
    simulate,
    spool,
    state,
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
    outbox,
    page,
    audit,
    state,
    external,
    package,
    config,
    gadgets,
    chains,
    models,
    doctor,
    selftest,
    demo,
)


WRONG_USE = ("SettingsError", "SimulationError")
"""Errors that say that something cannot be meant: the command was used wrongly."""


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
        print(f"scanside: {_said(error)}", file=sys.stderr)
        return 2 if type(error).__name__ in WRONG_USE else 1
    except KeyboardInterrupt:
        return 130


def _said(error: Exception) -> str:
    """The error in a line; the system's own with the file before the reason."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror.lower()}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
