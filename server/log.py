"""Logging for the command: one line an event, on standard error."""

import logging


def begin(verbose: bool) -> None:
    """Set up the root logger."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)-7s %(message)s",
    )
