"""A foundation model tuned on the user's cells: classes, expression, or its own pretraining continued."""

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools import _choices
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._keys import SETUP_FINETUNER
from scgnn_tools._log import say
from scgnn_tools._modality import only_anndata
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools._write import as_path
from scgnn_tools.fm import NetworkModel
from scgnn_tools.nn.lora import add_lora
from scgnn_tools.store import digest
from scgnn_tools.train import saving, tasks
from scgnn_tools.train._inputs import classes_of, expression_of, split
from scgnn_tools.train._resume import weights_digest
from scgnn_tools.train.arguments import Checked, Devices, move, need_cells, need_training, several_devices
from scgnn_tools.train.plans import claim, model_parts
from scgnn_tools.train.recorded import is_recorded, recorded, set_up
from scgnn_tools.train.shown import trained

if TYPE_CHECKING:
    from anndata import AnnData

TaskName = Literal["classification", "expression", "masked"]
Adapt = Literal["lora", "full", "head"]
RANK = 8
"""Of the adapters, unasked."""


class FineTuner(Checked):
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
        Column of ``obs`` for "classification"; cells without a label, or with a word for none such as "Unknown", are left out.
    adapt
        "lora" trains low-rank adapters and the head, "full" every weight, "head" the head alone.
    rank
        Of the adapters.
    share
        Share of a cell's genes that are hidden, for "expression" and "masked"; None takes that of the published pretraining.
    layer, gene_key, organism
        As in :func:`scgnn_tools.tl.embed`. What is None here, and ``labels_key``, is as :meth:`setup_anndata` was told, if it was called.
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

    Examples
    --------
    A small network stands for published weights here, ``sgt.fm.load("scgpt", checkpoint=...)``:

    >>> sgt.models.CGC.setup_anndata(adata)
    >>> network = sgt.models.CGC(adata, dim=16, heads=2, hidden=16, n_layers=1, n_graph_layers=1, max_length=100).model
    >>> tuner = sgt.models.FineTuner(network, adata, labels_key="cell_type").train(max_epochs=1)
    >>> query.obs["predicted"] = tuner.predict(query).idxmax(axis=1)
    """

    def __init__(
        self,
        model: NetworkModel,
        adata: "AnnData",
        *,
        task: TaskName = "classification",
        labels_key: str | None = None,
        adapt: Adapt = "lora",
        rank: int = RANK,
        share: float | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        rng: RNG = 0,
    ) -> None:
        if isinstance(adata, NetworkModel) and not isinstance(model, NetworkModel):
            msg = "FineTuner takes the network first and then the cells: FineTuner(model, adata)."
            raise InputTypeError(msg)
        if not isinstance(model, NetworkModel):
            msg = f"Only networks are tuned; got {model!r}. Load one with sgt.fm.load('scgpt', checkpoint=…)."
            raise InputValueError(msg)
        adata = only_anndata(adata)
        self.adata: AnnData | None = adata
        _choices.choice("task", task, get_args(TaskName))
        _choices.choice("adapt", adapt, get_args(Adapt))
        if _choices.integer("rank", rank) != RANK and adapt != "lora":
            msg = f"rank= is of adapters, and adapt={adapt!r} has none. Leave it out, or pass adapt='lora'."
            raise InputValueError(msg)
        if task != "classification" and labels_key is not None:
            msg = f"labels_key= names classes, and task={task!r} learns none. Leave it out, or pass task='classification'."
            raise InputValueError(msg)
        if task == "classification" and share is not None:
            msg = "share= says how many genes are hidden, and task='classification' hides none. Leave it out."
            raise InputValueError(msg)
        if task == "masked" and adapt == "head":
            msg = "task='masked' has no head of its own. Pass adapt='lora' or 'full'."
            raise InputValueError(msg)
        told = recorded(adata, SETUP_FINETUNER, "FineTuner") if is_recorded(adata, SETUP_FINETUNER) else {}
        here = {"layer": layer, "gene_key": gene_key, "organism": organism}
        self._names: dict[str, Any] = {k: told.get(k) if v is None else v for k, v in here.items()}
        labels_key = told.get("labels_key") if labels_key is None else labels_key
        self._seed, self.task_name, self.adapt, self.rank = seed(rng), task, adapt, rank
        codes, self.classes = classes_of(adata, labels_key) if task == "classification" else (None, [])
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
        self.share: float = _choices.share("share", self.model.mask_share if share is None else share)
        self.task = self._build(adata, codes)
        self.history: pd.DataFrame | None = None

    def _build(self, adata: "AnnData", codes: np.ndarray | None) -> tasks.CellTask:
        with torch_random(self._seed):
            if codes is not None:
                some = np.random.default_rng(self._seed).permutation(self._cells)[: tasks.STANDARDISED]
                vectors = tasks.vectors_before(self.model, self.tokens, some)
                task: tasks.CellTask = tasks.ClassificationTask(vectors, codes, len(self.classes))
            elif self.task_name == "expression":
                width = self.model.masked_states(self.tokens.select(self._cells[:1]), np.array([1])).shape[1]
                task = tasks.ExpressionTask(width, expression_of(self.model, adata, self._names), self.share)
            else:
                task = tasks.MaskedTask(self.share)
            depth = self.model.default_layer if codes is not None else -1
            if self.adapt == "lora":
                add_lora(self.model.body(depth), rank=self.rank, alpha=2.0 * self.rank)
            elif self.adapt == "full":
                self.model.network.requires_grad_(True)
        return task.to(self.model.device)

    def __repr__(self) -> str:
        what = f"{len(self.classes)} classes" if self.classes else self.task_name
        state = "not trained" if self.history is None else f"{len(self.history)} epochs"
        return f"FineTuner({self.model.card.name}, {what}, {self.adapt}, {state})"

    def _repr_html_(self) -> str:
        return trained(self)

    @classmethod
    def setup_anndata(
        cls,
        adata: "AnnData",
        *,
        labels_key: str | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
    ) -> None:
        """Say where the expression, the names of the genes and the labels are; the constructor may be told instead.

        Parameters
        ----------
        adata
            Cells × genes, no view.
        labels_key, layer, gene_key, organism
            As in the class.

        Returns
        -------
        None. Sets the following field:

        ``adata.uns["sgt"]["setup_finetuner"]``
            dict of what was given.
        """
        columns = {"labels_key": labels_key}
        set_up(
            adata,
            SETUP_FINETUNER,
            layer=layer,
            gene_key=gene_key,
            columns=columns,
            every_feature=True,
            organism=organism,
        )

    @property
    def reading(self) -> dict[str, Any]:
        """How an object is read: ``layer``, ``gene_key`` and ``organism``."""
        return self._names

    def train(
        self,
        max_epochs: int = 20,
        *,
        accelerator: str = "auto",
        devices: Devices = "auto",
        early_stopping: bool = True,
        batch_size: int | None = None,
        resume: bool = True,
        folder: str | Path | None = None,
        patience: int = 3,
        lr: float | None = None,
        weight_decay: float = 0.01,
        warmup: int = 20,
        max_tokens: int | None = None,
    ) -> Self:
        """Train and keep the weights that validate best.

        Ctrl-C keeps the best weights so far: the model can be used and saved, and KeyboardInterrupt is raised again.

        Parameters
        ----------
        max_epochs
            Most epochs.
        accelerator
            "auto" trains where the model is; "cpu", "gpu" and "mps" move it.
        devices
            "auto", 1, or the number of a device in a list: one device trains. A number n above 1 trains on n GPUs, or processes on the CPU,
            as PyTorch's distributed data parallel does; it wants a ``folder``, and a step sees n batches. Each process runs the script.
        early_stopping
            Stop once ``patience`` epochs have passed without a better validation loss, and keep the best weights. False trains all
            epochs and keeps the last weights.
        batch_size
            Most cells of a batch; None limits its tokens alone.
        resume
            Go on from ``folder`` if a run of the same cells, labels, weights and settings was stopped there; one of others is an error
            that says what differs. False begins anew.
        folder
            Where the state is kept at the end of each epoch; None keeps none behind. A later call with the same folder goes on.
        patience
            See ``early_stopping``.
        lr
            Learning rate; None takes 1e-3 for adapters and heads, 1e-4 for "full".
        weight_decay, warmup
            Of AdamW; steps of linear growth of the learning rate.
        max_tokens
            Of a batch; None takes 2¹³ on a CPU and 2¹⁶ on a GPU.

        Returns
        -------
        Itself, trained.
        """
        from scgnn_tools.train.fitting import budget_of, fit_task

        if self.history is not None:
            msg = "It is trained already. Make a new FineTuner of tuner.model to train on."
            raise InputValueError(msg)
        device, count = several_devices("FineTuner", accelerator, devices, here=self.model.device)
        if count > 1 and folder is None:
            msg = f"devices={devices!r} wants a folder=, in which the processes find the weights that validate best."
            raise InputValueError(msg)
        move(self.model, device)
        self.task.to(self.model.device)
        how: dict[str, Any] = {
            "weight_decay": weight_decay, "warmup": warmup, "max_tokens": budget_of(self.model, max_tokens),
            "lr": lr or (1e-4 if self.adapt == "full" else 1e-3), "patience": patience if early_stopping else None,
            "max_cells": batch_size,
        }  # fmt: skip
        train, validation = split(self._cells, self.task.codes, np.random.default_rng(self._seed))
        at = None if folder is None else as_path("folder", folder)
        several = {"devices": count} if count > 1 else {}
        claim(at, lambda: self._plan(how | several, train, validation), resume=resume)
        self.history = fit_task(
            self.model,
            self.task,
            self.tokens,
            train,
            validation,
            max_epochs=max_epochs,
            folder=at,
            resume=resume,
            seed=self._seed,
            devices=count,
            **how,
        )
        best = self.history["validation"].min()
        say(
            f"finetune: {self.model.card.name}, {self.task_name}, {len(self.history)} epochs, best validation loss {best:.4g}"
        )
        if self.history.attrs["interrupted"]:
            raise KeyboardInterrupt
        return self

    def predict(self, adata: "AnnData | None" = None) -> "pd.DataFrame | sp.csr_array":
        """Predict for cells: others than those of training if given.

        Returns
        -------
        For "classification" a DataFrame of probabilities, cells × classes, NaN for a cell without a known gene. For "expression" the
        predicted log-normalised value of each expressed gene from the others, hiding a share of them at a time, CSR float32
        (n_obs, n_vocabulary); nothing for a cell without a known gene. A cell's answer depends on that cell alone.

        Raises
        ------
        InputValueError
            If it is not trained, or for "masked", which predicts nothing of its own.
        """
        if self.history is None or not self.task.predicts:
            msg = "Nothing to predict with: call train() first, with task='classification' or 'expression'."
            raise InputValueError(msg)
        adata = only_anndata(need_cells(adata, self.adata))
        tokens = self.model.tokenize(adata, **self._names)
        out = self.task.predict(self.model, tokens, self._seed)
        return pd.DataFrame(out, index=adata.obs_names, columns=self.classes) if self.classes else out

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the tuned network, the head and what was asked for, as safetensors and JSON, whole or not at all.

        Parameters
        ----------
        folder
            A new folder.
        overwrite
            Replace a folder that a save wrote.

        Raises
        ------
        InputValueError
            If it is not trained, or the folder is there and ``overwrite`` is not set.
        """
        saving.save(self, need_training(self, self.history), folder, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, adata: "AnnData | None" = None, *, device: str = "auto") -> Self:
        """Read what :meth:`save` wrote: it predicts, and its ``model`` embeds, as before.

        Parameters
        ----------
        folder
            What :meth:`save` wrote.
        adata
            Cells that :meth:`predict` takes without an argument; genes in any order.
        device
            Where to compute.

        Raises
        ------
        WeightsError
            If the folder is damaged or of another class.
        """
        out = cls.__new__(cls)
        saving.restore(out, folder, device)
        out.adata = None if adata is None else only_anndata(adata)
        return out

    def _plan(self, how: dict[str, Any], train: np.ndarray, validation: np.ndarray) -> dict[str, object]:
        """Return all that decides the training; how long it may take is no part of that."""
        task, t = self.task, self.tokens
        weights = {**self.model.network.state_dict(), **{f"head.{k}": v for k, v in task.state_dict().items()}}
        return {
            **model_parts(self.model), "task": self.task_name, "adapt": self.adapt, "rank": self.rank, "share": self.share,
            "rng": self._seed, "starting weights": weights_digest(weights), "cells": digest(t.ids, t.values, t.offsets, task.values),
            "labels": digest(task.codes, self.classes), "training and validation cells": digest(train, validation), **how,
        }  # fmt: skip
