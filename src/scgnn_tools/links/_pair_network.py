"""What the networks that learn from labelled pairs have in common: their nodes, their batches, when they stop."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from scgnn_tools._choices import integer, number
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.links._expression import GeneColumns, read_expression
from scgnn_tools.links._protocol import check_pairs, need_fit
from scgnn_tools.links.node_features import carve, nodes
from scgnn_tools.train import fit_full_batch
from scgnn_tools.train.full_batch import seeded

if TYPE_CHECKING:
    from anndata import AnnData

Protocol = Literal["clean", "paper"]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Nodes of the factors, nodes of the targets, labels, each (n_pairs,)."""


class PairNetwork:
    """A network on pairs; a subclass says what it reads, how it is built, and what it makes of a batch.

    Parameters
    ----------
    max_epochs, patience
        Most epochs, and how many may pass without a better validation loss; patience None keeps the last epoch.
    batch_size, lr
        Of the training.
    balanced
        Each epoch draws as many negative pairs as there are positive ones, at most ``per_epoch`` together; else it takes all pairs.
    decay
        The learning rate is multiplied by it after each epoch.
    max_cells
        So many cells are drawn if there are more; None takes all.
    """

    name: str
    balanced = False
    per_epoch = 2**13
    score_block = 2**16
    without_expression: Literal["zeros", "nan"] = "zeros"
    _decay_every: Literal["epoch", "batch"] = "epoch"

    def __init__(
        self,
        *,
        max_epochs: int,
        patience: int | None,
        batch_size: int,
        lr: float,
        decay: float = 1.0,
        max_cells: int | None,
        rng: RNG,
        device: str,
    ) -> None:
        integer("max_epochs", max_epochs)
        integer("patience", patience, or_none=True)
        integer("batch_size", batch_size)
        integer("max_cells", max_cells, or_none=True)
        number("lr", lr, above=0)
        number("decay", decay, above=0, most=1)
        self._max_epochs, self._patience, self._batch_size, self._lr = max_epochs, patience, batch_size, lr
        self._decay, self._max_cells, self._seed, self._device = decay, max_cells, seed(rng), resolve_device(device)
        self.interrupted = False

    @property
    def nodes(self) -> np.ndarray:
        """Genes that can be asked for, object (n_genes,)."""
        return np.asarray(self._genes)

    def _prepare(self, columns: GeneColumns, edges: tuple[np.ndarray, np.ndarray]) -> None:
        """Keep what the network reads of the expression and of the positive training pairs."""
        raise NotImplementedError

    def _build(self) -> nn.Module:
        """Return the untrained network."""
        raise NotImplementedError

    def _state(self, network: nn.Module) -> Any:
        """Return what the network makes of all genes, from which it reads pairs; None if it reads pairs alone."""
        return None

    def _logits(self, network: nn.Module, state: Any, tf: np.ndarray, target: np.ndarray) -> Tensor:
        """Return the logit of each pair of nodes, (n_pairs,)."""
        raise NotImplementedError

    def _loss(self, network: nn.Module, state: Any, rows: Rows) -> Tensor:
        label = torch.as_tensor(rows[2], device=self._device)
        return nn.functional.binary_cross_entropy_with_logits(self._logits(network, state, rows[0], rows[1]), label)

    def fit(
        self,
        pairs: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> "PairNetwork":
        """Train on the pairs; stop by the validation loss."""
        pairs = check_pairs(pairs)
        columns = read_expression(expression, self.name, max_cells=self._max_cells, rng=self._seed)
        if validation is None:
            pairs, validation = carve(pairs, self._seed)
        validation = check_pairs(validation, labelled=False)
        self._genes = nodes(pd.concat([pairs, validation]), genes)
        self._known = columns.at(self._genes) >= 0
        if not self._known.any():
            first = printable(columns.genes[0])
            msg = f"expression= holds none of the {len(self._genes):,} genes of the pairs: its var_names are others, such as {first}."
            raise InputValueError(msg)
        train, held = self._rows(pairs), self._rows(validation)
        edge = train[2] == 1
        self._prepare(columns, (train[0][edge], train[1][edge]))
        share = float(train[2].mean())
        # a network that saw as many positive as negative pairs is brought to the share of the training pairs
        self._shift = float(np.log(share / (1 - share))) if self.balanced else 0.0
        self._network, self.history = self._train(train, held)
        self.interrupted = bool(self.history.attrs["interrupted"])
        with torch.no_grad(), seeded(self._seed):
            self._scored = self._state(self._network)
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the score of each pair; NaN where a gene was not among those of the fit."""
        need_fit(self, "_genes")
        pairs = check_pairs(pairs, labelled=False)
        tf, target = self._genes.get_indexer(pairs["tf"]), self._genes.get_indexer(pairs["target"])
        usable = (tf >= 0) & (target >= 0)
        if self.without_expression == "nan":
            usable &= self._known[tf] & self._known[target]
        rows = np.flatnonzero(usable)
        out = np.full(len(pairs), np.nan)
        with torch.no_grad():
            for some in _batches(rows, self.score_block):
                logits = self._logits(self._network, self._scored, tf[some], target[some])
                out[some] = logits.double().cpu().numpy() + self._shift
        return out

    def _rows(self, pairs: pd.DataFrame) -> Rows:
        tf, target = self._genes.get_indexer(pairs["tf"]), self._genes.get_indexer(pairs["target"])
        label = pairs["label"].to_numpy(dtype=np.float32)
        if self.without_expression == "nan":
            keep = self._known[tf] & self._known[target]
            tf, target, label = tf[keep], target[keep], label[keep]
        return tf, target, label

    def _train(self, train: Rows, held: Rows) -> tuple[nn.Module, pd.DataFrame]:
        rng = generator(self._seed)
        if self.balanced:
            held = _take(held, balanced_rows(held[2], self.per_epoch, rng))
        waited = itertools.count()

        def losses(network: nn.Module) -> Iterator[Tensor]:
            n = len(train[2])
            rows = balanced_rows(train[2], self.per_epoch, rng) if self.balanced else rng.permutation(n)
            return (
                self._loss(network, self._state(network), _take(train, i)) for i in _batches(rows, self._batch_size)
            )

        def validate(network: nn.Module) -> float:
            if len(held[2]) == 0:
                return -float(next(waited))  # nothing to stop on: the last epoch is kept
            state = self._state(network)
            some = list(_batches(np.arange(len(held[2])), self.score_block))
            return float(
                np.average(
                    [float(self._loss(network, state, _take(held, i))) for i in some], weights=list(map(len, some))
                )
            )

        steps = -(-len(train[2]) // self._batch_size)
        return fit_full_batch(
            lambda: self._build().to(self._device),
            losses,
            validate,
            max_epochs=self._max_epochs,
            patience=self._patience,
            lr=self._lr,
            decay=self._decay if self._decay_every == "batch" else self._decay ** (1 / steps),
            rng=self._seed,
            what=self.name,
        )


def balanced_rows(label: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Draw as many rows of one label as of the other, at most ``most`` together, in random order."""
    positive, negative = np.flatnonzero(label == 1), np.flatnonzero(label == 0)
    n = min(len(positive), len(negative), most // 2)
    drawn = [rng.choice(rows, size=n, replace=False) for rows in (positive, negative)]
    return rng.permutation(np.concatenate(drawn))


def _take(rows: Rows, i: np.ndarray) -> Rows:
    return rows[0][i], rows[1][i], rows[2][i]


def _batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
