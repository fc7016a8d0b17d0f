"""How many threads compute: one for small work, all that there are for large work, and as many in compiled loops as PyTorch may use.

Small steps on several threads wait for each other at every step. On a machine that does something else they wait for a thread that has no
core, and a fit of seconds takes minutes. So what is small runs on one thread; and a thread that waits sleeps and does not spin.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from scgnn_tools._errors import ForkError
from scgnn_tools._settings import settings

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

SMALL = 20_000
"""Cells up to which a call runs on one thread."""

# before a runtime of OpenMP is loaded, which reads it once; who has set it keeps it
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield items, of which each is made in another thread while the one before it is used: two are in memory."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def available(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return how many threads there are cores for: those that the process may run on, or what its container is allowed of them.

    ``settings.n_threads`` and ``OMP_NUM_THREADS`` lower it.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max": no limit
        allowed, period = quota.read_text().split()
        there = min(there, max(1, round(int(allowed) / int(period))))
    with suppress(KeyError, ValueError):
        there = min(there, max(1, int(os.environ["OMP_NUM_THREADS"])))
    return min(there, settings.n_threads or there)


@contextmanager
def threads_for(n_cells: int) -> Iterator[int]:
    """Compute on one thread if there are at most 20,000 cells, else on those that are there; afterwards all is as it was.

    Holds for what runs in this thread: PyTorch, the linear algebra of numpy and scipy, scikit-learn, compiled loops.

    Parameters
    ----------
    n_cells
        Size of the work.
    """
    import sklearn  # noqa: F401 (its threads are limited too, which have to be loaded for that)
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    wanted = 1 if n_cells <= SMALL else min(before, available())
    with threadpool_limits(wanted, user_api="openmp"), _algebra(wanted):
        torch.set_num_threads(wanted)
        try:
            yield wanted
        finally:
            torch.set_num_threads(before)


_HELD: list[Any] = []
_LOCK = threading.Lock()


@contextmanager
def _algebra(n: int) -> Iterator[None]:
    """Limit the linear algebra, whose number is one for the whole process: the last of several threads puts it back."""
    from threadpoolctl import threadpool_limits

    with _LOCK:
        _HELD.append(_HELD[0] if _HELD else threadpool_limits(n, user_api="blas"))
    try:
        yield
    finally:
        with _LOCK:
            limits = _HELD.pop()
            if not _HELD:
                limits.restore_original_limits()


def by_size(call: Callable[P, R]) -> Callable[P, R]:
    """Let a call run on threads by the number of its cells: those of an AnnData, a MuData, or the model that is trained."""

    @wraps(call)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with threads_for(_cells([*args, *kwargs.values()])):
            return call(*args, **kwargs)

    return inner


def _cells(values: Iterable[Any]) -> int:
    flat = [one for v in values for one in (v if isinstance(v, list | tuple) else [v])]
    sizes = [getattr(getattr(v, "adata", v), "n_obs", 0) for v in flat if not hasattr(v, "dtype")]
    return max((n for n in sizes if isinstance(n, int)), default=0)


@contextmanager
def as_many_as_torch() -> Iterator[None]:
    """Run a parallel numba function on as many threads as PyTorch is set to, and leave PyTorch's number as it was.

    Both share one OpenMP, and the first parallel numba function sets its number of threads to that of the cores. Two processes that
    were limited to one thread each would from then on wait for each other at every step.
    """
    check_fork()
    import numba

    torch = sys.modules.get("torch")
    wanted = available() if torch is None else torch.get_num_threads()
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    numba.set_num_threads(min(wanted, most, available()))
    try:
        yield
    finally:
        if torch is not None and torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)
