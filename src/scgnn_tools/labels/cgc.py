"""``cgc``: a Cell-Graph Compass network with a class head, tuned on the labelled cells as in its paper.

The loss is the cross-entropy of an MLP on the cell's vector; nothing is masked. The published script differs: it masks 40 % of the
genes and starts from random weights.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from torch import Tensor

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools.data import Tokens
from scgnn_tools.data.variable_genes import moments_of, variable_genes
from scgnn_tools.fm import cgc
from scgnn_tools.fm.cgc.config import VARIANTS
from scgnn_tools.fm.cgc.small import small_network, start_from_coexpression, to_columns
from scgnn_tools.fm.given import borrowed, check_given, tokenize_projected
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.means import class_means
from scgnn_tools.train import tasks
from scgnn_tools.train.fitting import fit_task

if TYPE_CHECKING:
    from scgnn_tools.genes import GeneMatch

WARMUP = 50
"""Steps of linear growth of the learning rate: with fewer, messages and attention now and then collapse to one vector for all cells."""

STEPS = 60
"""Of an epoch, about: few cells are seen in smaller batches."""

SPREAD = 0.3
"""Added to a gene's variance within classes: with little, genes of a few cells come first, and a cell is left with five tokens of 256."""


SMALL: dict[str, Any] = {
    "n_genes": 256, "dim": 64, "heads": 4, "hidden": None, "n_layers": 2, "n_graph_layers": 1, "max_length": 129, "dropout": 0.0,
    "variant": "repo", "max_epochs": 10, "pretrain_epochs": 1, "patience": 3, "max_tokens": 2048, "max_cells": None,
}  # fmt: skip
PAPER: dict[str, Any] = {
    "n_genes": 3000, "dim": 512, "heads": 8, "hidden": 512, "n_layers": 12, "n_graph_layers": 3, "max_length": 3001, "dropout": 0.2,
    "variant": "paper", "max_epochs": 30, "pretrain_epochs": 1, "patience": 30, "max_tokens": 2**16, "max_cells": 16,
}  # fmt: skip


