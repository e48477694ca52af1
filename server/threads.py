"""How threads of the mathematics behave: waiting ones sleep, because a chain's own threads need the cores."""

import os


def quiet() -> None:
    """Make OpenMP's idle threads sleep instead of spin; only before torch is loaded does this help."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
