"""Randomness: every function takes ``rng``, none touches a global seed."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from scgnn_tools._errors import InputValueError

RNG = int | np.random.Generator | None


def generator(rng: RNG) -> np.random.Generator:
    """Return ``rng`` as a numpy Generator; an int is its seed, None draws one from the operating system."""
    return np.random.default_rng(_checked(rng))


def _checked(rng: RNG) -> RNG:
    whole = isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0
    if not (rng is None or whole or isinstance(rng, np.random.Generator)):
        msg = f"rng is an integer from 0 on, a numpy Generator or None; got {rng!r}."
        raise InputValueError(msg)
    return rng


def of_part(rng: RNG, start: int) -> np.random.Generator | None:
    """Return the Generator of the rows from ``start`` on: of a seed each part has its own, so that parts may be made apart.

    A Generator is handed on as it is, and None is none.
    """
    rng = _checked(rng)
    if start and isinstance(rng, int | np.integer):
        return np.random.default_rng(np.random.SeedSequence(int(rng), spawn_key=(start,)))
    return None if rng is None else generator(rng)


def seed(rng: RNG) -> int:
    """Return a 31-bit seed for a library that takes no Generator; an int is handed on as it is."""
    rng = _checked(rng)
    if isinstance(rng, int | np.integer):
        return int(rng) % 2**31
    return int(generator(rng).integers(2**31))


@contextmanager
def igraph_seed(seed: int) -> Iterator[None]:
    """Let igraph, which draws from Python's generator, draw from one of its own."""
    import random

    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)


_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def torch_random(value: int | None = None) -> Iterator[None]:
    """Lend PyTorch's own generators, seeded if there is a ``value``, and put them back as they were.

    PyTorch has one generator for all threads, and dropout draws from it: of several threads one at a time goes on, the others wait.
    """
    import torch

    with _ONE_AT_A_TIME, torch.random.fork_rng():
        if value is not None:
            torch.default_generator.manual_seed(value)
            if torch.cuda.is_available():
                torch.cuda.manual_seed_all(value)
        yield


def _anew() -> None:
    """Make a new lock in a forked child: the thread that holds the old one is not there."""
    global _ONE_AT_A_TIME
    _ONE_AT_A_TIME = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_anew)
