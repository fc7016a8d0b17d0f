"""``scbignn`` as an annotation method: from cells to labels, for the cells of the training and for new ones."""

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer
from scgnn_tools._device import resolve_device
from scgnn_tools._methods import check_options
from scgnn_tools._random import RNG, seed
from scgnn_tools._write import as_path
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels._registry import TRAIN_SIZE
from scgnn_tools.labels.landmarks import landmarks
from scgnn_tools.labels.scbignn.config import PAPER, Config
from scgnn_tools.labels.scbignn.em import Nodes, Plan, Round, Steps, rounds_of
from scgnn_tools.labels.scbignn.fitted import FittedScBiGNN
from scgnn_tools.labels.scbignn.inputs import BipartiteInputs, Genes
from scgnn_tools.store import digest

READ_OUTS = ("p", "q", "both")
PROTOCOLS: dict[str, dict[str, Any]] = {"clean": {}, "paper": PAPER}


class ScBiGNN:
    """The bilevel graph network scBiGNN (GenBio workshop at NeurIPS 2023).

    A gene-level network q reads a cell's expressed genes by attention; a cell-level network p passes messages between cells that q finds
    alike. Each is trained on pseudo-labels of the other (EM) for the cells without a label: those of validation, and those to label
    where they may be looked at.

    A cell that was among the cells of training is answered from the graph. A new one is attached to the graph by its nearest
    neighbours, and nothing flows back: its answer depends on that cell alone.

    Parameters
    ----------
    protocol
        "clean" is what was found to be better on held-out cells; "paper" sets what the paper says, see
        :data:`~scgnn_tools.labels.scbignn.config.PAPER`, and trains on 90 % of the labelled cells. Options that are given beside it hold.
    read_out
        "p" is the cell-level network, "q" the gene-level one, "both" the mixture of their probabilities whose weight is chosen on the
        validation cells. None is "both", and "p" for the paper's protocol.
    max_epochs
        Most epochs of a step.
    patience
        At most so many epochs of a step without a better validation loss; the smaller ones of the configuration stand.
    device
        Where to train.
    checkpoint
        Beside which the state of each step is kept and gone on from.
    options
        Fields of :class:`~scgnn_tools.labels.scbignn.config.Config`.
    """

    def __init__(
        self,
        *,
        protocol: Literal["clean", "paper"] = "clean",
        read_out: Literal["p", "q", "both"] | None = None,
        max_epochs: int = 200,
        patience: int | None = 20,
        device: str = "auto",
        checkpoint: str | Path | None = None,
        **options: Any,
    ) -> None:
        known = [f.name for f in fields(Config)]
        check_options("scbignn", options, ["protocol", "read_out", "max_epochs", "patience", "device", *known])
        choice("protocol", protocol, tuple(PROTOCOLS))
        read_out = read_out or ("p" if protocol == "paper" else "both")
        choice("read_out", read_out, READ_OUTS)
        integer("max_epochs", max_epochs)
        integer("patience", patience, or_none=True)
        self.config, self.read_out = Config(**{**PROTOCOLS[protocol], **options}), read_out
        self.protocol, self.train_size = protocol, 0.9 if protocol == "paper" else TRAIN_SIZE
        self.max_epochs, self.patience = max_epochs, patience
        self._checkpoint = None if checkpoint is None else as_path("checkpoint", checkpoint)
        self._device = resolve_device(device)
        self.interrupted = False

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "ScBiGNN":
        """Train on the training cells and, without their labels, on the others; labels of the validation cells only stop and choose.

        Of more cells than ``most_cells`` the graph holds landmarks: cells of every class first, then unlabelled ones.
        """
        most = self.config.most_cells
        for_training = landmarks(train, max(most - len(validation), most // 2), labels)
        train, labels = train.take(for_training), labels[for_training]
        for_validation = landmarks(validation, max(most - len(train), most // 4), validation_labels)
        validation, validation_labels = validation.take(for_validation), validation_labels[for_validation]
        if unlabeled is not None:
            room = max(most - len(train) - len(validation), most // 4)
            unlabeled = unlabeled.take(landmarks(unlabeled, room))
        cells = train.beside(validation) if unlabeled is None else train.beside(validation).beside(unlabeled)
        c, n, n_validation = self.config, len(train), len(validation)
        genes = Genes.choose(cells, labels, c.n_genes, c.n_tokens, c.genes)
        inputs = BipartiteInputs.of(cells, genes)
        stop = (np.arange(n, n + n_validation), validation_labels) if n_validation else (np.arange(n), labels)
        identity: dict[str, object] = {
            "method": "scbignn",
            "patience of all steps": self.patience,
            "rng": seed(rng),
            **asdict(c),
            "training cells": digest(train.expression, train.genes),
            "validation cells": digest(validation.expression),
            "unlabelled cells": digest(None if unlabeled is None else unlabeled.expression),
            "labels": digest(labels, validation_labels),
        }  # fmt: skip
        plan = Plan(
            config=c,
            n_classes=int(labels.max()) + 1,
            device=self._device,
            seed=seed(rng),
            max_epochs=self.max_epochs,
            patience=self.patience,
            checkpoint=self._checkpoint,
            identity=identity,
        )
        steps = Steps(Nodes(genes, inputs, labels, *stop), plan)
        self.rounds = steps.run()
        self.history, self.interrupted = pd.concat(steps.histories, ignore_index=True), steps.interrupted
        self.table_of_rounds = rounds_of(self.rounds, cells, labels, *stop, k=c.k)
        best = min(self.rounds, key=lambda r: r.score) if n_validation else self.rounds[-1]
        self._fitted = FittedScBiGNN.of(best, inputs, c, genes, self._device)
        self.weight_p = _choose(best, *stop) if n_validation else 0.5
        return self

    @property
    def params(self) -> dict[str, Any]:
        """All options as they hold; after :meth:`fit` with the weight of p in the mixture."""
        own = {
            "protocol": self.protocol,
            "read_out": self.read_out,
            "max_epochs": self.max_epochs,
            "patience of all steps": self.patience,
        }
        return own | asdict(self.config) | ({"weight_of_p": self.weight_p} if "weight_p" in vars(self) else {})

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        log_q, log_p = self.both(cells)
        if self.read_out == "both":
            return mixture(self.weight_p, log_p, log_q)
        return log_p if self.read_out == "p" else log_q

    def both(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-probabilities of the gene-level and of the cell-level network, each float64 (n_cells, n_classes)."""
        return self._fitted.both(cells)

    def of_both(self, cells: Cells) -> dict[str, np.ndarray]:
        """Return the log-probabilities of the two networks, (n_cells, n_classes) each."""
        return dict(zip("qp", self.both(cells), strict=True))

    def represent(self, cells: Cells) -> np.ndarray:
        """Return what the last layer of the cell-level network sees of each cell, float32 (n_cells, d)."""
        return self._fitted.represent(cells)

    def gene_importance(self, cells: Cells) -> np.ndarray:
        """Return the attention that each gene receives in these cells, float64 (n_genes,); NaN for a gene that is no token.

        For each pair of genes the attention from one to the other is averaged over the cells that express both; a gene's importance is
        the sum over the genes that attend to it.
        """
        return self._fitted.importance(cells)

    def gene_graph(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean attention from gene to gene in these cells, and how many express both, float64 (n_genes, n_genes) each.

        Both are 0 for genes that are no tokens.
        """
        return self._fitted.gene_graph(cells)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return all that :meth:`restore` needs."""
        tensors, config = self._fitted.state()
        return tensors, config | {"weight_p": self.weight_p, "rounds": self.table_of_rounds}

    def restore(self, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> "ScBiGNN":
        """Become the method that :meth:`state` was asked of."""
        self._fitted = FittedScBiGNN.restore(tensors, config, self._device)
        self.config, self.weight_p = self._fitted.config, float(config["weight_p"])
        self.table_of_rounds = config.get("rounds", {})
        return self


def _choose(best: Round, rows: np.ndarray, labels: np.ndarray) -> float:
    """Return the weight of p that makes the labels of the validation cells most likely."""
    at, grid = np.arange(len(labels)), np.linspace(0, 1, 11)
    log_p, log_q = best.log_p[rows].astype(np.float64), best.log_q[rows].astype(np.float64)
    return float(grid[np.argmin([-mixture(w, log_p, log_q)[at, labels].mean() for w in grid])])


def mixture(weight: float, log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """Return log(weight p + (1 - weight) q)."""
    with np.errstate(divide="ignore"):
        return np.logaddexp(np.log(weight) + log_p, np.log(1 - weight) + log_q)
