"""``scgrapht``: the pathway A_GC–A_CG of scGraPhT on the vectors of a foundation model.

scGraPhT (Koç lab, IEEE TSIPN 2025) sends cell vectors to the genes and back to the cells through the bipartite graph of
expression. Here the second step asks only for the expression of the cell in question, so a trained model labels new
cells one by one.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from scgnn_tools._device import resolve_device
from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._means import class_means, telling_genes
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.logreg import LinearHead
from scgnn_tools.nn import GraphConv, Propagation
from scgnn_tools.train import fit_full_batch


class Network(nn.Module):
    r"""Two graph convolutions, training cells → genes → cells, and a linear head.

    With :math:`C` the vectors of the training cells, :math:`A_{GC}` their expression seen from the genes and :math:`A_{CG}` the
    expression of the cells to label,

    .. math:: H_G = \mathrm{LN}(A_{GC} C W_0 + b_0), \quad H_C = \mathrm{LeakyReLU}(\mathrm{LN}(A_{CG} H_G W_1 + b_1)).

    :math:`A_{GC} C` does not change in training: it is an input, computed once. As in the published code there is no activation after
    the first layer (the paper has a ReLU).

    Shapes
    ------
    genes (n_genes, d), a_cg (n_cells, n_genes) -> log-probabilities (n_cells, n_classes)
    """

    def __init__(self, d: int, n_classes: int, *, widths: tuple[int, int] = (256, 128), dropout: float = 0.2) -> None:
        super().__init__()
        self.to_genes, self.norm_genes = nn.Linear(d, widths[0]), nn.LayerNorm(widths[0])
        self.to_cells, self.norm_cells = GraphConv(widths[0], widths[1]), nn.LayerNorm(widths[1])
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[1], n_classes)

    def states(self, genes: torch.Tensor, a_cg: Propagation) -> torch.Tensor:
        """Return what the head sees, (n_cells, widths[1])."""
        h_genes = self.norm_genes(self.to_genes(genes))
        return nn.functional.leaky_relu(self.norm_cells(self.to_cells(a_cg, h_genes)), 0.01)

    def forward(self, genes: torch.Tensor, a_cg: Propagation) -> torch.Tensor:
        """Return log-probabilities."""
        return torch.log_softmax(self.head(self.dropout(self.states(genes, a_cg))), dim=1)


class ScGraPhT:
    """Graph network on cell vectors, mixed with a linear model of the vectors themselves.

    The mixture is that of the paper, ``λ P_GNN + (1 - λ) P_vectors``, with λ chosen on the validation cells.

    Parameters
    ----------
    n_genes
        Genes of the graph: those whose means differ most between the classes of the training cells.
    max_epochs
        Most epochs; training stops earlier when the validation loss no longer falls.
    lr
        Learning rate.
    patience
        Epochs without a better validation loss before it stops; None trains all epochs and keeps the last weights.
    device
        Where to train.
    checkpoint
        File that keeps the state of training and is gone on from.
    """

    def __init__(
        self,
        *,
        n_genes: int = 1500,
        max_epochs: int = 300,
        lr: float = 3e-3,
        patience: int | None = 30,
        device: str = "auto",
        checkpoint: Path | None = None,
    ) -> None:
        self.n_genes, self.max_epochs, self.lr, self.patience = n_genes, max_epochs, lr, patience
        self._checkpoint = checkpoint
        self._device = resolve_device(device)

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "ScGraPhT":
        """Train on the training cells; the validation cells stop the training and choose λ."""
        self.genes = telling_genes(class_means(train.expression, labels), self.n_genes)
        self._vectors = LinearHead().fit(train.embedding, labels)
        self._centre, self._spread = train.embedding.mean(axis=0), train.embedding.std(axis=0) + 1e-6
        self._gene_input = self._from_cells(train)
        a_train, a_validation = self._a_cg(train), self._a_cg(validation)
        y = torch.as_tensor(labels, device=self._device)
        y_validation = torch.as_tensor(validation_labels, device=self._device)
        stop_on, y_stop = (a_validation, y_validation) if len(validation) else (a_train, y)
        d, n_classes = train.embedding.shape[1], int(labels.max()) + 1
        self._network, self.history = fit_full_batch(
            lambda: Network(d, n_classes).to(self._device),
            lambda m: nn.functional.nll_loss(m(self._gene_input, a_train), y),
            lambda m: float(nn.functional.nll_loss(m(self._gene_input, stop_on), y_stop)),
            max_epochs=self.max_epochs,
            lr=self.lr,
            patience=self.patience,
            weight_decay=5e-5,
            rng=rng,
            what="scgrapht",
            checkpoint=self._checkpoint,
            plan=f"{self.n_genes} {self.lr} {self.patience} {seed(rng)} {labels.tolist()} {train.embedding.sum()}",
        )
        self.interrupted = bool(self.history.attrs["interrupted"])
        self.lam = self._choose_lambda(validation, validation_labels)
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        return _mix(self.lam, self._graph_scores(cells), self._vectors.scores(cells.embedding))

    def represent(self, cells: Cells) -> np.ndarray:
        """Return what the last layer sees of each cell, float32 (n_cells, 128)."""
        with torch.no_grad():
            network = cast("Network", self._network)
            return network.states(self._gene_input, self._a_cg(cells)).cpu().numpy()

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return all that :meth:`restore` needs."""
        tensors = {f"network.{k}": v.cpu().numpy() for k, v in self._network.state_dict().items()}
        tensors |= {f"vectors.{k}": v for k, v in self._vectors.state().items()}
        tensors |= {"genes": self.genes, "input": self._gene_input.cpu().numpy()}
        tensors |= {"centre": self._centre, "spread": self._spread}
        return tensors, {"lam": self.lam}

    def restore(self, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> "ScGraPhT":
        """Become the method that :meth:`state` was asked of."""
        weights = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        self._network = Network(tensors["input"].shape[1], len(weights["head.bias"])).to(self._device).eval()
        self._network.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()})
        self._vectors = LinearHead().restore({k[8:]: v for k, v in tensors.items() if k.startswith("vectors.")})
        self.genes, self._gene_input = tensors["genes"], torch.as_tensor(tensors["input"], device=self._device)
        self._centre, self._spread, self.lam = tensors["centre"], tensors["spread"], float(config["lam"])
        return self

    def _graph_scores(self, cells: Cells) -> np.ndarray:
        with torch.no_grad():
            return self._network(self._gene_input, self._a_cg(cells)).double().cpu().numpy()

    def _choose_lambda(self, validation: Cells, labels: np.ndarray) -> float:
        if len(validation) == 0:
            return 0.7  # the paper's
        graph, vectors = self._graph_scores(validation), self._vectors.scores(validation.embedding)
        rows = np.arange(len(labels))
        grid = np.linspace(0, 1, 11)
        return float(grid[np.argmin([-_mix(g, graph, vectors)[rows, labels].mean() for g in grid])])

    def _edges(self, cells: Cells) -> sp.csr_array:
        return sp.csr_array(cells.expression[:, self.genes])

    def _from_cells(self, train: Cells) -> torch.Tensor:
        """Return A_GC C: for each gene the expression-weighted mean vector of the training cells, (n_genes, d)."""
        a = self._edges(train)
        total = np.asarray(a.sum(axis=0)).ravel()[:, None] + 1e-6
        vectors = (train.embedding - self._centre) / self._spread
        return torch.as_tensor(np.asarray(a.T @ vectors) / total, dtype=torch.float32, device=self._device)

    def _a_cg(self, cells: Cells) -> Propagation:
        """Return A_CG: each cell's expression divided by its sum, (n_cells, n_genes)."""
        a = self._edges(cells)
        total = np.asarray(a.sum(axis=1)).ravel() + 1e-6
        return Propagation(sp.csr_array(sp.diags_array(1 / total) @ a), device=self._device)


def _mix(lam: float, graph: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return log(λ P_graph + (1 - λ) P_vectors)."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(lam) + graph, np.log(1 - lam) + vectors)
