"""A foundation model tuned on the user's cells: classes, expression, or its own pretraining continued."""

import copy
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError, LabelError, MissingKeyError
from scgnn_tools._log import printable, say
from scgnn_tools._random import RNG, seed
from scgnn_tools._write import write_whole
from scgnn_tools.data import length_batches, open_expression
from scgnn_tools.data.organism import of_one_organism
from scgnn_tools.fm import NetworkModel
from scgnn_tools.nn.lora import add_lora
from scgnn_tools.train import tasks

if TYPE_CHECKING:
    from anndata import AnnData

TaskName = Literal["classification", "expression", "masked"]
Adapt = Literal["lora", "full", "head"]
PLAN = "plan.json"
STANDARDISED = 256
"""Cells whose vectors set the scale of a classifier's input."""


class FineTuner:
    """Tune a foundation model on the cells of an AnnData.

    The model that is passed is left as it is; the tuned one is :attr:`model`, after :meth:`train`.

    Parameters
    ----------
    model
        A loaded network (``sgt.fm.load``).
    adata
        Cells × genes. A tenth of the cells, drawn at random, decide when to stop and are not trained on.
    task
        "classification" of cells by ``labels_key``, from the cell's vector; "expression", log-normalised values of genes that the
        network does not see, from their hidden states; "masked", the model's own pretraining, continued.
    labels_key
        Column of ``obs`` for "classification"; cells without a label are left out.
    adapt
        "lora" trains low-rank adapters and the head, "full" every weight, "head" the head alone.
    rank
        Of the adapters.
    share
        Share of a cell's genes that are hidden; None takes that of the published pretraining.
    layer, gene_key, organism
        As in :func:`scgnn_tools.tl.embed`.
    rng
        Seed.

    Attributes
    ----------
    model
        The tuned model: it embeds (``sgt.tl.embed(adata, model=tuner.model)``) and saves as any other.
    history
        DataFrame with ``loss`` and ``validation`` an epoch.
    classes
        Names of the classes, for "classification".
    """

    def __init__(
        self,
        model: NetworkModel,
        adata: "AnnData",
        *,
        task: TaskName = "classification",
        labels_key: str | None = None,
        adapt: Adapt = "lora",
        rank: int = 8,
        share: float | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        rng: RNG = 0,
    ) -> None:
        if not isinstance(model, NetworkModel):
            msg = f"Only networks are tuned; got {model!r}. Load one with sgt.fm.load('scgpt', checkpoint=…)."
            raise InputValueError(msg)
        for name, value, words in (("task", task, get_args(TaskName)), ("adapt", adapt, get_args(Adapt))):
            if value not in words:
                msg = f"{name} is one of {', '.join(words)}; got {printable(value)!r}."
                raise InputValueError(msg)
        if task == "masked" and adapt == "head":
            msg = "task='masked' has no head of its own. Pass adapt='lora' or 'full'."
            raise InputValueError(msg)
        self._names: dict[str, Any] = {"layer": layer, "gene_key": gene_key, "organism": organism}
        self._seed, self.task_name, self.adapt, self.rank = seed(rng), task, adapt, rank
        codes, self.classes = _codes(adata, labels_key) if task == "classification" else (None, [])
        source = model if task == "classification" else model.contextual()
        self.model = copy.copy(source)
        self.model.network = copy.deepcopy(source.network)
        self.tokens = self.model.tokenize(adata, **self._names)
        usable = self.tokens.lengths > 2
        if codes is not None:
            usable &= codes >= 0
        self._cells = np.flatnonzero(usable)
        if len(self._cells) < 10:
            msg = f"{len(self._cells)} cells can be trained on; at least 10 are wanted, with labels and known genes."
            raise InputValueError(msg)
        share = self.model.mask_share if share is None else share
        if not 0 < share < 1:
            msg = f"share lies between 0 and 1; got {share!r}."
            raise InputValueError(msg)
        self.task = self._build(adata, codes, share)
        self.history: pd.DataFrame | None = None

    def _build(self, adata: "AnnData", codes: np.ndarray | None, share: float) -> tasks.Task:
        import torch

        with torch.random.fork_rng():
            torch.default_generator.manual_seed(self._seed)
            if codes is not None:
                some = np.random.default_rng(self._seed).permutation(self._cells)[:STANDARDISED]
                vectors = np.concatenate(
                    [self.model.cell_vectors(self.tokens.select(some[i : i + 1])) for i in range(len(some))]
                )
                task: tasks.Task = tasks.Classification(vectors, codes, len(self.classes))
            elif self.task_name == "expression":
                width = self.model.masked_states(self.tokens.select(self._cells[:1]), np.array([1])).shape[1]
                task = tasks.Expression(width, _lognorm(self.model, adata, self._names), share)
            else:
                task = tasks.Masked(share)
            depth = self.model.default_layer if codes is not None else -1
            if self.adapt == "lora":
                add_lora(self.model.body(depth), rank=self.rank, alpha=2.0 * self.rank)
            elif self.adapt == "full":
                self.model.network.requires_grad_(True)
        return task.to(self.model.device)

    def train(
        self,
        max_epochs: int = 20,
        *,
        patience: int = 3,
        lr: float | None = None,
        weight_decay: float = 0.01,
        warmup: int = 20,
        max_tokens: int | None = None,
        folder: str | Path | None = None,
        resume: bool = True,
    ) -> "FineTuner":
        """Train and keep the weights that validate best.

        Parameters
        ----------
        max_epochs, patience
            Most epochs, and how many may pass without a better validation loss.
        lr
            Learning rate; None takes 1e-3 for adapters and heads, 1e-4 for "full".
        weight_decay, warmup
            Of AdamW; steps of linear growth of the learning rate.
        max_tokens
            Of a batch; None takes 2¹³ on a CPU and 2¹⁶ on a GPU.
        folder
            Where the state is kept at the end of each epoch; None keeps none behind. A later call with the same folder goes on.
        resume
            Go on from ``folder`` if a run with the same settings and cells was stopped there; one with others is an error.

        Returns
        -------
        FineTuner
            Itself, trained.
        """
        from scgnn_tools.train.fitting import fit_task

        if self.history is not None:
            msg = "It is trained already. Make a new FineTuner of tuner.model to train on."
            raise InputValueError(msg)
        rng = np.random.default_rng(self._seed)
        train, validation = _split(self._cells, getattr(self.task, "codes", None), rng)
        target = None if folder is None else Path(folder).expanduser()
        if target is not None:
            self._check_plan(target, resume=resume)
        self.history = fit_task(
            self.model,
            self.task,
            self.tokens,
            train,
            validation,
            max_epochs=max_epochs,
            patience=patience,
            lr=lr or (1e-4 if self.adapt == "full" else 1e-3),
            weight_decay=weight_decay,
            warmup=warmup,
            max_tokens=max_tokens,
            folder=target,
            resume=resume,
            seed=self._seed,
        )
        best = self.history["validation"].min()
        say(
            f"finetune: {self.model.card.name}, {self.task_name}, {len(self.history)} epochs, best validation loss {best:.4g}"
        )
        return self

    def predict(self, adata: "AnnData") -> "pd.DataFrame | sp.csr_array":
        """Predict for cells.

        Returns
        -------
        For "classification" a DataFrame of probabilities, cells × classes, NaN for a cell without a known gene. For "expression" the
        predicted log-normalised value of each expressed gene from the others, hiding a share of them at a time, CSR float32
        (n_obs, n_vocabulary).

        Raises
        ------
        InputValueError
            If it is not trained, or for "masked", which predicts nothing of its own.
        """
        if self.history is None or isinstance(self.task, tasks.Masked):
            msg = "Nothing to predict with: call train() first, with task='classification' or 'expression'."
            raise InputValueError(msg)
        tokens = self.model.tokenize(adata, **self._names)
        full = np.flatnonzero(tokens.lengths > 0)
        batches = [full[b] for b in length_batches(self.model.lengths(tokens)[full], max_tokens=self.model.max_tokens)]
        if isinstance(self.task, tasks.Classification):
            out = np.full((tokens.n_cells, len(self.classes)), np.nan, dtype=np.float32)
            for cells in batches:
                out[cells] = tasks.predict_classes(self.task, self.model, tokens.select(cells))
            return pd.DataFrame(out, index=adata.obs_names, columns=self.classes)
        return tasks.predict_expression(self.task, self.model, tokens, batches, self._seed)  # type: ignore[arg-type]

    def _check_plan(self, folder: Path, *, resume: bool) -> None:
        """Write what the run is of, or refuse to go on with another one."""
        folder.mkdir(parents=True, exist_ok=True)
        cells = hashlib.sha256(self.tokens.ids.tobytes() + self._cells.tobytes()).hexdigest()
        plan = {
            "model": self.model.card.name, "sha256": self.model.card.sha256, "task": self.task_name, "classes": self.classes,
            "adapt": self.adapt, "rank": self.rank, "seed": self._seed, "cells": cells,
        }  # fmt: skip
        path = folder / PLAN
        if path.is_file() and resume and (folder / "last.ckpt").is_file():
            there = json.loads(path.read_text(encoding="utf-8"))
            other = sorted(k for k in plan if there.get(k) != plan[k])
            if other:
                msg = f"{folder} holds a run that differs in {', '.join(other)}. Pass another folder=, or resume=False to overwrite it."
                raise InputValueError(msg)
        write_whole(path, lambda part: part.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8"))


def _codes(adata: "AnnData", labels_key: str | None) -> tuple[np.ndarray, list[str]]:
    if labels_key is None or labels_key not in adata.obs:
        there = ", ".join(map(printable, adata.obs.columns)) or "none"
        msg = f"task='classification' wants labels_key=, a column of obs; got {printable(labels_key)!r}, the columns are: {there}."
        raise MissingKeyError(msg)
    labels = pd.Categorical(adata.obs[labels_key].astype("object")).remove_unused_categories()
    if len(labels.categories) < 2:
        msg = f"obs[{labels_key!r}] has {len(labels.categories)} classes; at least 2 are wanted."
        raise LabelError(msg)
    return labels.codes.astype(np.int64), [str(c) for c in labels.categories]


def _lognorm(model: NetworkModel, adata: "AnnData", names: dict[str, Any]) -> sp.csr_array:
    """Return log-normalised expression over the vocabulary, CSR float32 (n_obs, n_vocabulary)."""
    expression = open_expression(adata, layer=names["layer"])
    found = model.match(expression, gene_key=names["gene_key"], organism=names["organism"])
    expression, found = of_one_organism(expression, found)
    parts = [sp.csr_array(block @ found.projection()) for _, block in expression.lognorm_rows()]
    return sp.csr_array(sp.vstack(parts, format="csr"), dtype=np.float32)


def _split(cells: np.ndarray, codes: np.ndarray | None, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a tenth of the cells for validation, of each class where there are classes; small classes keep all in training."""
    groups = [cells] if codes is None else [cells[codes[cells] == c] for c in np.unique(codes[cells])]
    held = [rng.permutation(g)[: len(g) // 10] for g in groups]
    validation = np.sort(np.concatenate(held))
    if len(validation) == 0:
        validation = np.sort(rng.permutation(cells)[: max(1, len(cells) // 10)])
    return np.setdiff1d(cells, validation), validation
