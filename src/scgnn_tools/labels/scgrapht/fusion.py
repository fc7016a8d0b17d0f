"""Fusion of the graph network with other log-probabilities."""

from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from scgnn_tools.metrics import annotation

Fuse = Literal["prob", "log"]
GRID = np.round(np.linspace(0.05, 0.95, 19), 2)
EXPECTED, BELIEF = 0.1, 20.0
"""What λ is held to be before a cell is seen, and how many cells' worth of belief that is: a graph of few cells is behind the experts."""
PAPER = 0.7
"""The paper's choice for most data sets: that of its protocol, and where a learned λ begins."""


def mix(lam: float, graph: np.ndarray, other: np.ndarray, fuse: Fuse = "prob") -> np.ndarray:
    """Return the fused scores, (n_cells, n_classes); at λ = 0 and 1 those of one side.

    Parameters
    ----------
    lam
        Weight of the graph network.
    graph, other
        Log-probabilities, (n_cells, n_classes).
    fuse
        "prob" is the paper's ``log(λ P_graph + (1 - λ) P_other)``, "log" the published code's ``λ log P_graph + (1 - λ) log P_other``,
        whose exponentials do not sum to one.
    """
    if fuse == "log":
        return lam * graph + (1 - lam) * other
    if lam in (0, 1):
        return graph if lam else other
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(lam) + graph, np.log(1 - lam) + other)


def mix_tensors(lam: Tensor, graph: Tensor, other: Tensor, fuse: Fuse) -> Tensor:
    """Do :func:`mix` with gradients; 0 < λ < 1 for "prob"."""
    if fuse == "log":
        return lam * graph + (1 - lam) * other
    return torch.logaddexp(torch.log(lam) + graph, torch.log1p(-lam) + other)


def choose(
    graph: np.ndarray, other: np.ndarray, labels: np.ndarray, class_weight: np.ndarray, fuse: Fuse = "prob"
) -> float:
    """Return the λ of 0, 0.05, …, 0.95 that makes held-out labels likeliest, the other side being trusted more until they are many.

    Twenty cells' worth of belief hold λ near 0.1. A λ at which the fusion is worse on the held-out cells than the other side alone, by more
    than a standard error of the paired difference, is not taken, be it by how likely the labels are or by how often it is right.

    Parameters
    ----------
    graph, other
        Log-probabilities, (n_cells, n_classes).
    labels
        Their classes, of one cell at least.
    class_weight
        Weight of each class, (n_classes,).
    fuse
        As in :func:`mix`.
    """
    rows = np.arange(len(labels))
    cell = class_weight[labels] / class_weight[labels].mean()

    def judged(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = normalized(scores)
        return cell * own[rows, labels], (own.argmax(axis=1) == labels).astype(float)

    alone, best, most = judged(other), 0.0, -np.inf
    for lam in GRID:
        fused = judged(mix(lam, graph, other, fuse))
        likely = fused[0].sum() + belief(lam)
        if likely > most and all(not_worse(a, b) for a, b in zip(fused, alone, strict=True)):
            best, most = float(lam), likely
    return best


def curve(graph: np.ndarray, other: np.ndarray, labels: np.ndarray, fuse: Fuse = "prob") -> pd.DataFrame:
    """Return how good the fusion is for each λ from 0 to 1: ``accuracy``, ``macro_f1`` and ``likelihood``, the mean log-probability.

    Parameters
    ----------
    graph, other
        Log-probabilities, (n_cells, n_classes).
    labels
        Their classes, int (n_cells,).
    fuse
        As in :func:`mix`.
    """
    rows, out = np.arange(len(labels)), []
    for lam in np.round(np.linspace(0, 1, 21), 2):
        scores = normalized(mix(float(lam), graph, other, fuse))
        metrics = annotation(labels, scores.argmax(axis=1))
        out.append((lam, metrics["accuracy"], metrics["macro_f1"], scores[rows, labels].mean()))
    return pd.DataFrame(out, columns=["lam", "accuracy", "macro_f1", "likelihood"])


def belief(lam: float) -> float:
    """Return the logarithm of the prior of λ, up to a constant: a beta distribution whose mode is ``EXPECTED``."""
    return BELIEF * float(EXPECTED * np.log(lam) + (1 - EXPECTED) * np.log1p(-lam))


def not_worse(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether one is not below the other on the same cells by more than a standard error; a single cell is within it."""
    difference = one - other
    return bool(difference.sum() >= -np.sqrt((difference**2).sum()) - 1e-9)


def normalized(scores: np.ndarray) -> np.ndarray:
    """Return scores whose exponentials sum to one."""
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
