"""Cell-Graph Compass on one's own cells: set up, pretrain, embed, save."""

import inspect
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import SETUP
from scgnn_tools._methods import check_options
from scgnn_tools._random import RNG, seed
from scgnn_tools._write import as_path
from scgnn_tools.fm import cgc, load
from scgnn_tools.fm.given import check_given
from scgnn_tools.integration import Integrator
from scgnn_tools.models.untrained import refuse_of_setup, untrained_cgc
from scgnn_tools.train import handed_back
from scgnn_tools.train.arguments import Checked, Devices, given_or_temporary, move, need_cells, several_devices
from scgnn_tools.train.corpus import Corpus
from scgnn_tools.train.recorded import is_recorded, recorded, set_up
from scgnn_tools.train.shown import trained

if TYPE_CHECKING:
    from anndata import AnnData

OF_LOAD = ("assets", "precision", "heads", "gene_sampling", "thinning", "continuous", "binning", "max_length")
"""Options of a loaded network."""


class CGC(Checked):
    """Cell-Graph Compass pretrained on the cells of an AnnData, or a loaded one trained further.

    Parameters
    ----------
    adata
        Cells × genes, after :meth:`setup_anndata`.
    model
        A loaded network (``sgt.fm.load("cgc", checkpoint=…)``) whose training goes on; None begins with random weights over the genes
        of ``adata``.
    graph
        Whether cells are graphs of their genes.
    rng
        Seed of the weights and of training.
    options
        Sizes of a new network: ``dim``, ``heads``, ``hidden``, ``n_layers``, ``n_graph_layers``, ``dropout``, ``max_length``; the
        published ones by default: 512 wide, 12 blocks, 1,201 tokens, for GPUs. ``variant``: "repo", the network of the published code, or
        "paper", that of the text. ``thinning``: "strongest", "random" or None (all) of a crowded cell's co-expression edges.
        ``standardised``: True, or False for bins that are predicted as they are, as published. ``coexpression``: "auto" or the path of a
        table of edges; ``text``: that of text features of genes; ``assets``: those of the other edges.

    Attributes
    ----------
    model
        The network: ``sgt.tl.embed(adata, model=cgc.model)``.
    history
        DataFrame with ``step``, ``loss`` and ``validation``; ``sgt.pl.training(cgc.history)`` draws it.

    Examples
    --------
    >>> sgt.models.CGC.setup_anndata(adata)
    >>> cgc = sgt.models.CGC(adata, dim=16, heads=2, hidden=16, n_layers=1, n_graph_layers=1, max_length=100)
    >>> cgc.train(max_epochs=1)
    CGC(...)
    >>> cgc.get_latent_representation().shape
    (206, 16)
    >>> cgc.save("cgc")
    """

    def __init__(
        self, adata: "AnnData", *, model: cgc.CGCModel | None = None, graph: bool = True, rng: RNG = 0, **options: Any
    ) -> None:
        self._names = recorded(adata, SETUP, "CGC")
        self._seed = seed(rng)
        self.adata: AnnData | None = adata
        check_given(model, None, cgc.CGCModel, name="cgc")
        refuse_of_setup("CGC", options)
        if "on_bad" in options:
            msg = "on_bad= is of files, and CGC reads an AnnData. Leave it out."
            raise InputValueError(msg)
        if model is not None and (options or not graph):
            msg = f"A loaded model has its sizes; leave out {', '.join([*options, *([] if graph else ['graph'])])}."
            raise InputValueError(msg)
        if model is None:
            some = {k: v for k, v in self._names.items() if k in ("layer", "gene_key")}
            model = untrained_cgc([adata], graph=graph, rng=self._seed, **some, **options)
        self.model, self.history = model, pd.DataFrame()

    def __repr__(self) -> str:
        state = "trained" if len(self.history) else "not trained here"
        return f"CGC({len(self.model.vocabulary):,} genes, dimension {self.model.card.dimension}, {state})"

    def _repr_html_(self) -> str:
        return trained(self)

    @classmethod
    def setup_anndata(
        cls, adata: "AnnData", *, layer: str | None = None, gene_key: str | None = None, organism: str | None = None
    ) -> None:
        """Say where the expression and the names of the genes are.

        Parameters
        ----------
        adata
            Cells × genes.
        layer, gene_key, organism
            As in :func:`scgnn_tools.tl.embed`.

        Returns
        -------
        None. Sets the following field:

        ``adata.uns["sgt"]["setup_cgc"]``
            dict of what was given.
        """
        set_up(adata, SETUP, layer=layer, gene_key=gene_key, organism=organism)

    def train(
        self,
        max_epochs: int = 3,
        *,
        accelerator: str = "auto",
        devices: Devices = "auto",
        early_stopping: bool = False,
        batch_size: int | None = None,
        resume: bool = True,
        folder: str | Path | None = None,
        checkpoint_every: int = 500,
        precision: str | None = None,
        **schedule: Any,
    ) -> Self:
        """Pretrain by masking.

        Ctrl-C leaves the weights of the last state on disk, or those of the moment where there is none yet, and KeyboardInterrupt is
        raised again.

        Parameters
        ----------
        max_epochs
            Times that every cell is seen, where ``steps`` is not given; the paper's 3 are for 50 million cells.
        accelerator
            "auto" trains where the model is; "cpu" and "gpu" move it.
        devices
            GPUs, or processes on the CPU; "auto" is one.
        early_stopping
            Pretraining has a length and does not stop early: True is an error.
        batch_size
            Cells of a batch on each device; None is 32.
        resume
            Go on from ``folder`` if a run of the same cells, genes, weights and settings was stopped there; one of others is an error
            that says what differs. False begins anew.
        folder
            Where the state is kept; a later call with the same folder goes on. None keeps none behind.
        checkpoint_every, precision
            As in :func:`scgnn_tools.train.pretrain.pretrain`.
        schedule
            Other fields of :class:`~scgnn_tools.train.pretrain.Schedule`: ``steps``, ``accumulate``, ``lr``, ``warmup``, ….

        Returns
        -------
        Itself, trained.
        """
        from scgnn_tools.train.pretrain import Schedule, pretrain, saved_history, schedule_for

        own = [n for n in inspect.signature(self.train).parameters if n != "schedule"]
        check_options("CGC.train()", schedule, [*own, *(f.name for f in fields(Schedule))])
        if early_stopping:
            msg = "CGC pretrains for max_epochs= or steps= and does not stop early; leave out early_stopping."
            raise InputValueError(msg)
        device, count = several_devices("CGC", accelerator, devices, here=self.model.device)
        adata = need_cells(None, self.adata)
        move(self.model, device)
        corpus = Corpus([adata], self.model, seed=self._seed, **self._names)
        given = schedule if batch_size is None else {**schedule, "batch_size": batch_size}
        plan = schedule_for(corpus, max_epochs, count, given)
        how: dict[str, Any] = {"schedule": plan, "devices": count, "resume": resume, "seed": self._seed}
        how |= {"checkpoint_every": checkpoint_every, "precision": precision}
        with handed_back(), given_or_temporary(folder) as at:
            try:
                self.history = pretrain(self.model, corpus, at, **how)
            except KeyboardInterrupt:
                self.history = saved_history(at)
                raise
        return self

    def get_latent_representation(self, adata: "AnnData | None" = None) -> np.ndarray:
        """Return the vector of each cell, float32 (n_obs, dim); of other cells than those of training if given."""
        names = self._names if adata is None or not is_recorded(adata, SETUP) else recorded(adata, SETUP, "CGC")
        return self.model.embed_cells(need_cells(adata, self.adata), **names)

    def integrate(
        self, batch_key: str, *, max_epochs: int = 6, n_top_genes: int = 2000, **options: Any
    ) -> "Integrator":
        """Tune a copy of the network on the batches of its cells, without labels.

        Parameters
        ----------
        batch_key
            Column of ``obs``: the sample, donor, chemistry or study of each cell.
        max_epochs
            Of the tuning.
        n_top_genes
            The genes that vary within most batches; the others are no tokens.
        options
            ``ecs``, ``dar``, ``beta`` (the weights of elastic similarity and of the adversary, and the threshold of the first),
            ``dar_schedule``, ``graph``, ``pretrain``, ``patience``, ``lr``, ``max_cells``; see
            :class:`~scgnn_tools.integration.cgc.CGCBatches`.

        Returns
        -------
        scgnn_tools.integration.Integrator
            ``vectors`` of the cells, float32 (n_obs, dim); it maps new cells and is saved. ``sgt.tl.integrate(adata, batch_key,
            method="cgc", model=cgc.model)`` writes the same into the object, beside baselines.

        Raises
        ------
        MissingKeyError, InputValueError
            If there is no such column, or a single batch.
        """
        names = {k: v for k, v in self._names.items() if k in ("layer", "gene_key")}
        return Integrator.fit(
            need_cells(None, self.adata),
            batch_key,
            method="cgc",
            model=self.model,
            max_epochs=max_epochs,
            n_top_genes=n_top_genes,
            rng=self._seed,
            device=str(self.model.device),
            **names,
            **options,
        )

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the network; ``sgt.models.CGC.load(folder, adata)`` and ``sgt.fm.load("cgc", checkpoint=folder)`` read it.

        ``overwrite`` replaces a folder that a save wrote.
        """
        self.model.save(folder, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, adata: "AnnData | None" = None, *, device: str = "auto", **options: Any) -> "CGC":
        """Read what :meth:`save` wrote, to go on with other cells or the same ones.

        Parameters
        ----------
        folder
            What :meth:`save` wrote.
        adata
            Cells to train on and to embed, whose genes may be in any order. It is set up if it was not; None leaves what is embedded.
        device
            Where to compute.
        options
            Of ``sgt.fm.load("cgc")``: ``assets``, ``precision``, ``heads``, ``gene_sampling``, ``thinning``, ``continuous``, ``binning``,
            ``max_length``.

        Raises
        ------
        WeightsError
            If the folder is damaged or of another class.
        """
        check_options("CGC.load()", options, ["folder", "adata", "device", *OF_LOAD])
        model = cast("cgc.CGCModel", load("cgc", checkpoint=as_path("folder", folder), device=device, **options))
        if adata is None:
            out = cls.__new__(cls)
            out._names, out._seed, out.adata, out.model, out.history = {}, 0, None, model, pd.DataFrame()
            return out
        if not is_recorded(adata, SETUP):
            cls.setup_anndata(adata)
        return cls(adata, model=model)
