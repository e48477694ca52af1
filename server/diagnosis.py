"""What can be found out about this machine before a scan depends on it."""

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from server import __version__, paths
from server.errors import ChainError


@dataclass(frozen=True)
class Finding:
    """One fact: whether it is as it should be, and whether the server needs it."""

    what: str
    says: str
    good: bool = True
    needed: bool = False


def findings() -> list[Finding]:
    """Everything that ``scanside doctor`` says."""
    return [*_machine(), *_torch(), *_chains(), *_extras()]


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
