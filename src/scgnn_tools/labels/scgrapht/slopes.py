"""Importance of the entries of vectors for classes, from slopes of the logits; ``entries.py`` says which and why."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import cast

import numpy as np
import torch
from torch import Tensor

from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.logreg import LinearHead

N_STEPS = 24
"""Places on the way at which the gradient is taken, near each other at its beginning, where a layer norm turns."""
DIFFERENCES, STEP = 4, 0.01
"""Places on the way for a function of cells, and the numeric difference there, in standard deviations of an entry."""


def along(
    function: Callable[[list[Tensor]], Tensor],
    at: list[Tensor],
    moved: list[Tensor],
    codes: np.ndarray,
    n_steps: int = N_STEPS,
) -> np.ndarray:
    """Return the importance of each entry for each class by gradients on the way from the mean cell, (d, n_classes).

    Parameters
    ----------
    function
        From tensors like ``at`` to logits of the cells, (n_cells, n_classes).
    at, moved
        Inputs, (…, d), and by what they differ from those of the mean cell.
    codes
        Class of each cell.
    n_steps
        Places on the way.
    """
    out: np.ndarray | None = None
    for place, weight in _places(n_steps):
        leaves = [(x - (1 - place) * m).detach().requires_grad_() for x, m in zip(at, moved, strict=True)]
        logits = function(leaves)
        logits = logits - logits.mean(dim=1, keepdim=True)
        if out is None:
            out = np.full((moved[0].shape[1], logits.shape[1]), np.nan)
            out[:, np.unique(codes)] = 0
        for c in np.unique(codes):
            of_class = torch.as_tensor(np.flatnonzero(codes == c), device=logits.device)
            slopes = torch.autograd.grad(logits[of_class, int(c)].mean(), leaves, retain_graph=True, allow_unused=True)
            each = [
                (s * m).sum(dim=0, dtype=torch.float64) for s, m in zip(slopes, moved, strict=True) if s is not None
            ]
            out[:, c] += weight * torch.stack(each).sum(dim=0).cpu().numpy()
    return cast("np.ndarray", out)


def of_linear(head: LinearHead, cells: Cells, codes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the same for a linear classifier of the vectors, in closed form; ``known`` are vectors, whose mean is the mean cell's."""
    slopes, usual = head.slopes - head.slopes.mean(axis=1, keepdims=True), known.mean(axis=0)
    out = np.full(slopes.shape, np.nan)
    for c in np.unique(codes):
        out[:, c] = slopes[:, c] * (cells.embedding[codes == c].mean(axis=0) - usual)
    return out


def by_difference(
    function: Callable[[Cells], np.ndarray], cells: Cells, codes: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Return the same for a function of cells, by central differences on the way; all NaN if it does not read the vectors."""
    usual, step = known.mean(axis=0), STEP * known.std(axis=0)

    def logits(vectors: np.ndarray) -> np.ndarray:
        scores = function(replace(cells, embedding=vectors.astype(np.float32)))
        return scores[np.arange(len(cells)), codes] - scores.mean(axis=1)

    moved = cells.embedding.astype(np.float64) - usual
    d, n_classes = moved.shape[1], function(cells).shape[1]
    counts = np.bincount(codes, minlength=n_classes)
    if np.array_equal(logits(usual + moved), logits(usual + moved + step)):
        return np.full((d, n_classes), np.nan)
    out = np.zeros((d, n_classes))
    for k, place in product(np.flatnonzero(step > 0), (np.arange(DIFFERENCES) + 0.5) / DIFFERENCES):
        x, width = usual + place * moved, step * (np.arange(d) == k)
        slope = (logits(x + width) - logits(x - width)) / (2 * step[k])
        out[k] += np.bincount(codes, weights=moved[:, k] * slope, minlength=n_classes) / DIFFERENCES
    return out / np.where(counts > 0, counts, np.nan)


def _places(n_steps: int) -> list[tuple[float, float]]:
    """Return places t = s³ on the way from 0 to 1, s in the middle of equal steps, and the weight of each; of one step the end."""
    if n_steps == 1:
        return [(1.0, 1.0)]
    s = (np.arange(n_steps) + 0.5) / n_steps
    return list(zip((s**3).tolist(), (s**2 / (s**2).sum()).tolist(), strict=True))
