"""Knock-out experiments that a method learns from, and those that it has to predict: by target, by study, by both."""

from typing import Literal

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer
from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import as_text
from scgnn_tools._random import RNG, generator

ExperimentSplit = Literal["unseen_target", "unseen_study", "unseen_both", "random"]
KINDS = ("unseen_target", "unseen_study", "unseen_both", "random")


@door_of_arrays
def split_experiments(
    target: np.ndarray,
    study: np.ndarray | None = None,
    kind: ExperimentSplit = "unseen_target",
    *,
    n_folds: int = 5,
    rng: RNG = 0,
) -> pd.DataFrame:
    """Split experiments into folds.

    Parameters
    ----------
    target, study
        Of each experiment, (n_experiments,).
    kind
        "unseen_target": all experiments of a target together. "unseen_study": all of a study. "unseen_both": neither the target nor the
        study of a test experiment is in training; what shares one of them is left out. "random": experiments, which is optimistic, since
        the same target is then on both sides.
    n_folds
        Number of folds, at most that of the targets or studies.
    rng
        Of the folds.

    Returns
    -------
    DataFrame
        ``fold``, ``experiment`` (position), ``part`` ("train", "test", "left out"), ``target_seen`` and ``study_seen``: whether a test
        experiment's are in training.

    Raises
    ------
    InputValueError
        If there is one target or one study only.

    Examples
    --------
    >>> folds = sgt.splits.split_experiments(bulk.obs["target"].to_numpy(), bulk.obs["study"].to_numpy(), n_folds=3)
    >>> folds.columns.tolist()
    ['fold', 'experiment', 'part', 'target_seen', 'study_seen']
    """
    choice("kind", kind, KINDS)
    n_folds, draws = integer("n_folds", n_folds, least=2), generator(rng)
    targets = as_text(target)
    studies = np.full(len(targets), "", dtype=object) if study is None else as_text(study)
    if len(studies) != len(targets):
        msg = f"target holds {len(targets)} experiments and study {len(studies)}; one study an experiment is wanted."
        raise InputValueError(msg)
    if kind == "random" and len(targets) < 2:
        msg = f"There are {len(targets)} experiments; at least two are wanted to hold one out."
        raise InputValueError(msg)
    tests: list[np.ndarray] = []
    if kind == "random":
        tests = [
            np.isin(np.arange(len(targets)), p)
            for p in np.array_split(draws.permutation(len(targets)), n_folds)
            if len(p)
        ]
    by_target = (
        [np.isin(targets, p) for p in _folds(targets, n_folds, draws, "target")]
        if kind in ("unseen_target", "unseen_both")
        else []
    )
    by_study = (
        [np.isin(studies, p) for p in _folds(studies, n_folds, draws, "study")]
        if kind in ("unseen_study", "unseen_both")
        else []
    )
    if kind == "unseen_both":
        tests = [t & s for t in by_target for s in by_study if (t & s).any() and (~t & ~s).any()]
    tests = tests or by_target or by_study
    rows = []
    for fold, test in enumerate(tests):
        train = ~test
        if kind == "unseen_both":
            train = ~np.isin(targets, targets[test]) & ~np.isin(studies, studies[test])
        part = np.where(test, "test", np.where(train, "train", "left out"))
        seen = [test & np.isin(x, x[train]) for x in (targets, studies)]
        if kind in ("unseen_target", "unseen_both") and seen[0].any():
            msg = f"Fold {fold} tests a target of its training; this is a bug."
            raise AssertionError(msg)
        frame = {
            "fold": fold,
            "experiment": np.arange(len(targets)),
            "part": part,
            "target_seen": seen[0],
            "study_seen": seen[1],
        }
        rows.append(pd.DataFrame(frame))
    return pd.concat(rows, ignore_index=True)


def _folds(values: np.ndarray, n: int, draws: np.random.Generator, word: str) -> list[np.ndarray]:
    names = np.unique(values)
    if len(names) < 2:
        msg = f"All experiments are of one {word}; at least two are wanted to hold one out. Pass another split=, or {word}_key=."
        raise InputValueError(msg)
    return [names[p] for p in np.array_split(draws.permutation(len(names)), min(n, len(names)))]
