r"""Which entries of the cells' vectors a class rests on, as in Fig. 4 of scGraPhT's paper: for the graph, and for the classifier beside it.

With :math:`x_{nk}` the entries of the vectors that go in and :math:`m_k` their mean, the importance of entry k for class c is

.. math:: a_{kc} = \sum_n (x_{nk} - m_k) \int_0^1 \frac{\partial y_c}{\partial x_{nk}}\Big(m + t (x - m)\Big) dt,

where :math:`y_c` is the logit of class c, mean over the cells of the class, less the mean of the logits of all classes: logits are known
up to a constant a cell. This is Grad-CAM, input times gradient, with three changes that its purpose asks for:

- The gradient is the mean along the way from the mean cell to the cells (integrated gradients, Sundararajan et al. 2017), and not that at
  the cells. Behind a layer norm, as the published code has it, an input can grow and nothing changes: input times gradient at the cells
  then sums to about zero over the entries, and of 40 simulated classes with two known entries each it named those of 5. Along the way all
  40 are named, and the importances of a class sum to what its logit has gained. With the paper's ReLU both name all 40. Of a linear
  classifier both are the same.
- Each cell keeps its own gradient. Grad-CAM as published takes the mean of the gradient over the cells first; cells on both sides of the
  mean then cancel, and :math:`\sum_n (x_{nk} - m_k)` is nothing at all.
- The sum keeps its sign. The ReLU of Grad-CAM would set to zero what speaks against the class; which entries are at the top is the same,
  and ranks over all entries can be compared.

An entry that is the same in all cells tells nothing and gets nothing, and neither its unit nor a standardisation changes what it gets.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import cast

import numpy as np
import torch
from torch import Tensor

from scgnn_tools._errors import InputValueError
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.logreg import LinearHead
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.experts import Experts, Given
from scgnn_tools.labels.scgrapht.fitted import Fitted
from scgnn_tools.labels.scgrapht.graphs import first_product
from scgnn_tools.labels.scgrapht.tuned import TunedEncoder

N_STEPS = 24
"""Places on the way at which the gradient is taken, near each other at its beginning, where a layer norm turns."""
DIFFERENCES, STEP = 4, 0.01
"""Places on the way for a function of cells, and the numeric difference there, in standard deviations of an entry."""


def of_graph(fitted: Fitted, cells: Cells, codes: np.ndarray, *, n_steps: int = N_STEPS) -> np.ndarray:
    """Return the importance of each entry of the vectors on the side of the graph, float64 (d, n_classes); NaN for a class without cells.

    The vectors are those of the graph's cells, and those of the cells that ask where these are linked to themselves (CC). The network takes
    them through the first matrix alone, which is linear: the sum over the cells is taken behind it, over genes or cells, and nothing of the
    size cells × entries is made for a class.

    Parameters
    ----------
    fitted
        Of a pathway in which vectors go in, as it was trained (a file does not keep the vectors).
    cells, codes
        Cells that are asked about, and the class of each, int (n_cells,).
    n_steps
        Places on the way; 1 takes the gradient at the cells themselves, as the paper does.

    Raises
    ------
    InputValueError
        If no vectors go into the graph.
    """
    at = fitted.assembler
    if at.first is None or at.vectors is None:
        msg = (
            f"No vectors go into the graph of the pathway {'-'.join(fitted.network.steps)}. Pass pathway='P2' (GC-CG) or another that "
            "starts with cells, and a scheme other than 'graph'."
        )
        raise InputValueError(msg)
    mean = at.vectors.mean(axis=0)
    less = Assembler(at.graph, first_product(at.graph, at.vectors - mean), at.vectors - mean, at.device)
    edges, own = fitted.intake.edges(cells), fitted.intake.vectors_of(cells)
    nodes, rows = at.nodes(), at.asked(edges, own, trained=True)
    moved = less.asked(edges, None if own is None else own - mean).first
    taken = [(r, m) for r, m in ((nodes, less.tensor(less.first)), (rows, moved)) if m is not None]

    def logits(first: list[Tensor]) -> Tensor:
        for (r, _), x in zip(taken, first, strict=True):
            r.first = x
        return fitted.network.head(fitted.network.asked(rows, fitted.network.inputs(nodes)))

    return _along(logits, [cast("Tensor", r.first) for r, _ in taken], [m for _, m in taken], codes, n_steps)


def of_vectors(fitted: Fitted, train: Cells, labels: np.ndarray, cells: Cells, codes: np.ndarray) -> np.ndarray:
    """Return the same on the side of the classifier of the vectors, of whose entries there are d or, beside components, fewer.

    - "experts" and "vectors": the logistic regression on the vectors, in closed form. The other experts read genes and no vectors: what
      they give does not change with an entry.
    - a joint encoder: its head, by its gradient, along the way.
    - a function of cells: central differences at four places on the way; NaN if it does not read the vectors.
    - a graph that answers alone: a logistic regression on the vectors of the training cells, as the fusion would have it.

    Parameters
    ----------
    fitted
        As for :func:`of_graph`.
    train, labels
        Cells that it was trained on, and their classes.
    cells, codes
        Cells that are asked about, and the class of each.
    """
    other, usual = fitted.other, train.embedding.mean(axis=0)
    if isinstance(other, TunedEncoder):
        return _of_head(other, fitted, cells, codes)
    if isinstance(other, Given):
        return _by_difference(other.scores, cells, codes, usual, STEP * train.embedding.std(axis=0))
    head = other.head if isinstance(other, Experts) else LinearHead().fit(train.embedding, labels)
    slopes = head.slopes - head.slopes.mean(axis=1, keepdims=True)
    out = np.full(slopes.shape, np.nan)
    for c in np.unique(codes):
        out[:, c] = slopes[:, c] * (cells.embedding[codes == c].mean(axis=0) - usual)
    return out


def _along(
    function: Callable[[list[Tensor]], Tensor], at: list[Tensor], moved: list[Tensor], codes: np.ndarray, n_steps: int
) -> np.ndarray:
    """Return the importance of each entry for each class, (d, n_classes).

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


def _places(n_steps: int) -> list[tuple[float, float]]:
    """Return places t = s³ on the way from 0 to 1, s in the middle of equal steps, and the weight of each; of one step the end."""
    if n_steps == 1:
        return [(1.0, 1.0)]
    s = (np.arange(n_steps) + 0.5) / n_steps
    return list(zip((s**3).tolist(), (s**2 / (s**2).sum()).tolist(), strict=True))


def _of_head(encoder: TunedEncoder, fitted: Fitted, cells: Cells, codes: np.ndarray) -> np.ndarray:
    assembler = fitted.assembler
    vectors = assembler.tensor(encoder.of(cells)[0])
    usual = assembler.tensor(np.asarray(assembler.vectors).mean(axis=0))
    return _along(lambda x: encoder.task.head(x[0]).float(), [vectors], [vectors - usual], codes, N_STEPS)


def _by_difference(
    function: Callable[[Cells], np.ndarray], cells: Cells, codes: np.ndarray, usual: np.ndarray, step: np.ndarray
) -> np.ndarray:
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