class CGCLabels:
    """A cell as a graph of its genes: messages, a transformer, and a head of three layers on the cell's vector.

    Without a pretrained network a small one is made over the genes that tell the classes apart. Its pretraining: the gene table begins
    with the singular vectors of the labelled cells' expression, then genes are masked. Its edges: transcription factors of TRRUST and
    neighbours on the chromosome where the genes have names, and the co-expression (above .6) of the training cells.

    Parameters
    ----------
    model, checkpoint
        A loaded Cell-Graph Compass, or the folder of one; it is tuned in a copy. None makes a small one.
    graph
        Whether cells are graphs; False leaves the transformer alone, of a pretrained network too.
    pretrain
        Whether a new network is pretrained before it is tuned.
    preset
        None, a small network for a CPU, or "paper": the sizes and the training of the paper, for GPUs. Tokens are the 3,000 most variable
        genes, no cell is cut, 30 epochs of 16 cells a step (the paper adds up two batches of 8). What is given beside it wins.
    n_genes
        Genes of a new network's vocabulary; with the preset the tokens of a pretrained one too.
    dim, heads, hidden, n_layers, n_graph_layers, max_length, dropout, variant
        Of a new network: its width, its heads, the width within its blocks, its blocks and layers of messages, the most tokens of a cell,
        and whether it is the network of the published code, "repo", or of the paper, "paper".
    max_epochs, pretrain_epochs, patience, lr, max_tokens, max_cells
        Of the training: most epochs of each part, how many may pass without a better validation loss, the learning rate (a tenth of it
        for a pretrained network), which falls in a straight line, and the most tokens and cells of a batch.
    device
        Where to train.
    """

    def __init__(
        self,
        *,
        model: cgc.CGCModel | None = None,
        checkpoint: str | Path | None = None,
        preset: str | None = None,
        graph: bool = True,
        pretrain: bool = True,
        n_genes: int | None = None,
        dim: int | None = None,
        heads: int | None = None,
        hidden: int | None = None,
        n_layers: int | None = None,
        n_graph_layers: int | None = None,
        max_length: int | None = None,
        dropout: float | None = None,
        variant: str | None = None,
        max_epochs: int | None = None,
        pretrain_epochs: int | None = None,
        patience: int | None = None,
        lr: float = 1e-3,
        max_tokens: int | None = None,
        max_cells: int | None = None,
        device: str = "auto",
    ) -> None:
        check_given(model, checkpoint, cgc.CGCModel, name="cgc")
        choice("preset", preset, (None, "paper"))
        choice("variant", variant, (None, *VARIANTS))
        choice("graph", graph, (True, False))
        choice("pretrain", pretrain, (True, False))
        sizes = {
            "n_genes": n_genes, "dim": dim, "heads": heads, "hidden": hidden, "n_layers": n_layers, "n_graph_layers": n_graph_layers,
            "max_length": max_length, "max_epochs": max_epochs, "pretrain_epochs": pretrain_epochs, "patience": patience,
            "max_tokens": max_tokens, "max_cells": max_cells,
        }  # fmt: skip
        defaults = PAPER if preset == "paper" else SMALL
        self._is_paper = preset == "paper"
        for name, value in sizes.items():
            if value is not None:
                integer(name, value, least=0 if name == "n_graph_layers" else 1)
        chosen: dict[str, Any] = {**defaults, **{k: v for k, v in sizes.items() if v is not None}}
        number("lr", lr, above=0)
        rate = number("dropout", dropout, least=0, below=1, or_none=True)
        self._given, self._checkpoint, self._device = model, checkpoint, resolve_device(device)
        self.graph, self.pretrain, self.n_genes = graph, pretrain, chosen["n_genes"]
        self._sizes: dict[str, Any] = {
            "dim": chosen["dim"],
            "heads": chosen["heads"],
            "hidden": chosen["hidden"] or 2 * chosen["dim"],
            "n_layers": chosen["n_layers"],
            "n_graph_layers": chosen["n_graph_layers"] if graph else 0,
            "max_length": chosen["max_length"],
            "dropout": defaults["dropout"]
            if rate is None
            else rate,  # drawing its masks would take a fourth of the time
            "variant": variant or defaults["variant"],
        }
        self.max_tokens, self.max_cells, self.interrupted = chosen["max_tokens"], chosen["max_cells"], False
        self.max_epochs, self.pretrain_epochs = chosen["max_epochs"], chosen["pretrain_epochs"]
        self.patience, self.lr = chosen["patience"], lr

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "CGCLabels":
        """Pretrain where it is asked for, then tune; the validation cells stop both."""
        number = seed(rng)
        fresh = self._given is None and self._checkpoint is None
        self.model = self._new(train, labels, number) if fresh else self._pretrained(train)
        codes = np.concatenate([labels, validation_labels]).astype(np.int64)
        tokens = self._tokens(sp.csr_array(sp.vstack([train.expression, validation.expression], format="csr")))
        usable = np.flatnonzero(tokens.lengths > 2)
        held = usable[usable >= len(train)]
        fit = usable[usable < len(train)]
        parts = (fit, held if len(held) else fit)
        how: dict[str, Any] = {"patience": self.patience, "lr": self.lr if fresh else self.lr / 10, "seed": number}
        n_tokens = int(tokens.lengths[fit].sum())
        budget = int(np.clip(n_tokens // STEPS, min(512, self.max_tokens), self.max_tokens))
        how |= {"max_tokens": budget, "decay": True, "warmup": min(WARMUP, n_tokens // budget)}
        if self.max_cells is not None:
            how |= {"max_tokens": self.max_tokens, "max_cells": self.max_cells}
        self.history = {}
        if fresh and self.pretrain:
            start_from_coexpression(self.model, sp.csr_array(train.expression @ self._to_vocabulary))
            self.model.network.requires_grad_(True)
            masked = tasks.MaskedTask(self.model.mask_share)
            self.history["pretrain"] = fit_task(
                self.model, masked, tokens, *parts, max_epochs=self.pretrain_epochs, **how
            )
            if self.history["pretrain"].attrs["interrupted"]:  # there is no head yet that could label
                raise KeyboardInterrupt
        some = np.sort(np.random.default_rng(number).permutation(fit)[: tasks.STANDARDISED])
        with torch_random(number):
            vectors = tasks.vectors_before(self.model, tokens, some)
            self._task = tasks.ClassificationTask(vectors, codes, int(labels.max()) + 1, balanced=False)
        self._task.to(self.model.device)
        self.model.network.requires_grad_(True)
        self.history["tune"] = fit_task(self.model, self._task, tokens, *parts, max_epochs=self.max_epochs, **how)
        self.interrupted = bool(self.history["tune"].attrs["interrupted"])
        share = np.bincount(labels, minlength=int(labels.max()) + 1) / len(labels)
        self._empty = np.log(np.maximum(share, 1e-9))
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes); those of the classes' sizes for a cell that expresses no gene of the network."""
        tokens = self._tokens(cells.expression)
        out = np.tile(self._empty, (len(cells), 1))
        for some in self.model.batches(tokens):
            with self.model.computing():
                logits: Tensor = self._task(self.model, tokens.select(some))
                out[some] = logits.double().log_softmax(dim=1).cpu().numpy()
        return out

    def _tokens(self, expression: sp.csr_array) -> Tokens:
        return tokenize_projected(self.model, expression, self._to_vocabulary)

    def _new(self, train: Cells, labels: np.ndarray, number: int) -> cgc.CGCModel:
        """Return a small network over the genes that tell the classes apart."""
        columns = self._columns(train, labels)
        self._to_vocabulary = to_columns(columns, train.expression.shape[1])
        rows = sp.csr_array(train.expression[:, columns])
        names = None if train.genes is None else train.genes[columns]
        return small_network(rows, names, graph=self.graph, seed=number, device=self._device, **self._sizes)

    def _pretrained(self, train: Cells) -> cgc.CGCModel:
        """Return a copy of the network that was given."""
        if train.genes is None:
            msg = "A pretrained network needs the names of the genes: Cells(genes=…)."
            raise InputValueError(msg)
        model = borrowed(self._given, self._checkpoint, self._device, name="cgc", graph=self.graph)
        found: GeneMatch = model.match_names(train.genes, None)
        found.check(model.card.name)
        self._to_vocabulary = found.projection()
        if self._is_paper:
            kept = np.zeros(len(train.genes), dtype=np.float32)
            kept[variable_genes(moments_of(train.expression), self.n_genes)] = 1
            self._to_vocabulary = sp.csr_array(sp.diags_array(kept) @ self._to_vocabulary)
        return model

    def _columns(self, train: Cells, labels: np.ndarray) -> np.ndarray:
        """Return the genes of a new network: those that tell the classes apart, or, as in the paper, those that vary most."""
        if self._is_paper:
            return variable_genes(moments_of(train.expression), self.n_genes)
        return _markers(train.expression, labels, self.n_genes)


def _markers(x: sp.csr_array, labels: np.ndarray, n_genes: int) -> np.ndarray:
    """Return the genes whose class means differ most for their spread within classes, sorted, int (at most n_genes,).

    A cell's tokens are its most expressed genes: without the spread they would be those that every cell expresses.
    """
    means = class_means(x, labels)
    share = np.bincount(labels, minlength=len(means)) / len(labels)
    total = np.asarray(x.multiply(x).mean(axis=0)).ravel() - (share @ means) ** 2
    between = share @ (means - share @ means) ** 2
    within = np.maximum(total - between, 0) + SPREAD
    return np.sort(np.argsort(-(means.var(axis=0) / within), kind="stable")[:n_genes])
