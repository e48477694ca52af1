"""What can be found out about this machine before a scan depends on it."""

import importlib.util
import os
import platform
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from server import __version__, paths
from server.clock import clock, zone
from server.dicom.destination import Archive, Worklist
from server.errors import ChainError
from server.settings import Settings


@dataclass(frozen=True)
class Finding:
    """One fact: whether it is as it should be, and whether the server needs it."""

    what: str
    says: str
    good: bool = True
    needed: bool = False


def findings(settings: Settings | None = None) -> list[Finding]:
    """Everything that ``scanside doctor`` says; with settings also whether their archives answer."""
    found = [*_machine(), *_clock(), *_torch(), *_chains(), *_extras()]
    return found + ([*_archives(settings)] if settings else [])


def _machine() -> Iterator[Finding]:
    yield Finding("scanside", f"{__version__}, Python {platform.python_version()}, {platform.platform()}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Finding("machine", f"{os.cpu_count()} cores, {memory / 2**30:.1f} GiB memory")
    folder = paths.state()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    says = f"{paths.state()}, {free / 2**30:.1f} GiB free" + ("" if writable else ", not writable")
    yield Finding("state folder", says, good=writable and free > 1 << 30)
    try:
        paths.one_parent()
        yield Finding("packages", f"side by side in {paths.PACKAGE.parent}", needed=True)
    except RuntimeError as error:
        yield Finding("packages", str(error), good=False, needed=True)


def _clock() -> Iterator[Finding]:
    said, good = zone()
    yield Finding("time zone", said, good=good)
    said, good = clock(paths.state())
    yield Finding("clock", said, good=good)


def _archives(settings: Settings) -> Iterator[Finding]:
    """Archives and the worklist answer C-ECHO, addresses of DICOMweb a connection, folders can be written."""
    for each in settings.archives:
        what = f"archive {each.name}"
        if each.folder:
            good = each.folder.is_dir() and os.access(each.folder, os.W_OK)
            yield Finding(what, f"{each.folder}" + ("" if good else " cannot be written"), good=good)
        else:
            fault = reached(each.url) if each.url else _echoed(each)
            yield Finding(what, fault or "answers", good=not fault)
    if settings.worklist:
        fault = _echoed(settings.worklist)
        yield Finding("worklist", fault or "answers", good=not fault)


def _echoed(other: Archive | Worklist) -> str:
    from server.dicom.store import echo

    return echo(other)


def reached(url: str) -> str:
    """Connect to the host of an address: empty, or what is wrong."""
    place = urlsplit(url)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        socket.create_connection((str(place.hostname), port), 10.0).close()
    except OSError as error:
        return f"{place.hostname}:{port} cannot be reached: {error.strerror or error}"
    return ""


def _torch() -> Iterator[Finding]:
    import torch

    yield Finding("torch", f"{torch.__version__}, {torch.get_num_threads()} threads", needed=True)
    gpu = torch.cuda.is_available()
    yield Finding(
        "GPU", torch.cuda.get_device_name() if gpu else "none; reconstruction runs on the CPU", good=gpu
    )


def _chains() -> Iterator[Finding]:
    from server.chain import build, chains, named

    for name in chains():
        try:
            yield Finding(f"chain {name}", f"{len(build(named(name)))} gadgets", needed=True)
        except ChainError as error:
            yield Finding(f"chain {name}", str(error), good=False, needed=True)


def _extras() -> Iterator[Finding]:
    for module in ("onnxruntime", "tensorrt", "tensorrt_rtx", "ray"):
        there = importlib.util.find_spec(module) is not None
        yield Finding(module, "installed" if there else "not installed (optional)", good=there)
