"""Fusion of the graph network with other log-probabilities."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

Fuse = Literal["prob", "log"]
GRID = np.round(np.linspace(0.05, 0.95, 19), 2)
PRIOR = 10.0
PAPER = 0.7
"""The paper's choice for most data sets, taken where nothing is held out."""


def mix(lam: float, graph: np.ndarray, other: np.ndarray, fuse: Fuse = "prob") -> np.ndarray:
    """Return the fused scores, (n_cells, n_classes).

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
    """Return the λ of 0.05, 0.1, …, 0.95 that makes held-out labels likeliest.

    A few held-out cells that one side alone finds likely should not silence the other: ten cells' worth of belief hold λ off its ends.

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
    likely = [
        (cell * normalized(mix(lam, graph, other, fuse))[rows, labels]).sum() + PRIOR * np.log(lam * (1 - lam))
        for lam in GRID
    ]
    return float(GRID[np.argmax(likely)])


def normalized(scores: np.ndarray) -> np.ndarray:
    """Return scores whose exponentials sum to one."""
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
