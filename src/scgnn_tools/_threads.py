"""Threads of compiled loops: as many as PyTorch may use."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_many_as_torch() -> Iterator[None]:
    """Run a parallel numba function on as many threads as PyTorch is set to, and leave PyTorch's number as it was.

    Both share one OpenMP, and the first parallel numba function sets its number of threads to that of the cores. Two processes that
    were limited to one thread each would from then on wait for each other at every step.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    import numba

    wanted = torch.get_num_threads()
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(min(wanted, most))
    try:
        yield
    finally:
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)
