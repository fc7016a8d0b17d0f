"""Mixtures of classifiers, weighed by how likely they find held-out labels."""

import numpy as np

PRIOR = 10.0
"""Cells' worth of belief that all experts are as good: a few held-out cells should not drop one."""


def rarity(labels: np.ndarray) -> np.ndarray:
    """Return a weight for each class, one over the square root of its size, so that small classes have a say."""
    return 1 / np.sqrt(np.maximum(np.bincount(labels), 1))


def mixture_weights(
    scores: list[np.ndarray], labels: np.ndarray, class_weight: np.ndarray, *, prior: float = PRIOR
) -> np.ndarray:
    """Return the weights of a mixture that make held-out labels likeliest, with a prior for equal ones.

    Parameters
    ----------
    scores
        Log-probabilities of each member, (n_cells, n_classes).
    labels
        Classes of the held-out cells; none leave the members equal.
    class_weight
        Weight of each class, (n_classes,).
    prior
        Cells' worth of belief in each member that all are as good.
    """
    equal = np.full(len(scores), 1 / len(scores))
    if len(labels) == 0:
        return equal
    rows = np.arange(len(labels))
    own = np.stack([s[rows, labels] for s in scores], axis=1)  # (n_cells, n_members)
    cell = class_weight[labels] / class_weight[labels].mean()
    weights = equal
    for _ in range(200):  # expectation maximisation
        share = np.log(weights) + own
        share = np.exp(share - np.logaddexp.reduce(share, axis=1, keepdims=True))
        weights = (cell[:, None] * share).sum(axis=0) + prior
        weights = weights / weights.sum()
    return weights
