"""A fine-tuned foundation model on one side of the fusion: its logits, and its vectors of cells."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools._errors import InputValueError
from scgnn_tools.data import Tokens
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.scgrapht.partner import Partner
from scgnn_tools.labels.scgrapht.slopes import along
from scgnn_tools.train import FineTuner, weights_digest
from scgnn_tools.train.arguments import move
from scgnn_tools.train.tasks import ClassificationTask

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel


class TunedEncoder(Partner):
    """A foundation model tuned on classes, which can be tuned further.

    Parameters
    ----------
    tuner
        A trained ``FineTuner`` with ``task="classification"``; it is copied, and stays as it is.
    """

    kept_as: ClassVar[str] = "encoder"

    def __init__(self, tuner: FineTuner) -> None:
        if not isinstance(tuner, FineTuner) or not isinstance(tuner.task, ClassificationTask) or tuner.history is None:
            msg = f"A trained FineTuner(task='classification') is wanted; got {tuner!r}. Make one and call its train()."
            raise InputValueError(msg)
        self.model: NetworkModel = copy.copy(tuner.model)
        self.model.network = copy.deepcopy(tuner.model.network)
        self.task, self.classes, self._reading = copy.deepcopy(tuner.task), tuner.classes, tuner.reading
        self._last: tuple[Cells, tuple[np.ndarray, np.ndarray]] | None = None

    def parts(self) -> nn.ModuleDict:
        """Return what is trained and saved."""
        return nn.ModuleDict({"network": self.model.network, "task": self.task})

    def move(self, device: torch.device) -> None:
        """Bring it to a device."""
        move(self.model, device)
        self.task.to(device)

    def check(self, n_classes: int) -> None:
        """Refuse logits of other classes than those of the labels."""
        if len(self.classes) != n_classes:
            msg = f"The FineTuner knows {len(self.classes)} classes and the training labels hold {n_classes}. Tune it on the same labels."
            raise InputValueError(msg)

    def tokens(self, cells: Cells) -> Tokens:
        """Return the tokens of cells, from their counts if these are known."""
        return self.model.tokenize(as_anndata(cells, self._reading), **self._reading)

    def encode(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Return vectors (n_cells, d) and log-probabilities (n_cells, n_classes) of a batch, with gradients where they are enabled."""
        vectors = (self.model.pooled(tokens) - self.task.mean) / self.task.scale
        return vectors, torch.log_softmax(self.task.head(vectors).float(), dim=1)

    def table(self, tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors and log-probabilities of many cells; zeros and equal ones for a cell without a known gene."""
        vectors = np.zeros((tokens.n_cells, len(self.task.mean)), dtype=np.float32)
        scores = np.full((tokens.n_cells, len(self.classes)), -np.log(len(self.classes)))
        for cells in self.model.batches(tokens):
            with self.model.computing():
                v, s = self.encode(tokens.select(cells))
                vectors[cells], scores[cells] = v.float().cpu().numpy(), s.double().cpu().numpy()
        return vectors, scores

    def of(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors and log-probabilities of cells; of the same cells, which are asked for both, they are computed once."""
        if self._last is None or self._last[0] is not cells:
            self._last = (cells, self.table(self.tokens(cells)))
        return self._last[1]

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        return self.of(cells)[1]

    def entries(self, cells: Cells, codes: np.ndarray, known: np.ndarray, in_graph: np.ndarray | None) -> np.ndarray:
        """Return those of its own vectors, by the gradient of its head."""
        device = self.task.mean.device
        vectors = torch.as_tensor(self.of(cells)[0], dtype=torch.float32, device=device)
        usual = torch.as_tensor(np.asarray(in_graph).mean(axis=0), dtype=torch.float32, device=device)
        return along(lambda x: self.task.head(x[0]).float(), [vectors], [vectors - usual], codes)

    def plan(self, members: Sequence[Cells]) -> dict[str, Any]:
        """Return what its weights are before they learn."""
        return {"logits": type(self).__name__, "encoder": weights_digest(self.parts().state_dict())}

    @contextmanager
    def training(self) -> Iterator[None]:
        """Let its weights learn for a while; what was computed with those of before is forgotten."""
        self.parts().requires_grad_(True)
        try:
            yield
        finally:
            self.parts().requires_grad_(False)
            self._last = None

    def state(self) -> dict[str, np.ndarray]:
        """Return the weights by name."""
        return {k: v.cpu().numpy() for k, v in self.parts().state_dict().items()}

    def restore(self, arrays: dict[str, np.ndarray]) -> Self:
        """Take the weights that :meth:`state` gave."""
        self.parts().load_state_dict({k: torch.as_tensor(v) for k, v in arrays.items()})
        return self


def tuned_logits(tuner: FineTuner) -> Callable[[Cells], np.ndarray]:
    """Return a fine-tuned foundation model's log-probabilities as a function of cells, for ``ScGraPhT(logits=…)``.

    Its classes must be those of the labels. Cells that it was tuned on flatter it: where λ is searched on validation cells, these should
    not be among them.
    """
    encoder = TunedEncoder(tuner)

    def logits(cells: Cells) -> np.ndarray:
        return encoder.table(encoder.tokens(cells))[1]

    return logits


def as_anndata(cells: Cells, names: dict[str, str | None]) -> ad.AnnData:
    """Return cells as an object that tokenizers take: counts if their totals are known, else log-normalised values."""
    if cells.genes is None:
        msg = "These cells do not know the names of their genes, which a foundation model needs."
        raise InputValueError(msg)
    x = sp.csr_matrix(cells.expression)
    if cells.totals is not None:
        per_cell = np.repeat(cells.totals / 1e4, np.diff(x.indptr))
        x = sp.csr_matrix((np.rint(np.expm1(x.data) * per_cell).astype(np.float32), x.indices, x.indptr), shape=x.shape)
    var = pd.DataFrame(index=pd.Index(cells.genes.astype(str)))
    if names.get("gene_key"):
        var[names["gene_key"]] = cells.genes.astype(str)
    out = ad.AnnData(x, var=var)
    layer = names.get("layer")
    if layer == "raw":
        out.raw = out
    elif layer not in (None, "X"):
        out.layers[layer] = out.X
    return out
