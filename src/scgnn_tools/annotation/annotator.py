"""A trained annotator, kept: one training labels many queries."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scgnn_tools import fm
from scgnn_tools._choices import choice, integer, sequence
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._fields import check_own, check_writable
from scgnn_tools._html import boxed
from scgnn_tools._keys import LABEL, UNKNOWN, LabelKeys
from scgnn_tools._log import say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._names import check_key
from scgnn_tools._random import RNG
from scgnn_tools._write import as_path
from scgnn_tools.annotation import kept
from scgnn_tools.annotation.inputs import open_query
from scgnn_tools.annotation.known import KnownCells
from scgnn_tools.annotation.labeller import Labeller
from scgnn_tools.annotation.majority import given_clusters
from scgnn_tools.annotation.markers import markers_of
from scgnn_tools.annotation.matching import fit_for, trained
from scgnn_tools.annotation.settings import Above, AnnotationSettings, settings_of
from scgnn_tools.annotation.sources import Reference, gather, is_bundled
from scgnn_tools.annotation.stored import check_stored, label_to_store
from scgnn_tools.annotation.writing import finish
from scgnn_tools.data.readers import open_cells, read_cells
from scgnn_tools.store import place_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


class Annotator:
    """A method trained on a reference: ``Annotator.fit(atlas, "cell_type").save("atlas")``, ``Annotator.load("atlas").annotate(query)``.

    It keeps the counts of its reference for two reasons. A query that lacks genes gets a model of the genes that both
    sides have. And query cells that the reference also holds can be left out of it.

    Attributes
    ----------
    known
        The labelled cells.
    settings
        How it was trained.
    labeller
        The trained method, over all genes of the reference, and in ``labeller.report`` its ``evaluation``, ``verdict``, ``confusion`` and
        ``conformal``; None if it is trained for each query.
    name
        What the reference is called in lines and records.

    Examples
    --------
    >>> atlas = sgt.annotation.Annotator.fit(adata, "cell_type", method="logreg_pca")
    >>> atlas.annotate(query)
    >>> query.obs["sgt_label"].shape
    (53,)
    >>> atlas.evaluation.index.tolist()
    ['logreg_pca', 'centroid', 'knn_pca']
    >>> atlas.save("atlas")
    >>> atlas = sgt.annotation.Annotator.load("atlas")
    """

    def __init__(
        self, known: KnownCells, settings: AnnotationSettings, name: str, labeller: Labeller | None = None
    ) -> None:
        self.known, self.settings, self.name, self.labeller = known, settings, name, labeller

    def __repr__(self) -> str:
        n = len(np.unique(self.known.labels))
        return f"Annotator({self.settings.method}, {len(self.known):,} cells, {len(self.known.genes):,} genes, {n} classes)"

    def _repr_html_(self) -> str:
        names, sizes = np.unique(self.known.labels, return_counts=True)
        facts = {
            "reference": self.name,
            "cells": len(self.known),
            "genes": len(self.known.genes),
            "classes": len(names),
        }
        folded: dict[str, Any] = {"cells of each class": dict(zip(names, sizes.tolist(), strict=True))}
        if self.evaluation is not None:
            facts["on held-out cells"] = self.verdict
            folded["evaluation"] = self.evaluation.round(4)
        return boxed(f"Annotator: {self.settings.method}", facts, folded)

    @property
    def evaluation(self) -> pd.DataFrame | None:
        """The method and its baselines on held-out cells of the reference, a row each; None if it is trained for each query."""
        return None if self.labeller is None else self.labeller.report.evaluation

    @property
    def verdict(self) -> str:
        """The method against its best baseline, in words; "" if it is trained for each query."""
        return "" if self.labeller is None else self.labeller.report.verdict

    @classmethod
    @door
    def fit(
        cls,
        reference: Reference = None,
        labels_key: str | None = None,
        *,
        method: str = "auto",
        batch_key: str | None = None,
        donor_key: str | None = None,
        use_rep: str | None = None,
        layer: str | None = None,
        gene_key: str | None = None,
        unlabeled_category: str = UNKNOWN,
        unknown: Literal["auto", "cell"] | None = "auto",
        coverage: float | None = 0.9,
        conformal: Literal["marginal", "class"] = "marginal",
        hierarchy: Above = "auto",
        min_confidence: float = 0.8,
        mod: str = RNA,
        rng: RNG = 0,
        device: str = "auto",
        **options: Any,
    ) -> "Annotator":
        """Train a method on labelled cells; the parameters are those of :func:`scgnn_tools.tl.annotate`.

        Raises
        ------
        InputValueError
            If the method cannot be kept: it learns from the cells to label, or has nothing that a file could hold.
        """
        kept.check_method(method)
        for member in sequence("members", options.get("members", ())):
            kept.check_method(member, "The member ")
        settings = settings_of(
            method=method,
            options=options,
            unknown=unknown,
            coverage=coverage,
            conformal=conformal,
            hierarchy=hierarchy,
            min_confidence=min_confidence,
            use_rep=use_rep,
            rng=rng,
            device=device,
            bundled=is_bundled(reference),
        )
        model = fm.load(fm.best_bundled())
        known, name = gather(
            reference,
            labels_key,
            model,
            unlabeled_category=unlabeled_category,
            mod=mod,
            batch_key=batch_key,
            donor_key=donor_key,
            use_rep=use_rep,
            layer=layer,
            gene_key=gene_key,
            gene_graph=settings.gene_graph,
        )
        labeller = trained(known, known.genes, settings, model)
        say(f"annotator: {method} on {name} ({len(known):,} cells, {len(known.genes):,} genes)")
        say(f"annotator: {labeller.report.verdict}")
        return cls(known, settings, name, labeller)

    @door
    def annotate(
        self,
        adata: "AnnData | MuData | str | Path",
        *,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: Literal["human", "mouse"] | None = None,
        retrain: Literal["auto"] | bool = "auto",
        majority: bool | str = False,
        mod: str = RNA,
        key_added: str = LABEL,
        store: str | Path | None = None,
        shard: tuple[int, int] | None = None,
        resume: bool = True,
        copy: bool = False,
    ) -> "AnnData | MuData | None":
        """Label the cells of a query; all fields of :func:`scgnn_tools.tl.annotate` are written.

        The query is read a block at a time: one that lies in a file takes no more memory than a small one.

        Parameters
        ----------
        adata
            Cells to label, or the path of a file of them, as :func:`scgnn_tools.data.read_cells` takes it.
        layer, gene_key, organism
            As in :func:`scgnn_tools.tl.embed`, of the query.
        retrain
            "auto" trains again, on the genes that both have, if the genes that the query lacks hold more than 2 % of the reference's
            counts; fewer count as not expressed. It trains again too if the reference holds cells of the query, without these. True
            trains again as soon as a gene is missing, which gives the labels of ``tl.annotate(reference=)``. False never does.
        majority
            As in :func:`scgnn_tools.tl.annotate`.
        mod
            Modality of a MuData.
        key_added
            Name of the result.
        store, shard, resume
            As in :func:`scgnn_tools.tl.annotate`.
        copy
            Return a changed copy and leave ``adata`` as it is.

        Returns
        -------
        None, or the changed copy; of a path the labelled cells, whose matrix stays in an ``.h5ad`` file or zarr folder. With ``store``
        None, and the fields are in the store.
        """
        choice("retrain", retrain, ("auto", True, False))
        keys = LabelKeys(check_key(key_added))
        where, part = place_of(store, shard, "labels.zarr", adata)
        if where is not None:
            trained = self.labeller is not None
            check_stored(self.settings, majority=majority, copy=copy, shard=shard, trained=trained)
            inner = modality(open_cells(adata) if isinstance(adata, str | Path) else adata, mod)
            model = fm.load(fm.best_bundled())
            asked = open_query(inner, model, use_rep=None, layer=layer, gene_key=gene_key, organism=organism)
            label_to_store(
                self, asked, (inner.obs_names, inner.var_names), model, keys,
                where=where, shard=part, resume=resume, retrain=retrain,
                options={"matrix": asked.expression.name, "organism": asked.found.organism, "key_added": keys.key},
            )  # fmt: skip
            return None
        path = isinstance(adata, str | Path)
        cells: Any = adata
        if isinstance(adata, str | Path):  # vectors of the user's are in obsm, which is read with the rest
            cells = open_cells(adata) if self.settings.use_rep is None else read_cells(adata)
        inner = modality(cells, mod)
        check_writable(cells, copy=copy, mod=mod)
        check_own(inner, keys)
        make = majority is not False and given_clusters(inner, majority) is None
        model = fm.load(fm.best_bundled())
        asked = open_query(
            inner, model, use_rep=self.settings.use_rep, layer=layer, gene_key=gene_key, organism=organism
        )
        labeller, query, params = fit_for(
            self.known, asked, self.settings, model, self.name, ready=self.labeller, retrain=retrain
        )
        result = labeller.label(query, alone=self.settings.unknown == "cell", vectors=make)
        changed = finish(cells, result, self.settings, params, keys, majority=majority, copy=copy, mod=mod)
        return cells if path and not copy else changed

    @door
    def markers(self, n: int = 20) -> pd.DataFrame:
        """Return the genes that tell each class from the others.

        Parameters
        ----------
        n
            Genes a class.

        Returns
        -------
        DataFrame
            ``class``, ``gene``, ``mean`` (log1p of counts per 10,000, in the class), ``others`` (in the class that has most of it beside),
            ``difference`` and ``share`` (of the cells of the class that express it), the largest difference first.
        """
        integer("n", n)
        return markers_of(self.known, fm.load(fm.best_bundled()).vocabulary, n)

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
            If the folder is there and ``overwrite`` is not set, or an option of the method is nothing that a file can hold.
        """
        if self.labeller is None:
            msg = "This Annotator is trained for each query. Make one with Annotator.fit to save it."
            raise InputValueError(msg)
        kept.save(folder, self.known, self.settings, self.name, self.labeller, overwrite=overwrite)

    @classmethod
    @door
    def load(cls, folder: str | Path, *, device: str = "auto") -> "Annotator":
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        folder
            Where it is.
        device
            Where to compute.

        Raises
        ------
        WeightsError
            If a file is missing or damaged, of something else, or of another version of the bundled model.
        """
        return cls(*kept.load(folder, device=device))


def kept_annotator(reference: object, device: str) -> Annotator | None:
    """Return the annotator that ``reference=`` is, or whose folder it is; None if it is cells."""
    if isinstance(reference, Annotator):
        return reference
    if isinstance(reference, str | Path) and kept.is_kept(as_path("reference", reference)):
        return Annotator.load(reference, device=device)
    return None


def check_same(settings: AnnotationSettings, annotator: Annotator, **others: object) -> None:
    """Refuse arguments of a training that an annotator has behind it, if they are neither its own nor left out."""
    usual, own = vars(AnnotationSettings("auto")), vars(annotator.settings)
    given = {k: v for k, v in vars(settings).items() if k != "device" and v != usual[k] and v != own[k]}
    wrong = [{"seed": "rng"}.get(k, k) for k in given] + [k for k, v in others.items() if v is not None]
    if wrong:
        msg = (
            f"{', '.join(f'{w}=' for w in wrong)} belongs to the training, and reference= is a trained Annotator. Leave it out, or pass it "
            "to Annotator.fit."
        )
        raise InputValueError(msg)
