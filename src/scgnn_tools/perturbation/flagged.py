"""Networks whose perturbed genes are flagged: given or new ones, of the published sizes or small, and the folder of their training."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._device import resolve_device
from scgnn_tools._random import torch_random
from scgnn_tools._write import as_path
from scgnn_tools.fm import cgc, scgpt
from scgnn_tools.fm.cgc.config import VARIANTS
from scgnn_tools.fm.cgc.small import small_network, start_from_coexpression
from scgnn_tools.fm.given import borrowed, check_given, with_flags
from scgnn_tools.store.plan import differences
from scgnn_tools.train import weights_digest
from scgnn_tools.train.fitting import fit_task
from scgnn_tools.train.plans import claim, model_parts

PUBLISHED_RATE = 1e-4
ALL = 10**9
HELD = 0.1
"""Share of what was perturbed that chooses the epoch."""
FLAGS = ("residual", "cell_token")
SMALL = {"dim": 64, "heads": 4, "hidden": 128, "n_layers": 2, "dropout": 0.0, "lr": 3e-3}
PAPER = {
    "dim": 512, "heads": 8, "hidden": 512, "n_layers": 12, "dropout": 0.2, "lr": PUBLISHED_RATE, "max_epochs": 30, "patience": 10,
    "max_cells": 64, "warmup": 1000, "cell_token": False,
}  # fmt: skip


class FlaggedNetwork:
    """A foundation model, given or new, and how it is trained; what it is trained for is that of the classes below."""

    name: ClassVar[str]
    kind: ClassVar[type[Any]]
    small: ClassVar[dict[str, Any]]
    paper: ClassVar[dict[str, Any]]
    model: Any
    history: pd.DataFrame | None = None
    _trained: Any
    """The task, with its table of special tokens and its heads, after the training."""

    def _take(
        self,
        given: dict[str, Any],
        *,
        model: Any,
        checkpoint: str | Path | None,
        preset: str | None,
        pretrain: bool,
        lr: float | None,
        device: str,
        folder: str | Path | None,
        resume: bool,
    ) -> None:
        """Check the options; those that are None are of the preset."""
        check_given(model, checkpoint, self.kind, name=self.name)
        for name, value in given.items():
            if name in FLAGS:
                choice(name, value, (True, False, None))
            else:
                integer(name, value, or_none=True)
        self.pretrain = choice("pretrain", pretrain, (True, False))
        chosen = dict(self.paper if choice("preset", preset, (None, "paper")) else self.small)
        if model is not None or checkpoint is not None:
            chosen["lr"] = PUBLISHED_RATE
        if given["dim"] is not None and preset is None:
            chosen["hidden"] = 2 * given["dim"]
        chosen |= {k: v for k, v in given.items() if v is not None}
        if lr is not None:
            chosen["lr"] = number("lr", lr, above=0)
        self._chosen, self._given, self._checkpoint = chosen, model, checkpoint
        self._device, self.resume = resolve_device(device), choice("resume", resume, (True, False))
        self.folder = None if folder is None else as_path("folder", folder)

    @property
    def _fresh(self) -> bool:
        return self._given is None and self._checkpoint is None

    @property
    def sizes(self) -> dict[str, Any]:
        """Sizes of a new network."""
        return {k: self._chosen[k] for k in ("dim", "heads", "hidden", "n_layers", "dropout")}

    def _new(self, controls: sp.csr_array, names: np.ndarray, number: int) -> Any:
        """Return a new network over these genes."""
        raise NotImplementedError

    def _borrowed(self) -> Any:
        return borrowed(self._given, self._checkpoint, self._device, name=self.name)

    def _known(self, names: np.ndarray) -> np.ndarray:
        """Take a given network, and return the place of each gene in its vocabulary, -1 without; two never share one."""
        self.model = self._borrowed()
        found = self.model.match_names(names, None)
        found.check(self.model.card.name)
        out, first = np.asarray(found.index).copy(), np.zeros(len(names), dtype=bool)
        first[np.unique(out, return_index=True)[1]] = True
        out[~first] = -1
        return out

    def _start(self, controls: sp.csr_array, draw: int) -> None:
        """Give a new network what the controls say of its genes, or a given one random weights, as ``pretrain`` says."""
        if self._fresh and self.pretrain:
            start_from_coexpression(self.model, controls)
        if not self._fresh and not self.pretrain:
            with torch_random(draw):
                self.model.network = type(self.model.network)(self.model.sizes).to(self.model.device)

    @property
    def _first(self) -> tuple[int, float] | None:
        """Id and value of the token of a cell, if it gets one."""
        c = self.model.sizes
        return (int(c.cls_id), float(c.cls_value)) if self._chosen["cell_token"] else None

    def _train(
        self,
        task: Any,
        tokens: Any,
        train: np.ndarray,
        validation: np.ndarray,
        *,
        seen: str,
        draw: int,
        more: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Train all weights, and return notes; ``seen`` is the digest of the data, ``more`` what else decides the weights."""
        self._trained = task.to(self.model.device)
        self.model.network.requires_grad_(True)
        how = self._how(len(train), draw)
        folder = self._run(seen, {**how, **(more or {})})
        self.history = fit_task(
            self.model, task, tokens, train, validation, folder=folder, resume=self.resume, decay=True, **how
        )
        if self.history.attrs["interrupted"]:
            raise KeyboardInterrupt
        weights = "random" if self._fresh else "given"
        return {"weights": weights, "best_epoch": int(self.history["validation"].argmin())}

    def _how(self, n_cells: int, draw: int) -> dict[str, Any]:
        """Return the options of the training."""
        c = self._chosen
        steps = c["max_epochs"] * max(1, n_cells // c["max_cells"])
        how = {k: c[k] for k in ("max_epochs", "patience", "lr", "max_cells")}
        return how | {"seed": draw, "warmup": min(c["warmup"], max(1, steps // 4))}

    def _run(self, data: str, how: dict[str, Any]) -> Path | None:
        """Return the folder of this training, claimed for what decides it; ``data`` is the digest of what it sees."""
        if self.folder is None:
            return None
        plan = {**model_parts(self.model), "method": self.name, "cells": data, **how, **self._words()}
        if (
            not self._fresh
        ):  # new weights are as the seed, the sizes and the cells say; singular vectors differ in their last digits
            plan["starting weights"] = weights_digest(self.model.network.state_dict())
        at = self.folder / f"{self.name}-{data[:16]}"
        claim(at, lambda: plan, resume=self.resume, compare=differences)
        return at

    def save_network(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the tuned network with what a flag means to it (emb_s), as ``checkpoint=`` reads it; its heads are new each time."""
        with_flags(self.model, self._trained.special).save(folder, overwrite=overwrite)

    def _words(self) -> dict[str, Any]:
        """Return the options that decide the weights, for the plan."""
        return {"cell_token": self._chosen["cell_token"], "pretrain": self.pretrain}


def choosing(order: np.ndarray) -> np.ndarray:
    """Return the first tenth of what is in random order, at least one: it chooses the epoch."""
    return order[: max(1, round(HELD * len(order)))]


class CGCParts(FlaggedNetwork):
    """The network is a Cell-Graph Compass."""

    name, kind = "cgc", cgc.CGCModel

    def _take_graph(self, *, graph: bool, n_graph_layers: int | None, variant: str) -> None:
        self.graph = choice("graph", graph, (True, False))
        layers = integer("n_graph_layers", n_graph_layers, least=0, or_none=True)
        usual = 3 if self._chosen["dim"] == PAPER["dim"] else 1
        self.n_graph_layers = (usual if layers is None else layers) if graph else 0
        self.variant = choice("variant", variant, VARIANTS)

    @property
    def sizes(self) -> dict[str, Any]:
        """Sizes of a new network."""
        return super().sizes | {"n_graph_layers": self.n_graph_layers, "variant": self.variant}

    def _new(self, controls: sp.csr_array, names: np.ndarray, number: int) -> cgc.CGCModel:
        where: dict[str, Any] = {"seed": number, "device": self._device, "max_length": len(names) + 1}
        return small_network(controls, names, graph=self.graph, **where, **self.sizes)

    def _borrowed(self) -> Any:
        return borrowed(self._given, self._checkpoint, self._device, name=self.name, graph=self.graph)

    def _words(self) -> dict[str, Any]:
        return super()._words() | {"graph": self.graph}


class ScGPTParts(FlaggedNetwork):
    """The network is an scGPT."""

    name, kind = "scgpt", scgpt.ScGPT

    def _new(self, controls: sp.csr_array, names: np.ndarray, number: int) -> scgpt.ScGPT:
        where: dict[str, Any] = {"seed": number, "device": self._device, "max_length": len(names) + 1}
        return scgpt.ScGPT.untrained(names, **where, **self.sizes)
