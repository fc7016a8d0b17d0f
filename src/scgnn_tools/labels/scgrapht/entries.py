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

from typing import cast

import numpy as np
from torch import Tensor

from scgnn_tools._errors import InputValueError
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.logreg import LinearHead
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.fitted import FittedScGraPhT
from scgnn_tools.labels.scgrapht.graphs import first_product
from scgnn_tools.labels.scgrapht.slopes import N_STEPS, along, of_linear


def of_graph(fitted: FittedScGraPhT, cells: Cells, codes: np.ndarray, *, n_steps: int = N_STEPS) -> np.ndarray:
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

    return along(logits, [cast("Tensor", r.first) for r, _ in taken], [m for _, m in taken], codes, n_steps)


def of_vectors(fitted: FittedScGraPhT, train: Cells, labels: np.ndarray, cells: Cells, codes: np.ndarray) -> np.ndarray:
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
    if fitted.other is None:
        return of_linear(LinearHead().fit(train.embedding, labels), cells, codes, train.embedding)
    return fitted.other.entries(cells, codes, train.embedding, fitted.assembler.vectors)
