"""Terms into one logit: a logistic regression with weights of 0 or more, fitted on terms of pairs that they were not made from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from scgnn_tools.links.sgt.terms import Terms

PENALTY = 10.0


@dataclass(frozen=True)
class Stack:
    """Weights of the terms of one kind of pair.

    Attributes
    ----------
    names
        Terms.
    weight, mean
        Slope and centre of each.
    base
        Logit where every term is at its centre.
    """

    names: tuple[str, ...]
    weight: np.ndarray
    mean: np.ndarray
    base: float


def hold_out(
    kind: str, i: np.ndarray, t: np.ndarray, n_folds: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (training, held-out) rows of each fold, such that a held-out pair lacks what pairs of this kind lack.

    ``"seen"`` holds back pairs, ``"unseen_tf"`` whole factors, ``"unseen_target"`` whole targets, ``"unseen"`` both at once; of the last,
    pairs with one end held back are in neither part.
    """
    if kind == "seen":
        fold = rng.permutation(len(i)) % n_folds
        return [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(n_folds)]
    fold_tf, fold_target = (_by_value(x, n_folds, rng) for x in (i, t))
    out = []
    for f in range(n_folds):
        held = {"unseen_tf": [fold_tf == f], "unseen_target": [fold_target == f]}.get(
            kind, [fold_tf == f, fold_target == f]
        )
        out.append((np.flatnonzero(~np.any(held, axis=0)), np.flatnonzero(np.all(held, axis=0))))
    return out


def fit_stack(
    names: tuple[str, ...],
    parts: list[tuple[np.ndarray, np.ndarray]],
    label: np.ndarray,
    make: Callable[[np.ndarray], Terms],
    gather: Callable[[Terms, np.ndarray], np.ndarray],
) -> Stack:
    """Fit the weights on held-out pairs.

    Parameters
    ----------
    names
        Terms.
    parts
        Of :func:`hold_out`.
    label
        Of all pairs.
    make
        Terms from the training pairs of these rows.
    gather
        Terms of the pairs of these rows, (n, len(names)).
    """
    x, y = [], []
    for train, held in parts:
        if len(held) and 0 < label[train].sum() < len(train):
            x.append(gather(make(train), held))
            y.append(label[held])
    if not x:
        base = float(np.clip(label.mean(), 1e-4, 1 - 1e-4))
        return Stack(names, np.zeros(len(names)), np.zeros(len(names)), float(logit(base)))
    return _logistic(names, np.concatenate(x).astype(np.float64), np.concatenate(y).astype(np.float64))


def _logistic(names: tuple[str, ...], x: np.ndarray, y: np.ndarray) -> Stack:
    """A term speaks for an edge or not at all: a weight below 0 would be noise of two terms that say the same."""
    from scipy.optimize import minimize

    mean, spread = x.mean(axis=0), x.std(axis=0)
    varies = spread > 1e-9
    z = (x - mean) / np.where(varies, spread, 1.0)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        eta = z @ w[1:] + w[0]
        rest = expit(eta) - y
        value = np.logaddexp(0, eta).sum() - y @ eta + PENALTY / 2 * (w[1:] ** 2).sum()
        return float(value), np.concatenate([[rest.sum()], z.T @ rest + PENALTY * w[1:]])

    start = np.zeros(z.shape[1] + 1)
    start[0] = logit(np.clip(y.mean(), 1e-4, 1 - 1e-4))
    bounds = [(None, None), *[(0, None)] * z.shape[1]]
    w = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return Stack(names, np.where(varies, w[1:] / np.where(varies, spread, 1.0), 0.0), mean, float(w[0]))


def _by_value(x: np.ndarray, n_folds: int, rng: np.random.Generator) -> np.ndarray:
    values, code = np.unique(x, return_inverse=True)
    return (rng.permutation(len(values)) % n_folds)[code]
