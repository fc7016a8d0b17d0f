"""``cgc``: a Cell-Graph Compass that turns a control cell into a perturbed one (Fang et al., bioRxiv 2024.06.04.597354, Eq. 14).

Values are continuous, zeros are kept, the perturbed genes are flagged and always among the tokens, measured or not. Where we differ: the
cell token stays and is flagged, too; the head adds to the control cell (``residual``); whole conditions, not cells, choose the epoch;
control cells without a flag are trained on as well, and a change is what the flag makes of a cell, without what the network says of any.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools.data import Tokens
from scgnn_tools.data.conditions import Condition
from scgnn_tools.fm.cgc.small import most_variable, small_network, start_from_coexpression
from scgnn_tools.perturbation._protocol import Effects, PerturbedCells
from scgnn_tools.perturbation.inputs import CONTROL
from scgnn_tools.perturbation.shrunken_mean import shrunken_mean
from scgnn_tools.store import RunFolder, digest
from scgnn_tools.train.fitting import fit_task
from scgnn_tools.train.full_batch import AGAIN
from scgnn_tools.train.plans import model_parts
from scgnn_tools.train.response_task import Response, dense_tokens

HELD = 0.1
"""Share of the training conditions that choose the epoch."""


class CGCResponse:
    """A small network over the genes that vary most and the perturbed ones; other genes get the shrunken mean.

    Parameters
    ----------
    graph
        Whether cells are graphs; False leaves the transformer alone.
    pretrain
        Whether genes start from the co-expression of the control cells; False starts from random vectors.
    residual
        Whether the head adds to the control cell; False as published.
    n_genes, dim, n_layers, n_graph_layers, variant
        Of the network.
    cells_per_condition
        Perturbed cells of each condition that train, at most.
    n_controls
        Control cells that a prediction is averaged over.
    max_epochs, patience, lr, max_cells
        Of the training.
    device
        Where to train.
    folder, resume
        Where each training keeps its state, in a folder of its own by what decides it: one that was killed goes on. None keeps nothing.
    """

    def __init__(
        self,
        *,
        graph: bool = True,
        pretrain: bool = True,
        residual: bool = True,
        n_genes: int = 1000,
        dim: int = 64,
        n_layers: int = 2,
        n_graph_layers: int = 1,
        variant: str = "repo",
        cells_per_condition: int = 48,
        n_controls: int = 32,
        max_epochs: int = 10,
        patience: int = 3,
        lr: float = 3e-3,
        max_cells: int = 16,
        device: str = "auto",
        folder: str | Path | None = None,
        resume: bool = True,
    ) -> None:
        for name, value in {"n_genes": n_genes, "dim": dim, "n_layers": n_layers, "max_epochs": max_epochs}.items():
            integer(name, value)
        self.cells_per_condition = integer("cells_per_condition", cells_per_condition)
        self.n_controls, self.max_cells = integer("n_controls", n_controls), integer("max_cells", max_cells)
        self.patience, self.lr = integer("patience", patience, least=0), number("lr", lr, above=0)
        self.graph, self.pretrain, self.residual = (
            choice(n, v, (True, False)) for n, v in (("graph", graph), ("pretrain", pretrain), ("residual", residual))
        )
        self.n_genes, self.max_epochs, self._device = n_genes, max_epochs, resolve_device(device)
        self.folder, self.resume = (
            None if folder is None else Path(folder).expanduser(),
            choice("resume", resume, (True, False)),
        )
        layers = integer("n_graph_layers", n_graph_layers, least=0) if graph else 0
        self._sizes: dict[str, Any] = {
            "dim": dim, "heads": 4, "hidden": 2 * dim, "n_layers": n_layers, "n_graph_layers": layers, "dropout": 0.0, "variant": variant,
        }  # fmt: skip
        self.history: pd.DataFrame | None = None

    def fit(self, seen: Effects, *, rng: RNG = 0) -> None:
        """Train on the perturbed cells of the training conditions."""
        draw = seed(rng)
        if seen.cells is None:
            msg = "cgc learns from cells, and was given mean changes only: Effects(cells=…)."
            raise InputValueError(msg)
        self._fallback, _ = shrunken_mean(seen.changes)
        self._choose(seen, seen.cells)
        cells, held = self._cells(seen, seen.cells, draw)
        controls = self._over_vocabulary(seen.cells.expression[self._controls])
        with torch_random(draw):
            self.model = small_network(
                controls,
                self._names,
                graph=self.graph,
                seed=draw,
                device=self._device,
                max_length=len(self._names) + 1,
                **self._sizes,
            )
        if self.pretrain:
            start_from_coexpression(self.model, controls)
        task = self._task(seen, seen.cells, cells, controls, draw)
        self.model.network.requires_grad_(True)
        train, validation = np.flatnonzero(~held), np.flatnonzero(held)
        steps = self.max_epochs * max(1, len(train) // self.max_cells)
        how = {
            "max_epochs": self.max_epochs, "patience": self.patience, "lr": self.lr, "seed": draw, "max_cells": self.max_cells,
            "warmup": min(50, max(1, steps // 4)),
        }  # fmt: skip
        tokens = self._dense(np.zeros((len(cells), len(self._names)), dtype=np.float32))
        self.history = fit_task(
            self.model,
            task,
            tokens,
            train,
            validation,
            folder=self._run(task, held, how),
            resume=self.resume,
            decay=True,
            **how,
        )  # type: ignore[arg-type]
        if self.history.attrs["interrupted"]:
            raise KeyboardInterrupt
        self._trained = task
        self.notes: dict[str, Any] = {
            "n_tokens": len(self._names),
            "n_cells": len(train),
            "best_epoch": int(self.history["validation"].argmin()),
        }

    def predict(self, conditions: Sequence[Condition]) -> np.ndarray:
        """Return the mean change over some control cells, (n_conditions, n_genes)."""
        out = np.tile(self._fallback, (len(conditions), 1))
        at = {g: i for i, g in enumerate(self._names)}
        x = np.asarray(self._shown.todense(), dtype=np.float32)
        plain = self._mean_change(x, np.zeros(x.shape, dtype=bool))
        for row, condition in enumerate(conditions):
            flags = np.zeros(x.shape, dtype=bool)
            flags[:, [at[g] for g in condition if g in at]] = True
            out[row, self._columns] = self._mean_change(x, flags) - plain
        return out

    def _mean_change(self, x: np.ndarray, flags: np.ndarray) -> np.ndarray:
        """Return what the network says of cells with these flags, mean over the cells, of the measured genes."""
        with self.model.computing():
            made = self._trained.change(self.model, self._dense(x), flags).float().cpu().numpy()
        return made.mean(axis=0)[: len(self._columns)]

    def _choose(self, seen: Effects, cells: PerturbedCells) -> None:
        """Choose the tokens: genes that vary most in control cells, perturbed genes that are measured, and those that are not."""
        self._controls = np.flatnonzero(cells.item == CONTROL)
        chosen = set(most_variable(sp.csr_array(cells.expression[self._controls]), self.n_genes).tolist())
        perturbed = set(seen.relations.genes)
        self._columns = np.array(sorted(chosen | {i for i, g in enumerate(seen.genes) if g in perturbed}))
        lacking = sorted(perturbed - set(seen.genes))
        self._names = np.array([*seen.genes[self._columns], *lacking], dtype=object)

    def _over_vocabulary(self, rows: sp.csr_array) -> sp.csr_array:
        """Return the chosen genes, and zeros for perturbed ones that are not measured."""
        own = sp.csr_array(rows[:, self._columns]).astype(np.float32)
        return sp.csr_array(
            sp.hstack(
                [own, sp.csr_array((own.shape[0], len(self._names) - own.shape[1]), dtype=np.float32)], format="csr"
            )
        )

    def _cells(self, seen: Effects, cells: PerturbedCells, draw: int) -> tuple[np.ndarray, np.ndarray]:
        """Return perturbed cells, some of each condition, as many control cells, and which are of conditions that choose the epoch."""
        draws = np.random.default_rng(draw)
        own = [draws.permutation(np.flatnonzero(cells.item == i))[: self.cells_per_condition] for i in range(len(seen))]
        order = draws.permutation(len(seen))
        chooses = set(order[: max(1, round(HELD * len(seen)))].tolist()) if len(seen) > 1 else set()
        untouched = draws.permutation(self._controls)[: sum(map(len, own))]  # as many without a flag
        some = np.concatenate([*own, untouched])
        held = np.isin(cells.item[some], list(chooses))
        if not held.any() or held.all():  # one condition: a tenth of its cells
            held = np.arange(len(some)) % 10 == 0
        return some, held

    def _task(
        self, seen: Effects, cells: PerturbedCells, some: np.ndarray, controls: sp.csr_array, draw: int
    ) -> Response:
        at = {g: i for i, g in enumerate(self._names)}
        flags = np.zeros((len(some), len(self._names)), dtype=bool)
        for row, item in enumerate(cells.item[some]):
            if item != CONTROL:
                flags[row, [at[g] for g in seen.conditions[item] if g in at]] = True
        strata = cells.stratum[self._controls]
        partners = [np.flatnonzero(strata == s) for s in range(int(cells.stratum.max()) + 1)]
        partners = [p if len(p) else np.arange(len(strata)) for p in partners]
        shown = np.sort(np.random.default_rng(draw).permutation(len(strata))[: self.n_controls])
        self._shown = sp.csr_array(controls[shown])
        measured = np.arange(len(self._names)) < len(self._columns)
        rows = self._over_vocabulary(cells.expression[some])
        with torch_random(draw):
            task = Response(
                int(self.model.config["dim"]),
                controls,
                rows,
                partners,
                cells.stratum[some],
                flags,
                measured,
                residual=self.residual,
            )
        return task.to(self.model.device)

    def _dense(self, values: np.ndarray) -> Tokens:
        """Return cells that hold every gene behind their token."""
        n, k = values.shape
        c = self.model.sizes
        ids = np.tile(np.r_[c.cls_id, self.model.ids].astype(np.int32), n)
        empty = np.full((n, k + 1), c.cls_value, dtype=np.float32)
        return dense_tokens(Tokens(ids, empty.ravel(), np.arange(n + 1, dtype=np.int64) * (k + 1)), values)

    def _run(self, task: Response, held: np.ndarray, how: dict[str, Any]) -> Path | None:
        """Return the folder of this training, claimed for what decides it."""
        if self.folder is None:
            return None
        data = digest(
            task.cells.data, task.cells.indices, task.cells.indptr, task.controls.data, task.flags, task.stratum, held
        )
        plan = {
            **model_parts(self.model),
            "method": "cgc",
            "cells": data,
            **how,
        }
        # the weights begin as the seed, the sizes and the control cells say; singular vectors differ in their last digits from run to run
        plan |= {"residual": self.residual, "pretrain": self.pretrain, "graph": self.graph}
        at = self.folder / data[:16]
        RunFolder(at, plan, resume=self.resume, hint=AGAIN)
        return at
