"""What the networks that turn a control cell into a perturbed one have in common: tokens, flags, pairs of cells, the training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools.data.conditions import Condition, genes_of
from scgnn_tools.fm.cgc.small import most_variable
from scgnn_tools.fm.given import flags_of
from scgnn_tools.perturbation import flagged
from scgnn_tools.perturbation._protocol import Effects, PerturbedCells
from scgnn_tools.perturbation.inputs import CONTROL
from scgnn_tools.perturbation.shrunken_mean import shrunken_mean
from scgnn_tools.store import digest
from scgnn_tools.train.response_task import EveryGene, Head, Response

SMALL = {
    **flagged.SMALL, "residual": True, "n_genes": 1000, "cells_per_condition": 48, "n_controls": 32, "max_epochs": 10, "patience": 3,
    "max_cells": 16, "warmup": 50,
}  # fmt: skip
PAPER = {
    **flagged.PAPER,
    "residual": False,
    "n_genes": flagged.ALL,
    "cells_per_condition": flagged.ALL,
    "n_controls": 300,
}


class ResponseNetwork(flagged.FlaggedNetwork):
    """A network over the genes that vary most and the perturbed ones; other genes get the shrunken mean.

    Parameters
    ----------
    model, checkpoint
        A loaded foundation model, or the folder of one; it is tuned in a copy. None makes a small one with random weights.
    preset
        None, a small network for a CPU, or "paper": sizes and training as published, for GPUs. What is given beside it wins.
    pretrain
        Whether a new network starts from the co-expression of the control cells, or a given one from its weights; False starts from random
        ones.
    residual
        Whether the head begins with no change; False as published.
    cell_token
        Whether a cell has a token of its own, which is flagged as well.
    n_genes
        Tokens, beside the perturbed genes.
    dim, n_layers
        Of a new network.
    cells_per_condition
        Perturbed cells of each condition that train, at most.
    n_controls
        Control cells that a prediction is averaged over.
    max_epochs, patience, lr, max_cells
        Of the training; the learning rate, 1e-4 for a given network, falls in a straight line.
    device
        Where to train.
    folder, resume
        Where each training keeps its state, in a folder of its own by what decides it: one that was killed goes on. None keeps nothing.
    """

    head: ClassVar[Head] = "value"

    def __init__(
        self,
        *,
        model: Any = None,
        checkpoint: str | Path | None = None,
        preset: str | None = None,
        pretrain: bool = True,
        residual: bool | None = None,
        cell_token: bool | None = None,
        n_genes: int | None = None,
        dim: int | None = None,
        n_layers: int | None = None,
        cells_per_condition: int | None = None,
        n_controls: int | None = None,
        max_epochs: int | None = None,
        patience: int | None = None,
        lr: float | None = None,
        max_cells: int | None = None,
        device: str = "auto",
        folder: str | Path | None = None,
        resume: bool = True,
    ) -> None:
        given = {
            "n_genes": n_genes, "dim": dim, "n_layers": n_layers, "cells_per_condition": cells_per_condition, "n_controls": n_controls,
            "max_epochs": max_epochs, "max_cells": max_cells, "patience": patience, "residual": residual, "cell_token": cell_token,
        }  # fmt: skip
        self._take(
            given,
            model=model,
            checkpoint=checkpoint,
            preset=preset,
            pretrain=pretrain,
            lr=lr,
            device=device,
            folder=folder,
            resume=resume,
        )

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Train on the perturbed cells of the training conditions."""
        draw = seed(rng)
        if seen.cells is None:
            msg = f"{self.name} learns from cells, and was given mean changes only: Effects(cells=…)."
            raise InputValueError(msg)
        self._fallback, _ = shrunken_mean(seen.changes)
        self._controls = np.flatnonzero(seen.cells.item == CONTROL)
        self._begin(seen, seen.cells, draw)
        cells, held = self._cells(seen, seen.cells, draw)
        task = self._task(seen, seen.cells, cells, draw)
        train, validation = np.flatnonzero(~held), np.flatnonzero(held)
        rows = task.cells
        looked_at = digest(rows.data, rows.indices, rows.indptr, task.controls.data, task.flags, task.stratum, held)
        tokens = EveryGene(task.shape.ids, task.shape.first, len(cells))
        self.notes: dict[str, Any] = self._train(task, tokens, train, validation, seen=looked_at, draw=draw) | {
            "n_tokens": len(self._names), "n_cells": len(train),
            "n_conditions_without_a_token": sum(not self._tokens_of(k) for k in seen.conditions),
        }  # fmt: skip

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return the mean change over some control cells, (n_conditions, n_genes); the shrunken mean where no gene has a token."""
        out = np.tile(self._fallback, (len(conditions), 1))
        x = np.asarray(self._shown.todense(), dtype=np.float32)
        plain = self._mean_change(x, np.zeros(x.shape, dtype=bool))
        for row, condition in enumerate(conditions):
            if at := self._tokens_of(condition):
                flags = np.zeros(x.shape, dtype=bool)
                flags[:, at] = True
                out[row, self._columns] = self._mean_change(x, flags) - plain
        return out

    def predict_cells(self, condition: Condition, controls: sp.csr_array) -> np.ndarray:
        """Return the change of each control cell, (n_cells, n_genes); cells over all genes of the fit are given."""
        out = np.tile(self._fallback, (controls.shape[0], 1))
        if at := self._tokens_of(condition):
            x = np.asarray(self._over_tokens(controls).todense())
            flags = np.zeros(x.shape, dtype=bool)
            plain = self._changes(x, flags)
            flags[:, at] = True
            out[:, self._columns] = self._changes(x, flags) - plain
        return out

    def _tokens_of(self, condition: Condition) -> list[int]:
        return [self._at[g] for g in genes_of(condition) if g in self._at]

    def _mean_change(self, x: np.ndarray, flags: np.ndarray) -> np.ndarray:
        """Return what the network says of cells with these flags, mean over the cells, of the measured genes."""
        out: np.ndarray = self._changes(x, flags).mean(axis=0, dtype=np.float64)
        return out

    def _changes(self, x: np.ndarray, flags: np.ndarray) -> np.ndarray:
        """Return what the network says of each cell with these flags, of the measured genes, float32 (n_cells, n_measured)."""
        size, parts = max(1, self.model.max_tokens // x.shape[1]), []
        with self.model.computing():
            for i in range(0, len(x), size):
                tokens = self._trained.shape.with_values(x[i : i + size])
                made = self._trained.change(self.model, tokens, flags[i : i + size])
                parts.append(made.float().cpu().numpy()[:, : len(self._columns)])
        return np.concatenate(parts)

    def _begin(self, seen: Effects, cells: PerturbedCells, draw: int) -> None:
        """Set the model and its tokens: genes that vary most in control cells, and the perturbed genes, measured or not."""
        perturbed = set(genes_of(seen.relations.genes))
        names = np.array([*seen.genes, *sorted(perturbed - set(seen.genes))], dtype=object)
        index = np.arange(len(names)) if self._fresh else self._known(names)
        usable = index >= 0
        measured = np.flatnonzero(usable[: len(seen.genes)])
        varying = most_variable(sp.csr_array(cells.expression[self._controls][:, measured]), self._chosen["n_genes"])
        chosen = {*measured[varying].tolist(), *(i for i in measured if seen.genes[i] in perturbed)}
        self._columns = np.array(sorted(chosen))
        lacking = np.arange(len(seen.genes), len(names))[usable[len(seen.genes) :]]
        tokens = np.concatenate([self._columns, lacking]).astype(np.int64)
        self._names = names[tokens]
        self._at = {g: i for i, g in enumerate(self._names)}
        controls = self._over_tokens(cells.expression[self._controls])
        if self._fresh:
            self.model, index = self._new(controls, self._names, draw), np.empty(len(names), dtype=np.int64)
            index[tokens] = np.arange(len(tokens))
        self._start(controls, draw)
        ids = self.model.ids[index[tokens]]
        self._shape, self._rows = EveryGene(ids, self._first, len(self._controls)), controls

    def _over_tokens(self, rows: sp.csr_array) -> sp.csr_array:
        """Return the values of the tokens, and zeros for perturbed genes that are not measured."""
        own = sp.csr_array(rows[:, self._columns]).astype(np.float32)
        empty = sp.csr_array((own.shape[0], len(self._names) - own.shape[1]), dtype=np.float32)
        return sp.csr_array(sp.hstack([own, empty], format="csr"))

    def _cells(self, seen: Effects, cells: PerturbedCells, draw: int) -> tuple[np.ndarray, np.ndarray]:
        """Return perturbed cells, some of each condition, as many control cells, and which are of conditions that choose the epoch."""
        draws, most = np.random.default_rng(draw), self._chosen["cells_per_condition"]
        marked = [i for i, c in enumerate(seen.conditions) if self._tokens_of(c)]
        if not marked:
            msg = f"No perturbed gene is in the vocabulary of {self.model.card.name}: nothing could be flagged. Use another model or none."
            raise InputValueError(msg)
        own = [draws.permutation(np.flatnonzero(cells.item == i))[:most] for i in marked]
        order = draws.permutation(marked)
        chooses = set(flagged.choosing(order).tolist()) if len(order) > 1 else set()
        untouched = draws.permutation(self._controls)[: sum(map(len, own))]  # as many without a flag
        some = np.concatenate([*own, untouched])
        held = np.isin(cells.item[some], list(chooses))
        if not held.any() or held.all():  # one condition: a tenth of its cells
            held = np.arange(len(some)) % 10 == 0
        return some, held

    def _task(self, seen: Effects, cells: PerturbedCells, some: np.ndarray, draw: int) -> Response:
        flags = np.zeros((len(some), len(self._names)), dtype=bool)
        for row, item in enumerate(cells.item[some]):
            if item != CONTROL:
                flags[row, self._tokens_of(seen.conditions[item])] = True
        strata = cells.stratum[self._controls]
        partners = [np.flatnonzero(strata == s) for s in range(int(cells.stratum.max()) + 1)]
        partners = [p if len(p) else np.arange(len(strata)) for p in partners]
        shown = np.sort(np.random.default_rng(draw).permutation(len(strata))[: self._chosen["n_controls"]])
        self._shown = sp.csr_array(self._rows[shown])
        measured = np.arange(len(self._names)) < len(self._columns)
        rows, dim = self._over_tokens(cells.expression[some]), int(self.model.config["dim"])
        given = (dim, self._shape, self._rows, rows, partners, cells.stratum[some], flags, measured)
        with torch_random(draw):
            special = flags_of(self.model)
            return Response(*given, head=self.head, residual=self._chosen["residual"], special=special)

    def _words(self) -> dict[str, Any]:
        return super()._words() | {"residual": self._chosen["residual"]}
