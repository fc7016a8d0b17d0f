"""``models.Perturb``: perturbations of cells as an object: fitted once, it gives changes and cells."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import integer, sequence
from scgnn_tools._columns import column_of
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputTypeError, InputValueError, warn
from scgnn_tools._html import boxed
from scgnn_tools._keys import SETUP_PERTURB
from scgnn_tools._log import printable
from scgnn_tools._methods import check_options
from scgnn_tools._modality import modality, only_anndata
from scgnn_tools._random import RNG, seed
from scgnn_tools.data.conditions import condition_name, find_control
from scgnn_tools.perturbation import METHODS
from scgnn_tools.perturbation.cells import drawn_controls, predicted_cells
from scgnn_tools.perturbation.collect import collect
from scgnn_tools.perturbation.run import check, predict, unrelated
from scgnn_tools.perturbation.said import warn_unknown
from scgnn_tools.train.arguments import MOVED, Checked, Devices, need_training, one_device, refuse_of_train
from scgnn_tools.train.recorded import recorded, set_up

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.fm import FoundationModel
    from scgnn_tools.perturbation import PerturbationMethod
    from scgnn_tools.perturbation.flagged import FlaggedNetwork


OF_SETUP = ("perturbation_key", "control", "batch_key", "cell_type_key", "dose_key", "layer", "gene_key")
"""What :meth:`Perturb.setup_anndata` is told."""
TAKEN_BEFORE = (*MOVED, "device", "folder", "resume")
"""What the constructor took in the release before, and :meth:`Perturb.train` takes now."""

F = TypeVar("F", bound=Callable[..., None])


def _set_up(init: F) -> F:
    """Give a constructor what the object was set up with; that of the release before was told so itself, by place or by name."""

    @wraps(init)
    def call(self: "Perturb", adata: "AnnData", *places: Any, **given: Any) -> None:
        if len(places) > 2:
            msg = f"Perturb takes adata by place and the others by name; got {len(places)} more places."
            raise InputTypeError(msg)
        by_place = dict(zip(("perturbation_key", "query"), places, strict=False))
        if len(by_place) == 1 and "query" not in given:
            msg = f"Perturb takes adata by place and the others by name. Pass query={printable(repr(places[0]))}."
            raise InputTypeError(msg)
        for twice in (k for k in by_place if k in given):
            msg = f"Perturb got {twice}= by place, {printable(repr(by_place[twice]))}, and by name. Pass it once, by name."
            raise InputTypeError(msg)
        given |= by_place
        said = {k: given.pop(k) for k in OF_SETUP if k in given}
        names = ", ".join(f"{k}={printable(repr(v))}" for k, v in said.items())
        if said and "perturbation_key" not in said:
            msg = f"Perturb is told {names} before: pass it to sgt.models.Perturb.setup_anndata()."
            raise InputValueError(msg)
        if said:
            msg = (
                "Perturb(adata, perturbation_key, query) goes in the next release; call "
                f"sgt.models.Perturb.setup_anndata(adata, {names}), and then Perturb(adata, query=…)."
            )
            warn(msg, FutureWarning)
        self._setup = said or recorded(adata, SETUP_PERTURB, "Perturb")
        init(self, adata, **given)

    return call  # type: ignore[return-value]


class Perturb(Checked):
    """A screen and a method that learns from it, for who wants predicted cells.

    :func:`scgnn_tools.tl.perturb` scores the same methods on held-out perturbations; look at that first.

    Parameters
    ----------
    adata
        Cells × genes, perturbed cells and control cells, after :meth:`setup_anndata`.
    query
        What to predict: names of genes, or "A+B".
    method, model, features, n_genes, rng
        As in :func:`scgnn_tools.tl.perturb`.
    options
        Of the method, but for those that :meth:`train` takes.

    Attributes
    ----------
    history
        Losses by epoch, of a network.

    Examples
    --------
    >>> sgt.models.Perturb.setup_anndata(adata, perturbation_key="guide")
    >>> screen = sgt.models.Perturb(adata, query=["JUN"], n_genes=200).train()
    >>> screen.predict(n_cells=20).shape
    (20, 201)
    """

    _setup: dict[str, Any]

    @_set_up
    def __init__(
        self,
        adata: "AnnData",
        *,
        query: "str | Sequence[Any] | None" = None,
        method: str = "kernel",
        model: "str | FoundationModel | None" = None,
        features: "str | Sequence[str] | pd.DataFrame" = "go",
        n_genes: int | None = None,
        rng: RNG = 0,
        **options: Any,
    ) -> None:
        adata = modality(only_anndata(adata))
        query = [] if query is None else sequence("query", query)
        if not query:
            msg = "query= names no perturbation to predict. Pass genes, or combinations such as 'A+B'."
            raise InputValueError(msg)
        refuse_of_train("Perturb", {k: v for k, v in options.items() if k != "checkpoint"}, moved=TAKEN_BEFORE)
        self._device = resolve_device(options["device"]) if "device" in options else None
        self._make: Any = check(method, options, model=model, features=features)
        how = {"dose_key": None, "gene_key": None, **self._setup}
        self._cells, self._query, self._relations = collect(
            adata, query=query, features=features, n_genes=n_genes, model=model, **how
        )
        self.method, self.perturbation_key, self._rng = method, self._setup["perturbation_key"], seed(rng)
        self.history: pd.DataFrame | None = None
        self._fitted: PerturbationMethod | None = None
        self._changes: pd.DataFrame | None = None

    @classmethod
    def setup_anndata(
        cls,
        adata: "AnnData",
        *,
        perturbation_key: str,
        control: str = "auto",
        batch_key: str | None = None,
        cell_type_key: str | None = None,
        dose_key: str | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
    ) -> None:
        """Say what was done to each cell, and where the expression and the names of the genes are.

        Parameters
        ----------
        adata
            Cells × genes, no view.
        perturbation_key, control, batch_key, cell_type_key, dose_key, layer, gene_key
            As in :func:`scgnn_tools.tl.perturb`.

        Returns
        -------
        None. Sets the following field:

        ``adata.uns["sgt"]["setup_perturb"]``
            dict of what was given.
        """
        conditions = column_of(only_anndata(adata).obs, perturbation_key, "perturbation_key")
        if control != "auto":
            find_control(conditions.dropna(), control)
        columns = {"batch_key": batch_key, "cell_type_key": cell_type_key, "dose_key": dose_key}
        told: dict[str, Any] = {"perturbation_key": perturbation_key, "control": control}
        set_up(adata, SETUP_PERTURB, layer=layer, gene_key=gene_key, columns=columns, **told)

    def __repr__(self) -> str:
        n = len(self._cells.conditions)
        return f"Perturb({self.method}, {n:,} conditions seen, {len(self._query):,} asked for{'' if self._fitted else ', not trained'})"

    def _repr_html_(self) -> str:
        facts = {"method": self.method, "conditions seen": len(self._cells.conditions), "genes": len(self._cells.genes)}
        facts["asked for"] = ", ".join(condition_name(c) for c in self._query[:10])
        return boxed("Perturb", facts | ({} if self._fitted else {"trained": "not yet: train()"}))

    @property
    def changes(self) -> pd.DataFrame:
        """Predicted change of the mean log value, a row a condition of the query."""
        self._trained()
        return cast("pd.DataFrame", self._changes)

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
    ) -> Self:
        """Learn from all perturbed cells.

        What a method has no use for is an error that says what it takes: only networks have epochs, batches and a folder.

        Parameters
        ----------
        max_epochs
            Most epochs; None takes the method's own.
        accelerator
            "auto", "cpu", "gpu" or "mps".
        devices
            "auto", 1, or the number of a device in a list: one device trains.
        early_stopping
            Networks stop once ``patience`` epochs have passed without a better loss on conditions held back: False is an error.
        batch_size
            Most cells of a step; None takes the method's own.
        resume
            Go on from ``folder`` if a run of the same cells, weights and settings was stopped there. False begins anew.
        folder
            Where the state is kept at the end of each epoch; None keeps none behind.
        patience
            See ``early_stopping``; None takes the method's own.

        Returns
        -------
        Itself, trained.
        """
        device = one_device("Perturb", accelerator, devices, here=self._device)
        given = {"max_epochs": max_epochs, "batch_size": batch_size, "patience": patience, "folder": folder}
        given["resume"] = None if resume else False
        how = self._own({k: v for k, v in given.items() if v is not None}, early_stopping=early_stopping)
        make = partial(self._make, device=str(device), **how)
        change, self._fitted = predict(self._cells, make, self._relations, self._query, rng=self._rng)
        warn_unknown(self._cells, self._relations, self._query, unrelated(self.method, self._fitted, self._query))
        names = [condition_name(c) for c in self._query]
        self._changes = pd.DataFrame(change.astype(np.float32), index=names, columns=self._cells.genes)
        self.history = self._fitted.history
        return self

    def _own(self, given: dict[str, Any], *, early_stopping: bool) -> dict[str, Any]:
        """Return what ``train`` was given in the words of the method; what it has no use for is an error."""
        takes = inspect.signature(METHODS[self.method].load()).parameters
        words = {w: w for w in ("max_epochs", "batch_size", "patience", "folder", "resume") if w in takes}
        if "max_cells" in takes:
            words["batch_size"] = "max_cells"
        check_options(f"Perturb.train() with method={self.method!r}", given, ["accelerator", "devices", *words])
        if not early_stopping:
            msg = f"{self.method} has no early_stopping=False: networks stop early, and other methods have no epochs. Leave it out."
            raise InputValueError(msg)
        return {words[name]: value for name, value in given.items()}

    def predict(self, *, n_cells: int = 200) -> "AnnData":
        """Return perturbed cells: for each condition of the query control cells, and what the method makes of them.

        Parameters
        ----------
        n_cells
            Of each condition, at most: no control cell is taken twice.

        Returns
        -------
        AnnData
            ``X`` is log-normalised as the screen was read, CSR float32; none is below 0. ``obs[perturbation_key]`` names the condition.
            Only networks change each cell in its own way; other methods move all alike. The screen itself stays as it is.
        """
        import anndata as ad

        fitted, n = self._trained(), integer("n_cells", n_cells)
        controls = sp.csr_array(self._cells.expression[drawn_controls(self._cells, n, self._rng)])
        made = [sp.csr_matrix(predicted_cells(self.method, fitted, c, controls)) for c in self._query]
        names = np.repeat([condition_name(c) for c in self._query], controls.shape[0])
        obs = pd.DataFrame({self.perturbation_key: pd.Categorical(names)})
        obs.index = pd.Index([f"predicted_{i}" for i in range(len(obs))], dtype=object)
        return ad.AnnData(sp.vstack(made, format="csr"), obs=obs, var=pd.DataFrame(index=pd.Index(self._cells.genes)))

    def save_network(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the tuned network with what a flag means to it, for ``checkpoint=``; only "cgc" and "scgpt" have one.

        Parameters
        ----------
        folder
            A new folder.
        overwrite
            Replace a folder that a save wrote.
        """
        fitted = self._trained()
        if not METHODS[self.method].gives_cells:
            msg = f"{self.method} is no network of cells; there is nothing to save. Keep its predictions: changes."
            raise InputValueError(msg)
        cast("FlaggedNetwork", fitted).save_network(folder, overwrite=overwrite)

    def _trained(self) -> "PerturbationMethod":
        return need_training(self, self._fitted)
