"""What the foundation models that are tuned on batches have in common: tokens, the training, vectors, and what is kept of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools._write import as_path
from scgnn_tools.data import Tokens, length_batches
from scgnn_tools.fm.given import borrowed, check_given, tokenize_projected
from scgnn_tools.integration._protocol import Batches
from scgnn_tools.store import digest
from scgnn_tools.store.plan import differences
from scgnn_tools.train import weights_digest
from scgnn_tools.train.batch_task import BatchTask
from scgnn_tools.train.fitting import fit_task
from scgnn_tools.train.plans import claim, model_parts

WARMUP = 50
ROWS, COLUMNS, VALUES, SHAPE = (f"to_vocabulary.{part}" for part in ("rows", "columns", "values", "shape"))


class TunedNetwork:
    """Masked expression + elastic similarity of cells + an adversary that guesses the batch; the vector of a cell has length 1.

    Parameters
    ----------
    name, kind
        Of the foundation model, and its class.
    needed
        Whether it has to be given.
    model, checkpoint
        A loaded model, or the folder of one; it is tuned in a copy.
    ecs, dar, beta, dar_schedule, max_epochs, patience, lr, max_cells, device, devices, folder, resume
        See :class:`~scgnn_tools.integration.cgc.CGCBatches`.
    """

    mask_value: float
    cell_over = "all"

    def __init__(
        self,
        name: str,
        kind: type[Any],
        *,
        needed: bool,
        model: Any,
        checkpoint: str | Path | None,
        ecs: float,
        dar: float,
        beta: float,
        dar_schedule: str,
        max_epochs: int,
        patience: int,
        lr: float,
        max_cells: int,
        device: str,
        devices: int,
        folder: str | Path | None,
        resume: bool,
    ) -> None:
        check_given(model, checkpoint, kind, name=name, needed=needed)
        choice("dar_schedule", dar_schedule, ("constant", "ramp"))
        self.max_epochs = integer("max_epochs", max_epochs)
        self.patience = integer("patience", patience)
        self.max_cells = integer("max_cells", max_cells, least=4)  # two of each of two batches
        self.lr = number("lr", lr, above=0)
        self._weights = {
            "ecs": number("ecs", ecs, least=0),
            "dar": number("dar", dar, least=0),
            "beta": number("beta", beta),
        }
        self.name, self._given, self._checkpoint, self._device = name, model, checkpoint, resolve_device(device)
        self.dar_schedule = dar_schedule
        self.folder = None if folder is None else as_path("folder", folder).expanduser()
        self.resume = choice("resume", resume, (True, False))
        if integer("devices", devices) > 1 and folder is None:
            msg = f"devices={devices} wants a folder=, in which the processes find the weights that validate best."
            raise InputValueError(msg)
        self.devices = devices
        self.model: Any = None
        self.history: pd.DataFrame | None = None

    def fit(self, cells: Batches, *, rng: RNG = 0) -> np.ndarray:
        """Tune, and return the vectors of the cells."""
        draw = seed(rng)
        if cells.expression is None:
            msg = (
                f"{self.name} reads expression; the cells hold vectors only. Pass an object with counts or log values."
            )
            raise InputValueError(msg)
        self._begin(cells, draw)
        tokens = self._tokens(cells)
        usable = np.random.default_rng(draw).permutation(np.flatnonzero(tokens.lengths > 2))
        n = max(1, len(usable) // 10)
        held, train = np.sort(usable[:n]), np.sort(usable[n:])
        steps = self.max_epochs * max(1, round(len(train) / (self.max_cells * self.devices)))
        self._prepare(tokens.select(train), cells.batch[train], cells.n_batches)
        with torch_random(draw):
            task = BatchTask(
                self.model,
                cells.batch,
                mask_value=self.mask_value,
                share=self.model.mask_share,
                cell_over=self.cell_over,
                ramp_steps=steps if self.dar_schedule == "ramp" else None,
                **self._weights,
            )
        task.to(self.model.device)
        self.model.network.requires_grad_(True)
        how: dict[str, Any] = {
            "max_epochs": self.max_epochs, "patience": self.patience, "lr": self._rate(), "warmup": min(WARMUP, max(1, steps // 4)),
            "seed": draw, "max_cells": self.max_cells,
        }  # fmt: skip
        claim(self.folder, lambda: self._plan(task, tokens, train, held, how), resume=self.resume, compare=differences)
        self.history = fit_task(
            self.model,
            task,
            tokens,
            train,
            held,
            folder=self.folder,
            resume=self.resume,
            decay=True,
            strata=cells.batch,
            devices=self.devices,
            **how,
        )
        if self.history.attrs["interrupted"]:
            raise KeyboardInterrupt
        return self._vectors(tokens, cells.batch)

    def transform(self, cells: Batches) -> np.ndarray:
        """Return the vectors of other cells, each by itself."""
        return self._vectors(self._tokens(cells), cells.batch)

    def state(self) -> dict[str, np.ndarray]:
        """Return what :meth:`restore` needs beside the network."""
        to = sp.coo_array(self._to_vocabulary)
        return {ROWS: to.row, COLUMNS: to.col, VALUES: to.data, SHAPE: np.array(to.shape)}

    def save_network(self, folder: Path) -> None:
        """Write the tuned network as ``fm.load`` reads it."""
        self.model.save(folder)

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Become the fitted method whose :meth:`state` this is and whose network was passed as ``checkpoint``."""
        shape = tuple(int(n) for n in arrays[SHAPE])
        entries = (arrays[VALUES], (arrays[ROWS], arrays[COLUMNS]))
        self._to_vocabulary = sp.csr_array(sp.coo_array(entries, shape=shape))
        self.model = self._borrowed()

    def _plan(
        self, task: BatchTask, tokens: Tokens, train: np.ndarray, held: np.ndarray, how: dict[str, Any]
    ) -> dict[str, object]:
        """Return all that decides the training."""
        weights = {**self.model.network.state_dict(), **{f"task.{k}": v for k, v in task.state_dict().items()}}
        return {
            **model_parts(self.model), "method": self.name, "starting weights": weights_digest(weights),
            "cells": digest(tokens.ids, tokens.values, tokens.offsets), "batches": digest(task.codes),
            "training and validation cells": digest(train, held), "dar_schedule": self.dar_schedule, **self._weights, **how,
            **({"devices": self.devices} if self.devices > 1 else {}),
        }  # fmt: skip

    def _begin(self, cells: Batches, draw: int) -> None:
        """Set ``model`` and how the columns of the cells come to its vocabulary."""
        if cells.genes is None:
            msg = "A pretrained network needs the names of the genes: Batches(genes=…)."
            raise InputValueError(msg)
        self.model = self._borrowed()
        found = self.model.match_names(cells.genes, None)
        found.check(self.model.card.name)
        self._to_vocabulary = found.projection()

    def _borrowed(self) -> Any:
        return borrowed(self._given, self._checkpoint, self._device, name=self.name)

    def _prepare(self, tokens: Tokens, batch: np.ndarray, n_batches: int) -> None:
        """Change the network before it is tuned, by the tokens of the cells that train it."""

    def _rate(self) -> float:
        """Return the learning rate: a tenth of what a new network takes."""
        return self.lr / 10

    def _batch_vectors(self, tokens: Tokens, batch: np.ndarray) -> np.ndarray:
        out: np.ndarray = self.model.cell_vectors(tokens)
        return out

    def _vectors(self, tokens: Tokens, batch: np.ndarray) -> np.ndarray:
        out = np.zeros((tokens.n_cells, int(self.model.config["dim"])), dtype=np.float32)
        full = np.flatnonzero(tokens.lengths > 1)
        for some in length_batches(self.model.lengths(tokens)[full], max_tokens=self.model.max_tokens):
            at = full[some]
            out[at] = self._batch_vectors(tokens.select(at), batch[at])
        length = np.linalg.norm(out, axis=1, keepdims=True)
        return np.divide(out, length, out=np.zeros_like(out), where=length > 0)

    def _tokens(self, cells: Batches) -> Tokens:
        return tokenize_projected(self.model, cells.expression, self._to_vocabulary)  # type: ignore[arg-type]
