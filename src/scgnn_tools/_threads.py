"""Threads of compiled loops: as many as PyTorch may use."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from scgnn_tools._errors import ForkError

_STARTED: list[int] = []
"""The process in which threads of compiled code were started first."""


def check_fork() -> None:
    """Refuse compiled code with several threads in a process that was forked after its parent had started such threads.

    They are not in the child, which would wait for them for ever, or be killed by the threads' own library.

    Raises
    ------
    ForkError
        In such a child; the message names the way that works.
    """
    if not _STARTED:
        _STARTED.append(os.getpid())
    if _STARTED[0] != os.getpid():
        msg = (
            f"This process was forked from process {_STARTED[0]}, which had computed already: its threads are not here, and to compute "
            "would hang. Start processes with multiprocessing.get_context('spawn') (joblib: backend='loky'; a DataLoader: "
            "multiprocessing_context='spawn'), or fork before anything is computed."
        )
        raise ForkError(msg)


@contextmanager
def as_many_as_torch() -> Iterator[None]:
    """Run a parallel numba function on as many threads as PyTorch is set to, and leave PyTorch's number as it was.

    Both share one OpenMP, and the first parallel numba function sets its number of threads to that of the cores. Two processes that
    were limited to one thread each would from then on wait for each other at every step.
    """
    check_fork()
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
