"""A progress bar with the time left, on what takes longer than two seconds."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from scgnn_tools._settings import settings

T = TypeVar("T")


def progress(items: Iterable[T], *, total: int | None = None, what: str = "", unit: str = "it") -> Iterator[T]:
    """Yield ``items`` and show a bar from the third second on, unless ``settings.progress`` is off."""
    from tqdm.auto import tqdm

    if not settings.progress:
        yield from items
        return
    yield from tqdm(items, total=total, desc=what, unit=unit, delay=2.0, leave=False)


@contextmanager
def counter(total: int, *, what: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Give a function that moves a bar of ``total`` on by n; it shows from the third second on, like :func:`progress`."""
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=what, unit=unit, delay=2.0, leave=False, disable=not settings.progress) as bar:

        def advance(n: int) -> None:
            bar.update(n)

        yield advance
