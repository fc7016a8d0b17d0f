"""The base of models that label cells: scvi-tools' contract in front of an annotation method.

A subclass names its method and adds what is its own; ``ScGraPhT`` is twenty lines. The method (``labels.label_method(name)``) has, beside
``fit`` and ``scores`` of :class:`~scgnn_tools.labels.LabelMethod`:

- a constructor that takes ``max_epochs``, ``patience`` (None: no early stopping, the last weights are kept), ``device`` and
  ``checkpoint`` (a path, or None: where the state of training is kept and gone on from), beside its own options;
- ``history``: DataFrame, a row an epoch; ``interrupted``: whether Ctrl-C ended the training;
- ``represent(cells) -> float32 (n_cells, d)``: what the last layer sees;
- ``state() -> (tensors, config)``: arrays by name, and what JSON can hold; ``restore(tensors, config)``, on a new method made with the
  same options, gives back one that scores the same.

Everything about AnnData, genes in another order, splits, calibration and files is here, and scvi-tools is behind ``_scvi.py``.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch

from scgnn_tools._choices import number
from scgnn_tools._deprecated import renamed
from scgnn_tools._errors import InputValueError, LabelError
from scgnn_tools._log import printable, say
from scgnn_tools._random import RNG, seed
from scgnn_tools._threads import by_size
from scgnn_tools._write import as_path
from scgnn_tools.annotation.gene_graph import by_name
from scgnn_tools.fm import FoundationModel
from scgnn_tools.labels import Cells, label_method
from scgnn_tools.labels import train_size as _train_size
from scgnn_tools.labels.gene_graph import key_of
from scgnn_tools.labels.temperature import fit_temperature, log_proba
from scgnn_tools.models import _scvi
from scgnn_tools.models._files import reading, write_folder
from scgnn_tools.models._label_cells import Reader
from scgnn_tools.models._label_saving import model_of, options_of, tuners_of, words_of
from scgnn_tools.models._label_training import asked, split
from scgnn_tools.models._setup import ScviSetup
from scgnn_tools.train.arguments import (
    Devices,
    from_ckpt_path,
    need_cells,
    need_training,
    one_device,
    refuse_of_train,
    state_path,
)
from scgnn_tools.train.shown import trained

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


class CellLabelModel(ScviSetup):
    """A model that labels cells.

    Parameters
    ----------
    adata
        Cells × genes, after ``setup_anndata`` or ``setup_mudata``. It is read anew at each :meth:`train` and :meth:`predict`.
    use_rep
        Vectors of the cells in ``obsm``; None embeds with ``model``, without writing the vectors; the same cells once.
    model
        A loaded foundation model, or the name of a bundled one; None takes the best bundled one.
    rng
        Seed of the split and of training.
    options
        Of the method.

    Attributes
    ----------
    history
        DataFrame, a row an epoch; empty before :meth:`train`.
    classes
        The labels that it can give.
    """

    method: ClassVar[str]
    """Name of the method in the registry of annotation methods."""

    def __init__(
        self,
        adata: "AnnData | MuData",
        *,
        use_rep: str | None = None,
        model: FoundationModel | str | None = None,
        rng: RNG = 0,
        **options: Any,
    ) -> None:
        refuse_of_train(type(self).__name__, options)
        self._prepare(_scvi.find(adata, type(self).__name__), use_rep, model, rng, options)
        self._reader.check(adata)
        self.adata: AnnData | MuData | None = adata

    def _prepare(
        self,
        setup: _scvi.Setup,
        use_rep: str | None,
        model: FoundationModel | str | None,
        rng: RNG,
        options: dict[str, Any],
    ) -> None:
        if use_rep is not None and model is not None:
            msg = "Vectors are taken from obsm (use_rep=) or made by a foundation model (model=); pass one of the two."
            raise InputValueError(msg)
        label_method(self.method, **options)  # a wrong option is an error before any work
        self._reader = Reader(setup, use_rep, model)
        self._options, self._seed, self._temperature = options, seed(rng), 1.0
        self._fitted: Any = None
        self._held_out: tuple[Cells, np.ndarray] | None = None
        self._known = self.classes = np.array(setup.classes, dtype=object)
        self.history = pd.DataFrame()

    def __repr__(self) -> str:
        state = "not trained" if self._fitted is None else f"{len(self.history)} epochs"
        return f"{type(self).__name__}({len(self._reader.setup.genes):,} genes, {len(self.classes)} classes, {state})"

    def _repr_html_(self) -> str:
        return trained(self)

    @property
    def genes(self) -> list[str]:
        """The genes that were registered, in their order."""
        return list(self._reader.setup.genes)

    @renamed(ckpt_path=from_ckpt_path)
    @by_size
    def train(
        self,
        max_epochs: int | None = None,
        *,
        accelerator: str = "auto",
        devices: Devices = "auto",
        early_stopping: bool = True,
        batch_size: int | None = None,
        resume: bool = True,
        folder: str | Path | None = None,
        patience: int | None = None,
        train_size: float | None = None,
        transductive: bool = False,
    ) -> Self:
        """Train, and keep the weights that validate best.

        Ctrl-C keeps the best weights so far: the model can be used and saved, and KeyboardInterrupt is raised again.

        Parameters
        ----------
        max_epochs
            Most epochs; None takes the method's own.
        accelerator
            "auto", "cpu", "gpu" or "mps".
        devices
            "auto", 1, or the number of a device in a list: one device trains. Joint scGraPhT takes a number of GPUs, or of processes on the
            CPU: each runs the script, and a step sees ``batch_size`` cells on each.
        early_stopping
            Stop once ``patience`` epochs have passed without a better validation loss, and keep the best weights. False trains all
            epochs and keeps the last weights.
        batch_size
            Training cells of a step; None takes the method's own.
        resume
            Go on from the state in ``folder``, if there is one; a state of other cells, labels or settings is an error that says what
            differs. False begins anew.
        folder
            Where the state of training is kept; None keeps none behind.
        patience
            See ``early_stopping``. None is the method's own, which for the published protocols is to train all epochs.
        train_size
            Share of the labelled cells that train, of each class (and batch); the others validate. None is the protocol's: 0.85, and 0.9
            for the published ones.
        transductive
            Let the unlabelled cells of the object into training, without labels.

        Returns
        -------
        Itself, trained.

        Raises
        ------
        LabelError
            If fewer than two classes are labelled.
        """
        device, count = self._devices(accelerator, devices)
        checkpoint = state_path(folder, resume=resume)
        options = asked(
            self._options, max_epochs=max_epochs, batch_size=batch_size, early_stopping=early_stopping, patience=patience, devices=count
        )  # fmt: skip
        share = (
            _train_size(self.method, options)
            if train_size is None
            else number("train_size", train_size, above=0, most=1)
        )
        key = key_of(self._options)
        adata = need_cells(None, self.adata)
        known = None if key is None else self._reader.gene_graph(adata, key)
        _scvi.check_labels(self._reader.setup, adata)
        cells, codes, batch = self._reader.read(adata, keep=True)
        if known is not None:
            cells = replace(cells, gene_graph=by_name(*known, pd.Index(cells.genes)))
        labelled = np.flatnonzero(codes < len(self._known))
        present = np.unique(codes[labelled])
        if len(present) < 2:
            names = ", ".join(printable(c) for c in self._known[present]) or "no class"
            msg = f"{type(self).__name__} needs at least two labelled classes; obs[{self._reader.setup.labels_key!r}] holds {names}."
            raise LabelError(msg)
        classes, codes = self._known[present], np.searchsorted(present, codes)
        train, validation = split(labelled, codes, batch, classes, train_size=share, seed=self._seed)
        fitted: Any = label_method(self.method, **{**options, "device": str(device), "checkpoint": checkpoint})
        rest = cells.take(np.setdiff1d(np.arange(len(cells)), labelled)) if transductive else None
        held_out = cells.take(validation)
        fitted.fit(cells.take(train), codes[train], held_out, codes[validation], unlabeled=rest, rng=self._seed)
        temperature = fit_temperature(fitted.scores(held_out), codes[validation]) if len(validation) else 1.0
        # all at once, and last: a refused training changes nothing
        self._fitted, self.history, self.classes = fitted, fitted.history, classes
        self._held_out, self._temperature = (held_out, codes[validation]) if len(validation) else None, temperature
        say(f"{type(self).__name__}: {len(self.history)} epochs on {len(train):,} cells, {len(validation):,} validated")
        if fitted.interrupted:
            raise KeyboardInterrupt
        return self

    def _devices(self, accelerator: str, devices: Devices) -> tuple[torch.device, int]:
        """Return the device to train on, and how many."""
        return one_device(type(self).__name__, accelerator, devices), 1

    def predict(self, adata: "AnnData | MuData | None" = None, *, soft: bool = False) -> "np.ndarray | pd.DataFrame":
        """Return the label of each cell, object (n_obs,), or with ``soft`` a DataFrame of calibrated probabilities, cells × classes.

        Parameters
        ----------
        adata
            Other cells than those of training, which need no labels and whose genes may be in any order; None takes those of training.
            The object is not written to.
        soft
            Probabilities instead of labels.
        """
        fitted = self._trained()
        cells, names = self._ask(adata)
        proba = np.exp(log_proba(fitted.scores(cells), self._temperature))
        if soft:
            return pd.DataFrame(proba.astype(np.float32), index=names, columns=list(self.classes))
        return self.classes[proba.argmax(axis=1)]

    def get_latent_representation(self, adata: "AnnData | MuData | None" = None) -> np.ndarray:
        """Return what the last layer sees of each cell, float32 (n_obs, d)."""
        fitted = self._trained()
        return fitted.represent(self._ask(adata)[0])

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the trained model as safetensors and JSON, whole or not at all.

        Raises
        ------
        InputValueError
            If it is not trained, or the folder is there and ``overwrite`` is not set.
        """
        tensors, method = self._trained().state()
        about = {
            **words_of(self._reader, self._options),
            "classes": list(self.classes),
            "seed": self._seed,
            "temperature": self._temperature,
            "method": method,
            "history": self.history,
        }

        def beside(part: Path) -> None:
            for name, tuner in tuners_of(self._options).items():
                tuner.save(part / name)

        write_folder(folder, type(self).__name__, tensors, about, overwrite=overwrite, beside=beside)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        adata: "AnnData | MuData | None" = None,
        *,
        model: FoundationModel | None = None,
        device: str = "auto",
        **options: Any,
    ) -> Self:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        folder
            What :meth:`save` wrote.
        adata
            Cells that :meth:`predict` takes without an argument; genes in any order. It need not be set up, and is not written to.
        model
            The foundation model of the vectors, if it is no bundled one.
        device
            Where to compute.
        options
            Those that no file holds, functions among them, as they were when it was trained. A ``FineTuner`` is in the folder.

        Raises
        ------
        InputValueError
            If such an option is missing.
        WeightsError
            If the folder is damaged or of another class.
        GeneMatchError
            If ``adata`` has too few of the genes.
        """
        out, path = cls.__new__(cls), as_path("folder", folder)
        with reading(path, cls.__name__) as (tensors, about):
            options = options_of(path, about, options, device, who=f"{cls.__name__}.load()")
            out._prepare(
                _scvi.Setup(**about["setup"]), about["use_rep"], model_of(path, about, model), about["seed"], options
            )
            fitted: Any = label_method(cls.method, device=device, **options)
            fitted.restore(tensors, about["method"])
            out._fitted, out._temperature = fitted, float(about["temperature"])
            out.classes, out.history = np.array(about["classes"], dtype=object), about["history"]
            if len(out.classes) < 2 or not set(about["classes"]) <= set(out._reader.setup.classes):
                msg = "its classes are not among those that it was set up with"
                raise ValueError(msg)
        out.adata = adata
        if adata is not None:
            out._reader.read(adata, keep=True)
        return out

    def _parts(
        self, adata: "AnnData | MuData | None", scores_of: Callable[[Cells], dict[str, np.ndarray]]
    ) -> dict[str, pd.DataFrame]:
        """Return the probabilities that each part of the method gives alone, cells × classes."""
        cells, names = self._ask(adata)
        return {
            part: pd.DataFrame(np.exp(scores).astype(np.float32), index=names, columns=list(self.classes))
            for part, scores in scores_of(cells).items()
        }

    def _labelled(self, adata: "AnnData | MuData | None") -> tuple[Cells, np.ndarray]:
        """Return the cells whose label was trained on, and its position in ``classes``; of no object, those that validated."""
        if adata is None:
            if self._held_out is None:  # a model that was read does not know who validated
                msg = "No cell is known to have validated this model. Pass adata with labels in the column of setup_anndata."
                raise LabelError(msg)
            return self._held_out
        cells, codes, _ = self._reader.read(adata)
        names, at = self._known.astype(str), {str(c): i for i, c in enumerate(self.classes)}
        own = np.array([at.get(n, -1) for n in names] + [-1])[np.minimum(codes, len(names))]
        rows = np.flatnonzero(own >= 0)
        if not len(rows):
            msg = "There is no labelled cell to judge by. Pass adata with labels in the column of setup_anndata."
            raise LabelError(msg)
        return cells.take(rows), own[rows]

    def _trained(self) -> Any:
        return need_training(self, self._fitted)

    def _ask(self, adata: "AnnData | MuData | None") -> tuple[Cells, pd.Index]:
        asked = need_cells(adata, self.adata)
        return self._reader.read(asked, keep=asked is self.adata)[0], self._reader.names(asked)
