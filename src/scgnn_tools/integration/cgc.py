"""``cgc``: a Cell-Graph Compass tuned on cells of several batches without labels (Fang et al., bioRxiv 2024.06.04.597354).

The loss is that of its pretraining, with the batch beside the input of both decoders, + 10 × elastic similarity + an adversary that
guesses the batch; the vector of a cell is its cell token, of length 1. Where we differ: half of each decoder's weights, that of the
batch, starts at zero, and batches hold every experiment in proportion.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools.data import Tokens, length_batches
from scgnn_tools.fm import cgc
from scgnn_tools.fm.cgc.given import borrowed, check_given, tokenize_projected
from scgnn_tools.fm.cgc.model import MASK_VALUE
from scgnn_tools.fm.cgc.small import small_network, start_from_coexpression, to_columns
from scgnn_tools.integration._protocol import Batches
from scgnn_tools.train.batch_task import BatchTask
from scgnn_tools.train.fitting import fit_task

WARMUP = 50


class CGCBatches:
    """A cell as a graph of its genes, tuned to hold what the batch does not explain.

    Without a pretrained network a small one is made over the genes that vary most within batches; at that size elastic similarity and the
    adversary cost more biology than they mix batches: ``ecs=0, dar=0`` and Harmony on the result did better (:doc:`/concepts/integration`).

    Parameters
    ----------
    model, checkpoint
        A loaded Cell-Graph Compass, or the folder of one; it is tuned in a copy. None makes a small one.
    graph
        Whether cells are graphs; False leaves the transformer alone, of a pretrained network too.
    pretrain
        Whether a new network starts from the co-expression of the cells, or a given one from its weights; False starts from random ones.
    ecs, dar, beta
        Weights of elastic similarity and of the adversary, and the threshold of the first.
    dar_schedule
        "constant", as published, or "ramp": the adversary grows over the training.
    n_genes, dim, n_layers, n_graph_layers, max_length, variant
        Of a new network.
    max_epochs, patience, lr, max_cells
        Of the training: nine tenths of the cells train, the others choose the epoch by the two losses of expression.
    device
        Where to train.
    """

    def __init__(
        self,
        *,
        model: cgc.CGCModel | None = None,
        checkpoint: str | Path | None = None,
        graph: bool = True,
        pretrain: bool = True,
        ecs: float = 10.0,
        dar: float = 1.0,
        beta: float = 0.8,
        dar_schedule: str = "constant",
        n_genes: int = 2000,
        dim: int = 64,
        n_layers: int = 2,
        n_graph_layers: int = 1,
        max_length: int = 193,
        variant: str = "repo",
        max_epochs: int = 6,
        patience: int = 3,
        lr: float = 1e-3,
        max_cells: int = 32,
        device: str = "auto",
    ) -> None:
        check_given(model, checkpoint)
        choice("dar_schedule", dar_schedule, ("constant", "ramp"))
        for name, value in {"n_genes": n_genes, "dim": dim, "n_layers": n_layers, "max_epochs": max_epochs}.items():
            integer(name, value)
        integer("max_length", max_length, least=2)
        integer("n_graph_layers", n_graph_layers, least=0)
        integer("patience", patience, least=0)
        integer("max_cells", max_cells, least=4)  # two of each of two batches
        for name, weight in {"ecs": ecs, "dar": dar}.items():
            number(name, weight, least=0)
        number("beta", beta)
        number("lr", lr, above=0)
        self._given, self._checkpoint, self._device = model, checkpoint, resolve_device(device)
        self.graph, self.pretrain, self.n_genes, self.dar_schedule = graph, pretrain, n_genes, dar_schedule
        self._weights = {"ecs": ecs, "dar": dar, "beta": beta}
        self._sizes: dict[str, Any] = {
            "dim": dim,
            "heads": 4,
            "hidden": 2 * dim,
            "n_layers": n_layers,
            "n_graph_layers": n_graph_layers if graph else 0,
            "max_length": max_length,
            "dropout": 0.0,
            "variant": variant,
        }
        self.max_epochs, self.patience, self.lr, self.max_cells = max_epochs, patience, lr, max_cells
        self.history: pd.DataFrame | None = None

    def fit(self, cells: Batches, *, rng: RNG = 0) -> np.ndarray:
        """Tune, and return the vectors of the cells."""
        number = seed(rng)
        if cells.expression is None:
            msg = "cgc reads expression; the cells hold vectors only. Pass an object with counts or log values."
            raise InputValueError(msg)
        fresh = self._given is None and self._checkpoint is None
        self.model = self._new(cells, number) if fresh else self._pretrained(cells, number)
        tokens = self._tokens(cells)
        usable = np.random.default_rng(number).permutation(np.flatnonzero(tokens.lengths > 2))
        n = max(1, len(usable) // 10)
        held, train = np.sort(usable[:n]), np.sort(usable[n:])
        steps = self.max_epochs * max(1, round(len(train) / self.max_cells))
        with torch_random(number):
            ramp = steps if self.dar_schedule == "ramp" else None
            task = BatchTask(
                self.model,
                cells.batch,
                mask_value=MASK_VALUE,
                share=self.model.mask_share,
                ramp_steps=ramp,
                **self._weights,
            )
        task.to(self.model.device)
        self.model.network.requires_grad_(True)
        self.history = fit_task(
            self.model,
            task,
            tokens,
            train,
            held,
            max_epochs=self.max_epochs,
            patience=self.patience,
            lr=self.lr if fresh else self.lr / 10,
            warmup=min(WARMUP, max(1, steps // 4)),
            seed=number,
            decay=True,
            strata=cells.batch,
            max_cells=self.max_cells,
        )
        if self.history.attrs["interrupted"]:
            raise KeyboardInterrupt
        return self._vectors(tokens)

    def transform(self, cells: Batches) -> np.ndarray:
        """Return the vectors of other cells, each by itself; the encoder is not told the batch."""
        return self._vectors(self._tokens(cells))

    def _vectors(self, tokens: Tokens) -> np.ndarray:
        out = np.zeros((tokens.n_cells, int(self.model.config["dim"])), dtype=np.float32)
        full = np.flatnonzero(tokens.lengths > 1)
        for batch in length_batches(self.model.lengths(tokens)[full], max_tokens=self.model.max_tokens):
            out[full[batch]] = self.model.cell_vectors(tokens.select(full[batch]))
        length = np.linalg.norm(out, axis=1, keepdims=True)
        return np.divide(out, length, out=np.zeros_like(out), where=length > 0)

    def _tokens(self, cells: Batches) -> Tokens:
        return tokenize_projected(self.model, cells.expression, self._to_vocabulary)  # type: ignore[arg-type]

    def _new(self, cells: Batches, number: int) -> cgc.CGCModel:
        x = sp.csr_array(cells.expression)
        mean = np.asarray(x.mean(axis=0)).ravel()
        spread = np.asarray(x.multiply(x).mean(axis=0)).ravel() - mean**2
        columns = np.sort(np.argsort(-spread, kind="stable")[: self.n_genes])
        self._to_vocabulary = to_columns(columns, x.shape[1])
        rows = sp.csr_array(x[:, columns])
        names = None if cells.genes is None else cells.genes[columns]
        model = small_network(rows, names, graph=self.graph, seed=number, device=self._device, **self._sizes)
        if self.pretrain:
            start_from_coexpression(model, rows)
        return model

    def _pretrained(self, cells: Batches, number: int) -> cgc.CGCModel:
        if cells.genes is None:
            msg = "A pretrained network needs the names of the genes: Batches(genes=…)."
            raise InputValueError(msg)
        model = borrowed(self._given, self._checkpoint, self._device, graph=self.graph)
        if not self.pretrain:
            with torch_random(number):
                model.network = type(model.network)(model.sizes).to(model.device)
        found = model.match_names(cells.genes, None)
        found.check(model.card.name, stacklevel=4)
        self._to_vocabulary = found.projection()
        return model
