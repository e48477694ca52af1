"""How threads of the mathematics behave: waiting ones sleep, because a chain's own threads need the cores."""

import os


def quiet() -> None:
    """Make OpenMP's idle threads sleep instead of spin, and NumPy's BLAS start none.

    It helps only before either is loaded. NumPy does the bookkeeping here, torch the mathematics; and a
    process that forks must have one thread.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
