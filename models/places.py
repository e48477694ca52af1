"""Where models lie: those of the site, and what is made of models for this machine."""

import os
import stat
from pathlib import Path

from models.errors import ModelError

SITE = "SCANSIDE_MODELS"
"""Environment variable with folders of the site's own cards and weights."""


def state() -> Path:
    """What outlives the server: SCANSIDE_STATE, else under the user's own state folder."""
    default = Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local/state")) / "scanside"
    return Path(os.environ.get("SCANSIDE_STATE", default))


def engines() -> Path:
    """Exported models and the engines built of them."""
    return state() / "engines"


def site() -> list[Path]:
    """The folders of the site's models, as SCANSIDE_MODELS lists them.

    Raises ModelError for one that others may write: who can change a card there can change images.
    """
    found = [Path(each) for each in os.environ.get(SITE, "").split(os.pathsep) if each]
    for folder in found:
        if folder.is_dir() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ModelError(
                f"folder of models {folder} may be written by others; expected by its owner only"
            )
    return found
