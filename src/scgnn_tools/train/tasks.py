"""What a foundation model is tuned for: each task holds its head and gives the loss of a batch."""

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools.data import Tokens
from scgnn_tools.fm import masking
from scgnn_tools.nn.heads import Classifier, ExpressionDecoder
from scgnn_tools.store.digest import digest
from scgnn_tools.train.parts import Part

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel


STANDARDISED = 256
"""Cells whose vectors set the scale of a classifier's input."""


class Task(nn.Module):
    """One objective; its parameters are those of its head."""

    def loss(self, model: "NetworkModel", tokens: Tokens, cells: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the loss of a batch; ``cells`` are its positions in the object."""
        raise NotImplementedError

    def mass(self, cells: np.ndarray) -> float:
        """Return what the loss of a batch, which is a mean, was divided by."""
        return float(len(cells))

    def loss_of_part(self, model: "NetworkModel", tokens: Tokens, part: Part, rng: np.random.Generator) -> Tensor:
        """Return the loss of one process's part of a batch, so that the mean over the processes is the loss of the batch.

        ``tokens`` are those of the whole batch. A process without a cell takes part with one that counts nothing.
        """
        cells, at = part.seen
        return part.weight(self.mass) * self.loss(model, tokens.select(at), cells, rng)


class CellTask(Task):
    """What a model is tuned for on the cells of an object.

    Attributes
    ----------
    predicts
        Whether it has an answer of its own.
    codes
        Class of each cell, -1 where unknown, if it learns classes.
    values
        Expression of each cell that it learns, if it does.
    """

    predicts: ClassVar[bool] = True
    codes: np.ndarray | None = None
    values: sp.csr_array | None = None

    def predict(self, model: "NetworkModel", tokens: Tokens, seed: int) -> "np.ndarray | sp.csr_array":
        """Return the answer for cells."""
        raise NotImplementedError


class ClassificationTask(CellTask):
    """Cross-entropy of the classes of cells.

    Parameters
    ----------
    vectors
        Vectors of some cells before training, float32 (n, dim): the head sees cells relative to their mean and standard deviation,
        since cell vectors come in any scale and have most of their length in common.
    codes
        Class of each cell, -1 where unknown, int64 (n_obs,).
    n_classes
        Number of classes.
    balanced
        Whether every class counts alike, and not every cell.
    """

    codes: np.ndarray

    def __init__(self, vectors: np.ndarray, codes: np.ndarray, n_classes: int, *, balanced: bool = True) -> None:
        super().__init__()
        self.head, self.codes = Classifier(vectors.shape[1], n_classes), codes
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.as_tensor(vectors.mean(axis=0)))
        self.register_buffer("scale", torch.as_tensor(vectors.std(axis=0) + 1e-6))
        counts = np.bincount(codes[codes >= 0], minlength=n_classes)
        self.weight: Tensor
        weight = counts.sum() / n_classes / counts if balanced else np.ones(n_classes)
        self.register_buffer("weight", torch.as_tensor(weight, dtype=torch.float32))

    def forward(self, model: "NetworkModel", tokens: Tokens) -> Tensor:
        """Return logits, (n_cells, n_classes)."""
        return self.head((model.pooled(tokens) - self.mean) / self.scale)

    def loss(self, model: "NetworkModel", tokens: Tokens, cells: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the cross-entropy."""
        truth = torch.as_tensor(self.codes[cells], device=self.weight.device)
        return F.cross_entropy(self(model, tokens).float(), truth, weight=self.weight)

    def predict(self, model: "NetworkModel", tokens: Tokens, seed: int) -> np.ndarray:
        """Return the probability of each class, float32 (n_cells, n_classes); NaN for a cell without a known gene."""
        out = np.full((tokens.n_cells, len(self.weight)), np.nan, dtype=np.float32)
        for cells in model.batches(tokens):
            with model.computing():
                logits = cast("Tensor", self(model, tokens.select(cells)))
                out[cells] = logits.float().softmax(dim=-1).cpu().numpy()
        return out

    def mass(self, cells: np.ndarray) -> float:
        """Return the weights of the cells' classes, added up."""
        return float(self.weight.cpu().numpy()[self.codes[cells]].sum())


class ExpressionTask(CellTask):
    """Squared error of the log-normalised expression of genes whose values the network does not see.

    Parameters
    ----------
    dim
        Width of the hidden states of genes.
    values
        Log-normalised expression over the vocabulary, CSR (n_obs, n_vocabulary).
    share
        Share of a cell's genes that are hidden.
    """

    values: sp.csr_array

    def __init__(self, dim: int, values: sp.csr_array, share: float) -> None:
        super().__init__()
        self.head, self.values, self.share = ExpressionDecoder(dim), values, share
        cast("nn.Linear", self.head.fc[-1]).bias.data.fill_(float(values.data.mean()))

    def forward(self, model: "NetworkModel", tokens: Tokens, at: np.ndarray) -> Tensor:
        """Return the predicted expression of the tokens ``at``."""
        return self.head(model.masked_states(tokens, at).float())

    def loss(self, model: "NetworkModel", tokens: Tokens, cells: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the squared error."""
        at = masking.draw(model.is_gene(tokens), self.share, rng)
        cell = np.repeat(cells, tokens.lengths)[at]
        truth = np.asarray(self.values[cell, model.gene_of_token(tokens)[at]]).ravel()
        return F.mse_loss(self(model, tokens, at), torch.as_tensor(truth, dtype=torch.float32, device=model.device))

    def predict(self, model: "NetworkModel", tokens: Tokens, seed: int) -> sp.csr_array:
        """Return the predicted value of every gene token from the others, hiding a share at a time, CSR (n_cells, n_vocabulary).

        A cell's values depend on that cell alone; one without a known gene has none.
        """
        rows, columns = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        values = [np.empty(0, dtype=np.float32)]
        folds = max(1, round(1 / self.share))
        for cells in model.batches(tokens):
            batch = tokens.select(cells)
            position, fold = model.gene_of_token(batch), _folds(batch, model.is_gene(batch), folds, seed)
            for i in np.unique(fold[fold >= 0]):
                at = np.flatnonzero(fold == i)
                with model.computing():
                    values.append(self(model, batch, at).float().cpu().numpy())
                rows.append(np.repeat(cells, batch.lengths)[at])
                columns.append(position[at])
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return sp.csr_array(sp.coo_array(entries, shape=(tokens.n_cells, len(model.vocabulary))))


def _folds(tokens: Tokens, is_gene: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each token of a gene, -1 for others: drawn in each cell from its genes and values, in whatever order."""
    out = np.full(len(tokens.ids), -1)
    for start, end in pairwise(tokens.offsets):
        genes = start + np.flatnonzero(is_gene[start:end])
        genes = genes[np.argsort(tokens.ids[genes], kind="stable")]
        values = None if tokens.values is None else np.asarray(tokens.values[genes], dtype=np.float32)
        draw = int(digest(np.asarray(tokens.ids[genes], dtype=np.int64), values)[:16], 16)
        out[genes] = np.random.default_rng([seed, draw]).permutation(len(genes)) % folds
    return out


class MaskedTask(CellTask):
    """The model's own pretraining, continued; its head is part of the network."""

    predicts = False

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def loss(self, model: "NetworkModel", tokens: Tokens, cells: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the loss of the published pretraining."""
        return model.masked_loss(tokens, masking.draw(model.is_gene(tokens), self.share, rng), rng)


def vectors_before(model: "NetworkModel", tokens: Tokens, cells: np.ndarray) -> np.ndarray:
    """Return the vectors of some cells for :class:`ClassificationTask`, one cell at a time, float32 (n, dim)."""
    return np.concatenate([model.cell_vectors(tokens.select(cells[i : i + 1])) for i in range(len(cells))])
