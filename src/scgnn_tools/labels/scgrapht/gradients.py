"""Gradients of scGraPhT from a class to the genes: Grad-CAM, as in the paper, and integrated gradients."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from scgnn_tools._errors import InputValueError, MissingExtraError
from scgnn_tools.labels.scgrapht.fitted import FittedScGraPhT

if TYPE_CHECKING:
    from scgnn_tools.labels._protocol import Cells
    from scgnn_tools.nn import GraphConv

BLOCK = 128
"""Cells whose rows are dense at one time."""


def gradcam(fitted: FittedScGraPhT, cells: "Cells", codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the importance of each gene of the graph for each class, (n_genes, n_classes), and which genes these are.

    With :math:`H` the states of the gene nodes that the last layer takes and :math:`y_c` the mean logit of class c over its cells, the
    importance of gene g is :math:`\mathrm{ReLU}(\sum_k H_{gk}\, \partial y_c / \partial H_{gk})`, scaled to a maximum of one in each
    class. Grad-CAM as published takes the mean of the gradient over all nodes first; every gene then gets one direction, and with classes
    whose genes are known that named the genes of another class, so each gene keeps its own gradient here (Draelos & Carin 2020).
    """
    forward, states = _forward(fitted, logits=True)
    if states is None:
        msg = (
            "gradcam needs states of gene nodes: a pathway of two steps or more that ends in CG. Pass how='occlusion'."
        )
        raise InputValueError(msg)
    n_classes = fitted.network.head.out_features
    out = np.full((states.shape[0], n_classes), np.nan)
    for c in np.unique(codes):
        held = states.detach().clone().requires_grad_()
        for block in _blocks(fitted, cells, np.flatnonzero(codes == c)):
            (forward(block, held)[:, c].sum() / (codes == c).sum()).backward()
        cam = torch.relu((held.detach() * cast("Tensor", held.grad)).sum(dim=1)).cpu().numpy()
        out[:, c] = cam / max(float(cam.max()), 1e-12)
    return out, fitted.intake.genes


def integrated_gradients(
    fitted: FittedScGraPhT, cells: "Cells", codes: np.ndarray, *, n_steps: int = 32
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean attribution of each gene of the graph to the log-probability of each class, by captum.

    The path begins at the mean of the cells: at no expression it would end where it began, since a cell's sum is divided out.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        msg = "how='integrated_gradients' needs captum, which is not installed. Run: pip install 'scgnn_tools[explain]'"
        raise MissingExtraError(msg) from error
    forward, states = _forward(fitted, logits=False)
    n_classes = fitted.network.head.out_features
    out = np.full((len(fitted.intake.genes), n_classes), np.nan)
    explainer = IntegratedGradients(lambda x: forward(x, states))
    start = fitted.assembler.tensor(np.asarray(fitted.intake.edges(cells).mean(axis=0))[None])
    for c in np.unique(codes):
        of_class = np.flatnonzero(codes == c)
        total = np.zeros(len(fitted.intake.genes))
        for block in _blocks(fitted, cells, of_class):
            found = explainer.attribute(
                block, start.expand_as(block), target=int(c), n_steps=n_steps, internal_batch_size=BLOCK
            )
            total += found.detach().sum(dim=0).double().cpu().numpy()
        out[:, c] = total / len(of_class)
    return out, fitted.intake.genes


def _blocks(fitted: FittedScGraPhT, cells: "Cells", rows: np.ndarray) -> list[Tensor]:
    """Return the expression of some cells over the genes of the graph, dense, a block at a time."""
    edges = fitted.intake.edges(cells.take(rows))
    starts = range(0, len(rows), BLOCK)
    return [fitted.assembler.tensor(edges[s : s + BLOCK].toarray()) for s in starts]


def _forward(
    fitted: FittedScGraPhT, *, logits: bool
) -> tuple[Callable[[Tensor, Tensor | None], Tensor], Tensor | None]:
    """Return the last step and the head as a function of the cells' expression and the genes' states, and these states."""
    network, graph = fitted.network, fitted.assembler.graph
    if network.steps[-1] != "CG":
        msg = f"Gradients reach the genes where the pathway ends in CG; this one is {'-'.join(network.steps)}. Pass how='occlusion'."
        raise InputValueError(msg)
    last = len(network.steps) - 1
    bias, norm = cast("GraphConv", network.convs[last]).bias, network.norms[last]
    states, gene_degree = fitted.inputs[last], fitted.assembler.tensor(graph.gene_degree)
    how, activation = graph.normalize, network.activation

    def forward(x: Tensor, h: Tensor | None) -> Tensor:
        total = x.sum(dim=1, keepdim=True).clamp_min(1e-12)
        if how == "row":
            x = x / total
        elif how == "sym":
            x = x / total.sqrt() / gene_degree.clamp_min(1e-12).sqrt()
        z = norm(x @ (network.weight(last) if h is None else h @ network.weight(last)) + bias)
        if activation == "paper":
            z = torch.relu(z)
        elif last:
            z = torch.nn.functional.leaky_relu(z, 0.01)
        z = network.head(z)
        return z if logits else torch.log_softmax(z, dim=1)

    return forward, states
