"""The folders from which code and chains are loaded: only those that nobody else can change."""

import grp
import os
import pwd
import stat
import sys
from pathlib import Path

from server import paths
from server.errors import AccessError
from server.external import programs
from server.settings import Settings


def checked_folder(folder: Path) -> Path:
    """The folder, resolved, when only its owner (this user, or root) can change it and what is in it.

    Raises AccessError otherwise: code or chains in it could be another user's.
    """
    found = folder.resolve()
    if not found.is_dir():
        raise AccessError(f"{folder} is not a folder")
    for each in (found, *found.parents):
        _own(each, sticky=each != found)
    for each in found.iterdir():
        _own(each.resolve(), sticky=False)
    return found


def install(settings: Settings) -> None:
    """Check the folders of plug-ins, chains and other programs; this process and its children may use them.

    Raises AccessError for a folder that others may write.
    """
    for name, folders in ((paths.PLUGINS, settings.plugins), (paths.CONFIGS, settings.configs)):
        os.environ[name] = os.pathsep.join(str(checked_folder(each)) for each in folders)
    for program in settings.external:
        for folder in program.path:
            checked_folder(folder)
    programs.install(settings.external)


def plugged() -> list[Path]:
    """The folders of the site's gadgets, checked, and on the path of modules, behind all others.

    Raises AccessError for a folder that others may write.
    """
    found = [checked_folder(each) for each in paths.plugins()]
    sys.path += [str(each) for each in found if str(each) not in sys.path]
    return found


def _own(path: Path, *, sticky: bool) -> None:
    """Refuse what another user owns or may write; a ``sticky`` folder, where others only add, may be so."""
    found = path.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise AccessError(f"{path} belongs to user {found.st_uid}, expected this server's own user or root")
    if sticky and found.st_mode & stat.S_ISVTX:
        return
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not _only_group(found.st_gid)):
        raise AccessError(f"{path} can be written by others: {stat.filemode(found.st_mode)}")


def _only_group(group: int) -> bool:
    """Whether this is a group in which nobody else can be: the user's own, of its own name."""
    try:
        user, found = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return found.gr_name == user.pw_name and set(found.gr_mem) <= {user.pw_name}
