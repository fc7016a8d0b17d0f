"""How far it is, on what takes longer than two seconds: a bar where there is a screen, else a line now and then."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TypeVar

from scgnn_tools._log import duration, in_notebook, say, width_of
from scgnn_tools._settings import settings

T = TypeVar("T")
DELAY, EVERY = 2.0, 600.0
"""Seconds until something is shown, and between two lines where there is no screen."""

SOON = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}]"
"""A bar without the time left."""


def progress(items: Iterable[T], *, total: int | None = None, what: str = "", unit: str = "it") -> Iterator[T]:
    """Yield ``items`` and show how far it is from the third second on, unless ``settings.progress`` is off."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    with counter(total, what=what, unit=unit) as advance:
        for item in items:
            yield item
            advance(1)


@contextmanager
def counter(total: int | None, *, what: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Give a function that moves on by n of ``total``; what it shows begins with the third second, like :func:`progress`."""
    if not settings.progress:
        yield lambda n: None
    elif _has_screen():
        from tqdm.auto import tqdm

        with tqdm(total=total, desc=what, unit=unit, delay=DELAY, leave=False, dynamic_ncols=True) as bar:
            bar.bar_format = SOON if total else None

            def advance(n: int) -> None:
                if total and _is_telling(bar.n + n, total):
                    bar.bar_format = None
                bar.update(n)

            yield advance
    else:
        yield _Lines(total, what, unit).advance


class _Lines:
    """A line after two seconds, with the time left, and one every ten minutes: a file has no place for a bar."""

    def __init__(self, total: int | None, what: str, unit: str) -> None:
        self.total, self.what, self.unit = total, what, unit
        self.done, self.begun = 0, time.monotonic()
        self.due = self.begun + DELAY

    def advance(self, n: int) -> None:
        """Move on by n, and say so where it is time."""
        self.done += n
        now = time.monotonic()
        if now < self.due or (self.total is not None and self.done >= self.total):
            return
        self.due = now + EVERY
        of, left = f" of {self.total:,}" if self.total else "", ""
        if self.total and _is_telling(self.done, self.total):
            left = f", about {duration((now - self.begun) / self.done * (self.total - self.done))} left"
        say(f"{self.what}: {self.done:,}{of} {self.unit}s{left}")


def _is_telling(done: int, total: int) -> bool:
    """Tell whether the time left can be known: the first step is slower than the others, and a few of many say little."""
    return done >= 2 and done >= total / 20


def shows_bars() -> bool:
    """Tell whether other packages may show their bars."""
    return settings.progress and _has_screen()


def _has_screen() -> bool:
    """Tell whether a bar can move: a terminal, or a notebook with widgets; elsewhere each of its states would stay."""
    if in_notebook():
        return find_spec("ipywidgets") is not None
    return width_of(sys.stderr) is not None
