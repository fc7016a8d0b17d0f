"""Pairs of transcription factor and target are held back: by pair, by factor, by target, or with the degree taken away.

Every function takes a table of pairs (``tf``, ``target``, ``label``) and returns the part of each: 0 train, 1 validation, 2 test, and
-1 for a pair that no part takes.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, generator

TRAIN, VALIDATION, TEST, DROPPED = 0, 1, 2, -1
VALIDATION_SHARE, TEST_SHARE = 0.10, 0.23
N_BINS = 10


@door_of_arrays
def random_pair(pairs: pd.DataFrame, *, rng: RNG = 0) -> np.ndarray:
    """Split the pairs of each transcription factor and label at random, 67 / 10 / 23 %, as the papers do.

    A transcription factor with two positive pairs has one in training and one in the test set.

    Examples
    --------
    >>> part = sgt.splits.random_pair(pairs)
    >>> train, validation, test = (pairs[part == p] for p in range(3))
    >>> len(train) > len(test) > len(validation)
    True
    """
    rng = generator(rng)
    part = np.zeros(len(pairs), dtype=np.int8)
    for rows in pairs.reset_index(drop=True).groupby(["tf", "label"], sort=True).indices.values():
        rows = rng.permutation(rows)
        n = len(rows)
        n_test = round(TEST_SHARE * n) if n > 2 else n // 2
        n_validation = round(VALIDATION_SHARE * n)
        part[rows[:n_test]] = TEST
        part[rows[n_test : n_test + n_validation]] = VALIDATION
    return _complete(part, pairs)


@door_of_arrays
def unseen_tf(pairs: pd.DataFrame, *, rng: RNG = 0) -> np.ndarray:
    """Hold back whole transcription factors: none of the test set is seen in training.

    Examples
    --------
    >>> part = sgt.splits.unseen_tf(pairs)
    >>> set(pairs["tf"][part == 2]) & set(pairs["tf"][part == 0])
    set()
    """
    return _by_group(pairs, "tf", rng)


@door_of_arrays
def unseen_target(pairs: pd.DataFrame, *, rng: RNG = 0) -> np.ndarray:
    """Hold back whole targets: none of the test set is seen in training.

    Examples
    --------
    >>> part = sgt.splits.unseen_target(pairs)
    >>> set(pairs["target"][part == 2]) & set(pairs["target"][part == 0])
    set()
    """
    return _by_group(pairs, "target", rng)


@door_of_arrays
def degree_matched(
    pairs: pd.DataFrame,
    *,
    base: Callable[..., np.ndarray] = random_pair,
    rng: RNG = 0,
) -> np.ndarray:
    """Take the degree out of a test set, so that counting edges does not help.

    ``base`` makes the test pairs. For each transcription factor and each decile of the target's rate in training, as
    many negative as positive pairs are kept. A model that only counts edges scores about 0.5 on what is left.

    Examples
    --------
    >>> part = sgt.splits.degree_matched(pairs)
    >>> sorted({int(p) for p in part} - {-1})
    [0, 1, 2]
    """
    rng = generator(rng)
    part = base(pairs, rng=rng)
    rate = target_rate(pairs[part == TRAIN])
    test = np.flatnonzero(part == TEST)
    values = pairs["target"].iloc[test].map(rate).fillna(0.0).to_numpy()
    # ranks, not values: the deciles of rates that are mostly equal would be empty
    edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1])) if len(values) else np.array([])
    strata = pd.DataFrame({"tf": pairs["tf"].to_numpy()[test], "bin": np.digitize(values, edges)})
    label = pairs["label"].to_numpy()[test]
    for rows in strata.groupby(["tf", "bin"], sort=True).indices.values():
        positive, negative = rng.permutation(rows[label[rows] == 1]), rng.permutation(rows[label[rows] == 0])
        n = min(len(positive), len(negative))
        part[test[np.concatenate([positive[n:], negative[n:]])]] = DROPPED
    return _complete(part, pairs)


@door_of_arrays
def degree_matched_unseen_tf(pairs: pd.DataFrame, *, rng: RNG = 0) -> np.ndarray:
    """Hold back whole transcription factors and take the degree of the targets out, so that counting edges does not help.

    Examples
    --------
    >>> part = sgt.splits.degree_matched_unseen_tf(pairs)
    >>> held = set(pairs["tf"][part == 2])
    >>> held & set(pairs["tf"][part == 0])
    set()
    """
    return degree_matched(pairs, base=unseen_tf, rng=rng)


@door_of_arrays
def hard_balanced(pairs: pd.DataFrame, *, rng: RNG = 0) -> np.ndarray:
    """Split as GENELink does for networks of no cell type, and scTransNet: balanced training pairs, a test set of the network's density.

    Two thirds of the positive pairs of each transcription factor are for training, a fifth of those for validation,
    and the others for the test. A transcription factor with two pairs has one in training and one in the test set; a
    single pair is drawn for either. Training and validation hold as many negative as positive pairs of each
    transcription factor ("hard": its own). The negative pairs of the test set are drawn from all that is left, until
    the share of positives is that of ``pairs``. Other negative pairs are in no part.

    Examples
    --------
    >>> part = sgt.splits.hard_balanced(pairs)
    >>> len(part) == len(pairs)
    True
    """
    rng = generator(rng)
    label = pairs["label"].to_numpy()
    part = np.full(len(pairs), DROPPED, dtype=np.int8)
    for rows in pairs.reset_index(drop=True).groupby("tf", sort=True).indices.values():
        positive, negative = rng.permutation(rows[label[rows] == 1]), rng.permutation(rows[label[rows] == 0])
        n = len(positive)
        n_train = int(rng.random() < 0.5) if n == 1 else n // 2 if n == 2 else n * 2 // 3
        n_validation = n_train // 5
        part[positive[:n_validation]] = VALIDATION
        part[positive[n_validation:n_train]] = TRAIN
        part[positive[n_train:]] = TEST
        part[negative[:n_validation]] = VALIDATION
        part[negative[n_validation:n_train]] = TRAIN
    n_positive, density = int((part == TEST).sum()), label.mean()
    left = rng.permutation(np.flatnonzero((part == DROPPED) & (label == 0)))
    part[left[: round(n_positive / density - n_positive)]] = TEST
    return _complete(part, pairs)


SPLITS: dict[str, Callable[..., np.ndarray]] = {
    "unseen_tf_matched": degree_matched_unseen_tf,
    "unseen_tf": unseen_tf,
    "unseen_target": unseen_target,
    "degree_matched": degree_matched,
    "random_pair": random_pair,
    "hard_balanced": hard_balanced,
}


@door_of_arrays
def split_pairs(name: str, pairs: pd.DataFrame, *, rng: RNG = 0) -> np.ndarray:
    """Split pairs by the name of the split; a split that leaves training or test without one of the labels is an error.

    Examples
    --------
    >>> part = sgt.splits.split_pairs("unseen_target", pairs)
    >>> held = set(pairs["target"][part == 2])
    >>> held & set(pairs["target"][part == 0])
    set()
    """
    if name not in SPLITS:
        msg = f"There is no split {printable(name)!r}; the splits are {', '.join(SPLITS)}."
        raise InputValueError(msg)
    return SPLITS[name](pairs, rng=rng)


@door_of_arrays
def target_rate(train: pd.DataFrame, *, smooth: float = 3.0) -> pd.Series:
    """Return the smoothed share of positives of each target in training pairs.

    Examples
    --------
    >>> rate = sgt.splits.target_rate(pairs)
    >>> bool(rate.index.isin(pairs["target"]).all())
    True
    """
    base = train["label"].mean()
    by = train.groupby("target")["label"].agg(["sum", "size"])
    return (by["sum"] + smooth * base) / (by["size"] + smooth)


def _by_group(pairs: pd.DataFrame, column: str, rng: RNG) -> np.ndarray:
    rng = generator(rng)
    names = rng.permutation(np.sort(pairs[column].unique()))
    if len(names) < 3:
        what = {"tf": "transcription factors", "target": "targets"}.get(column, f"different values of {column!r}")
        msg = f"The split needs at least 3 {what} with pairs; there are {len(names)}."
        raise GraphError(msg)
    n_test = max(1, round(TEST_SHARE * len(names)))
    n_validation = max(1, round(VALIDATION_SHARE * len(names)))
    part = np.zeros(len(pairs), dtype=np.int8)
    part[pairs[column].isin(names[:n_test])] = TEST
    part[pairs[column].isin(names[n_test : n_test + n_validation])] = VALIDATION
    return _complete(part, pairs)


def _complete(part: np.ndarray, pairs: pd.DataFrame) -> np.ndarray:
    """Refuse a split that leaves a part without positive or without negative pairs."""
    label = pairs["label"].to_numpy()
    for number, name in ((TRAIN, "training"), (TEST, "test")):
        here = label[part == number]
        if not (here == 1).any() or not (here == 0).any():
            n = int((here == 1).sum())
            msg = f"The split leaves the {name} set with {n} positive and {len(here) - n} negative pairs; a larger prior is needed."
            raise GraphError(msg)
    return part
