"""``mlp``: a perceptron of three hidden layers on genes, in the manner of ACTINN."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from scgnn_tools._choices import integer, number
from scgnn_tools._device import resolve_device
from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.pca import column_variance
from scgnn_tools.labels.saving import State, nested, part
from scgnn_tools.nn import Propagation
from scgnn_tools.train import fit_full_batch

SHARE = 0.01
"""Genes of the lowest and the highest hundredth, by sum and by coefficient of variation, are left out; ACTINN's."""
BLOCK = 2048
"""Cells that are scored at once."""


class Perceptron(nn.Module):
    """Three hidden layers, ReLU: expression of genes, as a sparse block, -> logits (n_cells, n_classes)."""

    def __init__(self, n_genes: int, n_classes: int, widths: tuple[int, ...] = (100, 50, 25)) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.empty(n_genes, widths[0]))
        nn.init.xavier_normal_(self.first)
        self.bias = nn.Parameter(torch.zeros(widths[0]))
        rest: list[nn.Module] = [nn.ReLU()]
        for a, b in zip(widths, (*widths[1:], n_classes), strict=True):
            rest += [nn.Linear(a, b), nn.ReLU()]
        self.rest = nn.Sequential(*rest[:-1])

    def forward(self, x: Propagation) -> torch.Tensor:
        """Return logits."""
        return self.rest(x @ self.first + self.bias)


class Mlp:
    """Baseline: ACTINN's perceptron (Ma and Pellegrini, Bioinformatics 2020), hidden layers of 100, 50 and 25 on all genes.

    Batches of 128, Adam and 50 epochs are the published ones; the learning rate is 1e-3 and not 1e-4, since a few thousand cells give few
    steps, and the weights are those of the epoch that validates best.

    Parameters
    ----------
    max_epochs, patience, batch_size, lr
        Of the training.
    device
        Where to train.
    """

    def __init__(
        self, *, max_epochs: int = 50, patience: int = 10, batch_size: int = 128, lr: float = 1e-3, device: str = "auto"
    ) -> None:
        for name, value in (("max_epochs", max_epochs), ("patience", patience), ("batch_size", batch_size)):
            integer(name, value)
        number("lr", lr, above=0)
        self.max_epochs, self.patience, self.batch_size, self.lr = max_epochs, patience, batch_size, lr
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
    ) -> "Mlp":
        """Train on the training cells; the validation cells choose the epoch."""
        number, n_classes = seed(rng), int(labels.max()) + 1
        self.genes = ordinary_genes(train.expression)
        x, y = self._columns(train), torch.as_tensor(labels, device=self._device)
        stop = (self._columns(validation), validation_labels) if len(validation) else (x, labels)

        order = np.random.default_rng(number)

        def losses(network: nn.Module) -> Iterator[torch.Tensor]:
            cells = order.permutation(len(train))
            for batch in (cells[i : i + self.batch_size] for i in range(0, len(cells), self.batch_size)):
                yield nn.functional.cross_entropy(network(self._block(x, batch)), y[torch.as_tensor(batch)])

        self._network, self.history = fit_full_batch(
            lambda: Perceptron(len(self.genes), n_classes).to(self._device),
            losses,
            lambda network: float(-self._log_proba(network, stop[0])[np.arange(len(stop[1])), stop[1]].mean()),
            max_epochs=self.max_epochs,
            patience=self.patience,
            lr=self.lr,
            weight_decay=1e-4,
            rng=number,
            what="mlp",
        )
        self.interrupted = bool(self.history.attrs["interrupted"])
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        with torch.no_grad():
            return self._log_proba(self._network, self._columns(cells))

    def state(self) -> State:
        """Return the arrays that :meth:`restore` needs."""
        weights = {k: v.cpu().numpy() for k, v in self._network.state_dict().items()}
        return nested(network=weights) | {"genes": self.genes}

    def restore(self, arrays: State) -> "Mlp":
        """Become the model that :meth:`state` was asked of."""
        self.genes = arrays["genes"]
        weights = {k: torch.as_tensor(v) for k, v in part(arrays, "network").items()}
        last = max(
            (k for k in weights if k.startswith("rest.") and k.endswith(".bias")), key=lambda k: int(k.split(".")[1])
        )
        network = Perceptron(len(self.genes), len(weights[last]))
        network.load_state_dict(weights)
        self._network = network.to(self._device).eval()
        return self

    def _columns(self, cells: Cells) -> sp.csr_array:
        return sp.csr_array(cells.expression[:, self.genes])

    def _block(self, x: sp.csr_array, cells: np.ndarray | slice) -> Propagation:
        return Propagation(sp.csr_array(x[cells]), device=self._device)

    def _log_proba(self, network: nn.Module, x: sp.csr_array) -> np.ndarray:
        parts = [network(self._block(x, slice(i, i + BLOCK))) for i in range(0, x.shape[0], BLOCK)]
        return torch.log_softmax(torch.cat(parts).double(), dim=1).cpu().numpy()


def ordinary_genes(x: sp.csr_array) -> np.ndarray:
    """Return the expressed genes that are in no extreme hundredth by sum or by coefficient of variation, int (n_genes,)."""
    total = np.asarray(x.sum(axis=0, dtype=np.float64)).ravel()
    there = np.flatnonzero(total > 0)
    total, spread = total[there], np.sqrt(column_variance(x)[there]) / (total[there] / x.shape[0])
    kept = np.ones(len(there), dtype=bool)
    for values in (total, spread):
        low, high = np.quantile(values, [SHARE, 1 - SHARE]) if len(values) else (0, 0)
        kept &= (values >= low) & (values <= high)
    return there[kept] if kept.any() else there
