"""``gcn_pca``: a graph convolutional network on the cell–cell graph."""

from typing import cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools._choices import integer, number, share
from scgnn_tools._device import resolve_device
from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.pca import OnPCA
from scgnn_tools.labels.saving import State, nested, part
from scgnn_tools.labels.weights import class_weights
from scgnn_tools.nn import Propagation
from scgnn_tools.train import fit_full_batch


class Convolutions(nn.Module):
    """Two graph convolutions: ``A relu(A X W) V``, each row of ``A`` a mean over neighbours and the cell itself."""

    def __init__(self, d: int, n_classes: int, *, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(d, width), nn.Linear(width, n_classes)
        self.dropout = nn.Dropout(dropout)

    def hidden(self, mean: Tensor) -> Tensor:
        """Return the states of cells (n_cells, width), given the means (n_cells, d) of their neighbours' vectors."""
        return torch.relu(self.first(mean))

    def forward(self, mean: Tensor, edges: Propagation) -> Tensor:
        """Return logits of the graph's cells, (n_cells, n_classes)."""
        return self.second(self.dropout(edges @ self.hidden(self.dropout(mean))))


class GcnPCA(OnPCA):
    """Baseline: the graph convolutional network of Kipf and Welling (ICLR 2017) on nearest neighbours, on 50 principal components.

    Inductive: the graph holds the training cells. A cell that asks is linked to its neighbours among them and to itself, and no cell to
    it.

    Parameters
    ----------
    n_neighbors
        Neighbours of a cell.
    width, dropout
        Of the network.
    max_epochs, patience, lr
        Of the training.
    device
        Where to train.
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 15,
        width: int = 64,
        dropout: float = 0.3,
        max_epochs: int = 300,
        patience: int = 30,
        lr: float = 1e-2,
        device: str = "auto",
    ) -> None:
        sizes = {"n_neighbors": n_neighbors, "width": width, "max_epochs": max_epochs, "patience": patience}
        for name, value in sizes.items():
            integer(name, value)
        self.n_neighbors, self.width, self.dropout = n_neighbors, width, share("dropout", dropout)
        self.max_epochs, self.patience, self.lr = max_epochs, patience, number("lr", lr, above=0)
        self._device, self.interrupted = resolve_device(device), False

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "GcnPCA":
        """Train on the training cells; the validation cells choose the epoch."""
        self._look_at(train)
        x = self._vectors(train)
        # one scale for all components: one each would give the noise in the last as much say as the first has
        self._centre, self._spread = x.mean(axis=0), np.array(x.std() + 1e-6)
        self._remember(self._standard(train))
        n_classes, truth = int(labels.max()) + 1, torch.as_tensor(labels, device=self._device)
        weight = torch.as_tensor(class_weights(labels, n_classes, 0.5), device=self._device)
        mean, graph = self._tensor(self._mean), Propagation(self._edges(None), device=self._device)
        stop, known = (validation, validation_labels) if len(validation) else (train, labels)
        asked = self._asked(stop)

        def validate(network: nn.Module) -> float:
            return float(-self._log_proba(cast("Convolutions", network), *asked)[np.arange(len(known)), known].mean())

        network, self.history = fit_full_batch(
            lambda: Convolutions(x.shape[1], n_classes, width=self.width, dropout=self.dropout).to(self._device),
            lambda network: nn.functional.cross_entropy(network(mean, graph), truth, weight=weight),
            validate,
            max_epochs=self.max_epochs,
            patience=self.patience,
            lr=self.lr,
            weight_decay=5e-4,
            rng=seed(rng),
            what="gcn_pca",
        )
        self._network = cast("Convolutions", network)
        self.interrupted = bool(self.history.attrs["interrupted"])
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        return self._log_proba(self._network, *self._asked(cells))

    def _standard(self, cells: Cells) -> np.ndarray:
        return ((self._vectors(cells) - self._centre) / self._spread).astype(np.float32)

    def _remember(self, nodes: np.ndarray) -> None:
        """Keep the cells of the graph and find their neighbours fast."""
        from sklearn.neighbors import NearestNeighbors

        self._nodes = nodes
        self._near = NearestNeighbors(n_neighbors=min(self.n_neighbors, len(nodes) - 1) or 1).fit(nodes)
        self._mean = self._edges(None) @ nodes

    def _edges(self, asked: np.ndarray | None) -> sp.csr_array:
        """Return the mean over the neighbours of cells that ask (None: of the graph's, and themselves), CSR (n_cells, n_nodes)."""
        near = self._near.kneighbors(asked, return_distance=False)
        own = [] if asked is not None else [np.arange(len(near))[:, None]]
        near = np.concatenate([near, *own], axis=1)
        share = np.full(near.size, 1 / (near.shape[1] + (asked is not None)), dtype=np.float32)
        rows = np.repeat(np.arange(len(near)), near.shape[1])
        return sp.csr_array((share, (rows, near.ravel())), shape=(len(near), len(self._nodes)))

    def _asked(self, cells: Cells) -> tuple[sp.csr_array, np.ndarray]:
        """Return the edges of cells that ask, and their vectors."""
        x = self._standard(cells)
        return (self._edges(x) if len(x) else sp.csr_array((0, len(self._nodes)), dtype=np.float32)), x

    def _log_proba(self, network: Convolutions, edges: sp.csr_array, x: np.ndarray) -> np.ndarray:
        own = 1 / (self._near.n_neighbors + 1)
        with torch.no_grad():
            nodes = network.hidden(self._tensor(self._mean)).cpu().numpy()
            itself = network.hidden(self._tensor(edges @ self._nodes + own * x)).cpu().numpy()
            logits = network.second(self._tensor(edges @ nodes + own * itself))
            return torch.log_softmax(logits.double(), dim=1).cpu().numpy()

    def _tensor(self, x: np.ndarray) -> Tensor:
        return torch.as_tensor(x, dtype=torch.float32, device=self._device)

    def state(self) -> State:
        """Return the arrays that :meth:`restore` needs."""
        weights = {k: v.cpu().numpy() for k, v in self._network.state_dict().items()}
        own = {"centre": self._centre, "spread": self._spread, "nodes": self._nodes}
        return self._look_state() | nested(network=weights) | own

    def restore(self, arrays: State) -> "GcnPCA":
        """Become the model that :meth:`state` was asked of."""
        self._look_restore(arrays)
        self._centre, self._spread = arrays["centre"], arrays["spread"]
        self._remember(arrays["nodes"])
        weights = {k: torch.as_tensor(v) for k, v in part(arrays, "network").items()}
        network = Convolutions(len(self._centre), len(weights["second.bias"]), width=self.width, dropout=self.dropout)
        network.load_state_dict(weights)
        self._network = network.to(self._device).eval()
        return self
