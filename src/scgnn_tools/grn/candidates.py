"""From a prior, which knows edges only, to labelled pairs: where the negative ones are from."""

import numpy as np
import pandas as pd

from scgnn_tools._random import RNG, generator

PER_EDGE = 3
"""Negative pairs of each kind an edge: uniform over the targets, and as likely as the target's degree."""

STATED = (
    "sources and targets of the prior that have a vector; an edge is positive; for each, 3 unlinked targets of the same source drawn "
    "evenly and 3 by degree are negative"
)


def labelled_pairs(edges: pd.DataFrame, *, rng: RNG = 0) -> pd.DataFrame:
    """Return ``tf``, ``target``, ``label``: the edges, and for each up to six pairs of the same factor that are no edges.

    Half of the negative targets are drawn by degree: against evenly drawn ones alone, a model has only to learn which genes have many
    factors.
    """
    rng = generator(rng)
    tfs, i = np.unique(edges["source"].to_numpy(dtype=object), return_inverse=True)
    targets, t = np.unique(edges["target"].to_numpy(dtype=object), return_inverse=True)
    n = len(targets)
    degree = np.bincount(t, minlength=n)
    edge = i.astype(np.int64) * n + t
    source = np.repeat(i, 2 * PER_EDGE)
    even = rng.integers(n, size=(len(edges), PER_EDGE))
    by_degree = rng.choice(n, size=(len(edges), PER_EDGE), p=degree / degree.sum())
    drawn = source.astype(np.int64) * n + np.concatenate([even, by_degree], axis=1).ravel()
    negative = np.setdiff1d(drawn, edge)
    negative = negative[tfs[negative // n] != targets[negative % n]]
    code = np.concatenate([np.unique(edge), negative])
    label = np.zeros(len(code), dtype=np.int8)
    label[: len(code) - len(negative)] = 1
    return pd.DataFrame({"tf": tfs[code // n], "target": targets[code % n], "label": label})
