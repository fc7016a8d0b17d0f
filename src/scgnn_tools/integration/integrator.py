"""A fitted integration, kept: new cells are mapped into its space, each by itself, without another training."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from scgnn_tools._choices import listed
from scgnn_tools._columns import column_of
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError, SgtError, WeightsError
from scgnn_tools._fields import check_own, check_writable, write
from scgnn_tools._html import boxed
from scgnn_tools._keys import INTEGRATED, IntegrationKeys
from scgnn_tools._log import as_text, printable, say
from scgnn_tools._modality import modality, only_anndata
from scgnn_tools._names import check_key
from scgnn_tools._random import RNG
from scgnn_tools._write import as_path
from scgnn_tools.fm import saves
from scgnn_tools.integration._protocol import Batches, IntegrationMethod
from scgnn_tools.integration._registry import METHODS, entry, integration_method
from scgnn_tools.integration.inputs import batch_column, collect, label_column, new_cells, representation
from scgnn_tools.integration.run import check, fit
from scgnn_tools.integration.streamed_pca import StreamedPCA

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.integration.tuned import TunedNetwork

UNSAVED = ("model", "checkpoint", "folder", "resume")
"""Options of a network that is tuned which say where it came from, and nothing of what it is."""

SPACE, METHOD, NETWORK = "space.", "method.", "network"

FORMAT = 1
"""Of the folder; one that a later version writes in another way is refused by name."""


class Integrator:
    """An integration that new cells can be mapped into: ``Integrator.fit(atlas, "batch").map_query(new)``.

    Only methods whose vector of a cell depends on that cell alone can do so; :meth:`fit` refuses the others.

    Attributes
    ----------
    vectors
        Of the cells that it was fitted on, float32 (n_cells, d); None after :meth:`load`.

    Examples
    --------
    >>> atlas = sgt.integration.Integrator.fit(adata, "batch", method="center")
    >>> query.obs["batch"] = "b0"
    >>> atlas.map_query(query, "batch")
    >>> query.obsm["X_sgt_integrated"].shape
    (53, 50)
    >>> atlas.save("atlas")
    >>> atlas = sgt.integration.Integrator.load("atlas")
    """

    def __init__(
        self,
        method: IntegrationMethod,
        space: StreamedPCA,
        batches: np.ndarray,
        about: dict[str, Any],
        vectors: np.ndarray | None = None,
    ) -> None:
        self.method, self.space, self.batches, self.about, self.vectors = method, space, batches, about, vectors

    def __repr__(self) -> str:
        rep = self.about["use_rep"]
        on = f"on obsm[{rep!r}]" if rep else f"{len(self.space.genes):,} genes"
        return f"Integrator({self.about['method']}, {on}, {len(self.batches):,} batches of {self.about['batch_key']!r})"

    def _repr_html_(self) -> str:
        rep, vectors = self.about["use_rep"], self.vectors
        facts: dict[str, Any] = {"corrects": f"obsm[{rep!r}]"} if rep else {"genes": len(self.space.genes)}
        facts |= {"batches": len(self.batches), "batch_key": self.about["batch_key"]}
        if vectors is not None:
            facts |= {"cells of the fit": len(vectors), "dimension": vectors.shape[1]}
        facts["maps new cells"] = "map_query(adata, batch_key)"
        folded = {
            "batches": {i + 1: name for i, name in enumerate(self.batches[:50])},
            "options": self.about["options"],
        }
        return boxed(f"Integrator: {self.about['method']}", facts, {k: v for k, v in folded.items() if v})

    @classmethod
    @door
    def fit(
        cls,
        adata: "AnnData",
        batch_key: str,
        *,
        method: str = "scvi",
        labels_key: str | None = None,
        use_rep: str | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
        n_comps: int = 50,
        n_top_genes: int = 2000,
        max_epochs: int | None = None,
        rng: RNG = 0,
        device: str = "auto",
        **options: Any,
    ) -> "Integrator":
        """Fit a method; the parameters are those of :func:`scgnn_tools.tl.integrate`."""
        adata = modality(only_anndata(adata))
        if not entry(method).inductive:
            able = ", ".join(n for n, e in METHODS.items() if e.inductive)
            msg = f"{method} cannot map cells that it was not fitted on; these can: {able}. Or call tl.integrate on all cells together."
            raise InputValueError(msg)
        made = check(
            method,
            adata.n_obs,
            labels=labels_key is not None,
            options={**options, "device": device, "max_epochs": max_epochs},
            use_rep=use_rep,
        )
        batch = batch_column(adata, batch_key)
        labels = None if labels_key is None else label_column(adata, labels_key)
        inputs = collect(
            adata,
            batch,
            use_rep=use_rep,
            layer=layer,
            gene_key=gene_key,
            n_comps=n_comps,
            n_top_genes=n_top_genes,
            expression=entry(method).needs != "vectors",
        )
        _check_unique(inputs.space.genes)
        labels = None if labels is None else labels.as_met(inputs.order)
        vectors = fit(made, method, inputs.cells, labels, inputs.order, rng)
        options = {k: v for k, v in options.items() if not (entry(method).network and k in UNSAVED)}
        about = {"method": method, "options": options, "use_rep": use_rep or "", "batch_key": batch_key}
        about |= {"width": inputs.cells.vectors.shape[1]} if use_rep else {}
        return cls(made, inputs.space, inputs.batch.names, about, vectors)

    @door
    def transform(
        self,
        adata: "AnnData",
        batch_key: str | None = None,
        *,
        layer: str | None = None,
        gene_key: str | None = None,
    ) -> np.ndarray:
        """Return vectors of new cells in the space of the fit, float32 (n_cells, d).

        Parameters
        ----------
        adata
            New cells; genes of the fit that they lack count as not expressed.
        batch_key
            Column of ``obs`` that says of which batch they are (1.0 is 1); None, and names that the fit did not see, are a new batch; a
            line says which these are.
        layer, gene_key
            As in :func:`scgnn_tools.tl.embed`.
        """
        adata = modality(only_anndata(adata))
        codes = np.full(adata.n_obs, -1, dtype=np.int64)
        if batch_key is not None:
            values = as_text(column_of(adata.obs, batch_key, "batch_key"))
            codes = self._codes(values)
            new = np.unique(values[codes < 0])
            if len(new):
                say(f"{len(new):,} batch{'es' if len(new) > 1 else ''} that the fit did not see: {listed(new)}")
        rep = self.about["use_rep"]
        if rep:
            vectors = representation(adata, rep)
            if vectors.shape[1] != (width := self.about.get("width", vectors.shape[1])):
                msg = (
                    f"obsm[{printable(rep)!r}] has {vectors.shape[1]} columns, and that of the fit had {width}. "
                    "Make it as it was made there."
                )
                raise InputValueError(msg)
            return self.method.transform(Batches(vectors, codes))
        found = new_cells(adata, self.space.genes, layer=layer, gene_key=gene_key)
        if entry(self.about["method"]).needs == "vectors":
            return self.method.transform(Batches(self.space.project(found.rows()), codes))
        expression = found.stacked()
        nothing = np.zeros((adata.n_obs, 0), dtype=np.float32)
        totals = found.expression.cell_totals()
        return self.method.transform(Batches(nothing, codes, expression, self.space.genes, totals))

    def _codes(self, values: np.ndarray) -> np.ndarray:
        """Return the batch of each cell, -1 for one that the fit did not see; 1 and 1.0 are one if the fit had one of them."""
        names = self.batches.tolist()
        code = {_whole(n): i for i, n in enumerate(names)} | {n: i for i, n in enumerate(names)}
        which, seen = pd.factorize(values)
        return np.array([code.get(v, code.get(_whole(v), -1)) for v in seen], dtype=np.int64)[which]

    @door
    def map_query(
        self,
        adata: "AnnData",
        batch_key: str | None = None,
        *,
        layer: str | None = None,
        gene_key: str | None = None,
        key_added: str = INTEGRATED,
        copy: bool = False,
    ) -> "AnnData | None":
        """Write the vectors of new cells: ``obsm[f"X_{key}"]`` float32 (n_obs, d), ``uns[key]["params"]``.

        Parameters
        ----------
        adata, batch_key, layer, gene_key
            As in :meth:`transform`.
        key_added
            Name of the result.
        copy
            Return a changed copy and leave ``adata`` as it is.
        """
        check_writable(adata, copy=copy)
        keys = IntegrationKeys(check_key(key_added))
        check_own(adata, keys)
        vectors = self.transform(adata, batch_key, layer=layer, gene_key=gene_key)
        params = {"method": self.about["method"], "batch_key": batch_key or "", "transductive": False}
        changed = write(adata, {"obsm": {keys.obsm: vectors}, "uns": {keys.uns: {"params": params}}}, copy=copy)
        say(f"map_query: {self.about['method']}, {len(vectors):,} new cells -> obsm['{keys.obsm}']")
        return changed  # type: ignore[return-value]

    @door
    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write a folder of safetensors and JSON under one seal, whole or not at all.

        Parameters
        ----------
        folder
            Where.
        overwrite
            Replace what an earlier save wrote there.

        Raises
        ------
        InputValueError
            If the folder is there and ``overwrite`` is not set.
        """
        arrays = {SPACE + "mean": self.space.mean, SPACE + "axes": self.space.axes}
        arrays |= {METHOD + k: np.asarray(v) for k, v in self.method.state().items()}  # type: ignore[attr-defined]
        shapes = {k: list(v.shape) for k, v in arrays.items()}
        about = {
            **self.about,
            "format": FORMAT,
            "genes": self.space.genes.tolist(),
            "batches": self.batches.tolist(),
            "shapes": shapes,
        }
        if entry(self.about["method"]).network:
            beside = cast("TunedNetwork", self.method).save_network
            saves.save(folder, arrays, about, beside=lambda part: beside(part / NETWORK), overwrite=overwrite)
        else:
            saves.save(folder, arrays, about, overwrite=overwrite)

    @classmethod
    @door
    def load(cls, folder: str | Path, *, device: str = "auto") -> "Integrator":
        """Read what :meth:`save` wrote.

        Raises
        ------
        WeightsError
            If a file is missing or damaged, or of something else.
        """
        folder = as_path("folder", folder)
        about = saves.read_raw(folder)
        if about.get("format", FORMAT) != FORMAT:
            msg = (
                f"{folder} was written by another version of scgnn_tools (format {printable(about['format'])}; this one reads {FORMAT}). "
                "Fit it again: Integrator.fit(adata, batch_key).save(folder, overwrite=True)."
            )
            raise WeightsError(msg)
        try:
            _check_about(about)
            arrays, about = saves.load(folder, {k: tuple(v) for k, v in about["shapes"].items()})
            names, batches, _ = about.pop("genes"), about.pop("batches"), about.pop("format", FORMAT)
            space = StreamedPCA(np.array(names, dtype=object))
            space.mean, space.axes = arrays[SPACE + "mean"], arrays[SPACE + "axes"]
            options = dict(about["options"])
            if entry(about["method"]).network:
                options |= {"checkpoint": folder / NETWORK}
            made = integration_method(about["method"], **options, device=device)
            made.restore({k.removeprefix(METHOD): v for k, v in arrays.items() if k.startswith(METHOD)})  # type: ignore[attr-defined]
        except SgtError:
            raise
        except (ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
            msg = f"{folder} holds no integration that Integrator.save wrote ({type(error).__name__}: {printable(error)})."
            raise WeightsError(msg) from error
        return cls(made, space, np.array(batches, dtype=object), about)


def _whole(name: str) -> str:
    """Return a number without fraction as a whole one: a column of numbers in which a cell lacks its own holds 1.0 for 1."""
    return re.sub(r"^(-?\d+)\.0$", r"\1", name)


def _check_unique(genes: np.ndarray) -> None:
    """Refuse genes of one name: which of them a gene of new cells is could not be told."""
    names, counts = np.unique(genes.astype(str), return_counts=True)
    if (counts > 1).any():
        twice = [printable(x) for x in names[counts > 1][:3]]
        msg = (
            f"{int((counts > 1).sum())} of the variable genes have a name that another has too ({', '.join(twice)}): new cells could not "
            "be mapped by it. Call adata.var_names_make_unique(), or pass gene_key= with a column of unique names."
        )
        raise InputValueError(msg)


def _check_about(about: dict[str, Any]) -> None:
    """Refuse a description of other types than :meth:`Integrator.save` writes; as any that lacks an entry, it is said where it is read."""
    lists = [about["genes"], about["batches"]]
    if not all(isinstance(x, list) and x and all(isinstance(v, str) for v in x) for x in lists):
        msg = "genes and batches are lists of names"
        raise TypeError(msg)
    if len(about["genes"]) != about["shapes"][SPACE + "mean"][0] or not isinstance(about["use_rep"], str):
        msg = "the genes are not those of the components, or use_rep is no text"
        raise ValueError(msg)
