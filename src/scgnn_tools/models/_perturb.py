"""``models.Perturb``: perturbations of cells as an object: fitted once, it gives changes and cells."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import integer
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._html import boxed
from scgnn_tools._modality import modality, only_anndata
from scgnn_tools._random import RNG, seed
from scgnn_tools.data.conditions import condition_name
from scgnn_tools.perturbation import METHODS
from scgnn_tools.perturbation.cells import drawn_controls, predicted_cells
from scgnn_tools.perturbation.collect import collect
from scgnn_tools.perturbation.run import check, predict

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.fm import FoundationModel
    from scgnn_tools.perturbation import PerturbationMethod
    from scgnn_tools.perturbation.flagged import FlaggedNetwork


class Perturb:
    """A screen and a method that learns from it, for who wants predicted cells.

    :func:`scgnn_tools.tl.perturb` scores the same methods on held-out perturbations; look at that first.

    Parameters
    ----------
    adata, perturbation_key, query
        As in :func:`scgnn_tools.tl.perturb`: the screen, its column, and what to predict.
    control, method, batch_key, cell_type_key, dose_key, layer, gene_key, model, features, n_genes, max_epochs, rng, device, options
        The same.

    Attributes
    ----------
    history
        Losses by epoch, of a network.

    Examples
    --------
    >>> screen = sgt.models.Perturb(adata, "guide", ["JUN"], n_genes=200)
    >>> screen.train()
    >>> screen.predict(n_cells=20).shape
    (20, 201)
    """

    @door
    def __init__(
        self,
        adata: "AnnData",
        perturbation_key: str,
        query: "str | Sequence[Any]",
        *,
        control: str = "auto",
        method: str = "kernel",
        batch_key: str | None = None,
        cell_type_key: str | None = None,
        dose_key: str | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
        model: "str | FoundationModel | None" = None,
        features: "str | Sequence[str] | pd.DataFrame" = "go",
        n_genes: int | None = None,
        max_epochs: int | None = None,
        rng: RNG = 0,
        device: str = "auto",
        **options: Any,
    ) -> None:
        adata = modality(only_anndata(adata))
        if query is None or not len(query):
            msg = "query= names no perturbation to predict. Pass genes, or combinations such as 'A+B'."
            raise InputValueError(msg)
        self._make = check(
            method, {**options, "device": device, "max_epochs": max_epochs}, model=model, features=features
        )
        self._cells, self._query, self._relations = collect(
            adata,
            perturbation_key,
            query,
            features=features,
            control=control,
            batch_key=batch_key,
            cell_type_key=cell_type_key,
            dose_key=dose_key,
            layer=layer,
            gene_key=gene_key,
            n_genes=n_genes,
            model=model,
        )
        self.method, self.perturbation_key, self._rng = method, perturbation_key, seed(rng)
        self.history: pd.DataFrame | None = None
        self._fitted: PerturbationMethod | None = None
        self._changes: pd.DataFrame | None = None

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

    def train(self) -> None:
        """Learn from all perturbed cells."""
        change, self._fitted = predict(self._cells, self._make, self._relations, self._query, rng=self._rng)
        names = [condition_name(c) for c in self._query]
        self._changes = pd.DataFrame(change.astype(np.float32), index=names, columns=self._cells.genes)
        self.history = self._fitted.history

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
        if self._fitted is None:
            msg = "Not trained yet: call train() first."
            raise InputValueError(msg)
        return self._fitted
