"""Where things lie: the chains that came with the server, and the folders that it writes."""

import os
from pathlib import Path

from models.places import state as state

PACKAGE = Path(__file__).parent

PLUGINS, CONFIGS = "SCANSIDE_PLUGINS", "SCANSIDE_CONFIGS"
"""Environment variables with folders of the site: modules with gadgets, and chains."""


def configs() -> Path:
    """The folder of chains: inside the installed package, else beside it (an editable install)."""
    inside = PACKAGE / "configs"
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


def plugins() -> list[Path]:
    """The folders of the site's gadgets, as SCANSIDE_PLUGINS lists them."""
    return _listed(PLUGINS)


def config_folders() -> list[Path]:
    """Where chains are looked for, the site's folders (SCANSIDE_CONFIGS) before the installed one."""
    return [*_listed(CONFIGS), configs()]


def chains(folder: Path) -> dict[str, Path]:
    """The files of the chains in a folder by name: YAML without its suffix, Gadgetron's XML with it."""
    written = {path.stem: path for path in sorted(folder.glob("*.yml"))}
    return written | {path.name: path for path in sorted(folder.glob("*.xml"))}


def spool() -> Path:
    """The folder of received scans: SCANSIDE_SPOOL, else in the state folder."""
    return Path(os.environ.get("SCANSIDE_SPOOL", state() / "spool"))


def outbox() -> Path:
    """What waits for the archives."""
    return state() / "outbox"


def run() -> Path:
    """Where servers have their sockets: SCANSIDE_RUN, else the user's runtime folder, else in /tmp."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    default = Path(session) / "scanside" if session else Path(f"/tmp/scanside-{os.geteuid()}")
    return Path(os.environ.get("SCANSIDE_RUN", default))


def one_parent() -> None:
    """Check that the three packages lie side by side, so that none is another project's of the same name.

    Raises RuntimeError otherwise.
    """
    import gadgets
    import models

    for module in (gadgets, models):
        where = Path(str(module.__file__)).parent.parent
        if where != PACKAGE.parent:
            raise RuntimeError(f"package {module.__name__} lies in {where}, expected it in {PACKAGE.parent}")


def _listed(name: str) -> list[Path]:
    return [Path(each) for each in os.environ.get(name, "").split(os.pathsep) if each]
