"""scNetFormer on one's own cells: a Geneformer, a gene graph, pretraining that goes on with it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._keys import SETUP_SCNETFORMER
from scgnn_tools._log import say
from scgnn_tools._methods import check_options
from scgnn_tools._progress import progress
from scgnn_tools._random import RNG, seed
from scgnn_tools._write import as_path
from scgnn_tools.data import Tokens
from scgnn_tools.fm import load, scnetformer
from scgnn_tools.fm.geneformer import Geneformer
from scgnn_tools.models._graph_cells import CellSetup, Edges, split, validation_losses
from scgnn_tools.models._graph_strategy import OF_CONTRAST, Strategy, positions, refuse_of_contrast
from scgnn_tools.models.untrained import refuse_of_setup, untrained_geneformer
from scgnn_tools.store import digest
from scgnn_tools.train.arguments import Checked, Devices, move, need_cells, one_device
from scgnn_tools.train.plans import claim, leave, model_parts, start_of
from scgnn_tools.train.recorded import is_recorded, set_up
from scgnn_tools.train.shown import trained
from scgnn_tools.train.tasks import MaskedTask

if TYPE_CHECKING:
    from anndata import AnnData


OWN: dict[str, Callable[..., Any]] = {
    "temperature": partial(number, above=0),
    "max_anchors": integer,
    "detached": partial(choice, choices=(True, False)),
}
"""Options of the network beside those of its graphs, and the check of each."""


class ScNetFormer(Checked):
    """A Geneformer whose masked pretraining goes on with a gene graph.

    Parameters
    ----------
    adata
        Cells × genes, after :meth:`setup_anndata`.
    model
        A Geneformer of any size (``sgt.fm.load("geneformer", checkpoint=…)``), left as it is, or a scNetFormer whose training goes on.
        None begins with random weights over the genes of ``adata``, of the sizes in ``options``.
    graph
        Edges of genes: a table with ``source``, ``target`` and perhaps ``weight``, or tissue -> such a table, for cells of which
        ``tissue_key`` says the tissue; cells of another one get the union. None takes the bundled TRRUST.
    threshold
        Edges of ``graph`` have a larger weight.
    graph_layers
        Graph convolutions of early fusion: 2 in the thesis's best model, 3, or 0 for none.
    walk_dim
        Length of Gene2Vec vectors, from random walks over the graph, that early fusion takes in place of convolutions (``graph_layers=0``);
        with tissues they are of the union. 0 for none.
    masked_layers, masked_heads
        Blocks, and heads of these, whose attention is limited to neighbours in the graph: "all" or positions.
    masking, contrast
        Weights of the masked and of the contrastive loss; 0 for none. :meth:`choose` chooses them on cells that validate.
    contrast_graph, contrast_threshold
        Its own graph, or a larger threshold for the same one ("dense" for early fusion, "sparse" here); None takes the first graph.
    rng
        Seed of new weights and of training.
    options
        ``temperature``, ``max_anchors``, ``detached`` (:class:`~scgnn_tools.fm.scnetformer.config.ScNetFormerConfig`), and with no
        ``model`` the sizes of :meth:`~scgnn_tools.fm.geneformer.Geneformer.untrained`: ``dim``, ``heads``, ``hidden``, ``n_layers``,
        ``max_length``, ``dropout``, ``device``.

    Attributes
    ----------
    model
        The network: ``sgt.tl.embed(adata, model=net.model)``.
    history
        DataFrame with ``loss`` and ``validation``, a row an epoch.

    Examples
    --------
    >>> sgt.models.ScNetFormer.setup_anndata(adata)
    >>> net = sgt.models.ScNetFormer(adata, dim=16, heads=2, hidden=16, n_layers=1, max_length=100, device="cpu")
    >>> net = net.train(max_epochs=1)
    >>> net.get_latent_representation().shape
    (206, 16)
    """

    def __init__(
        self,
        adata: "AnnData",
        *,
        model: "Geneformer | None" = None,
        graph: Edges | None = None,
        threshold: float = 0.0,
        graph_layers: int = 2,
        walk_dim: int = 0,
        masked_layers: "Sequence[int] | str" = (),
        masked_heads: "Sequence[int] | str" = "all",
        masking: float = 1.0,
        contrast: float = 0.0,
        contrast_graph: Edges | None = None,
        contrast_threshold: float | None = None,
        rng: RNG = 0,
        **options: Any,
    ) -> None:
        self._setup, self._seed = CellSetup.of(adata), seed(rng)
        refuse_of_setup("ScNetFormer", options)
        self.history = pd.DataFrame()
        self.adata: AnnData | None = adata
        strategy = Strategy(
            graph=graph, threshold=threshold, graph_layers=graph_layers, walk_dim=walk_dim,
            masked_layers=positions("masked_layers", masked_layers), masked_heads=positions("masked_heads", masked_heads),
            masking=masking, contrast=contrast, contrast_graph=contrast_graph, contrast_threshold=contrast_threshold,
        )  # fmt: skip
        if isinstance(model, scnetformer.ScNetFormer):
            asked = [*strategy.asked(), *options]
            if asked:
                msg = f"A scNetFormer has its graphs and sizes; leave out {', '.join(asked)}, or pass a Geneformer."
                raise InputValueError(msg)
            self.model = model
            return
        if model is not None and not isinstance(model, Geneformer):
            msg = f"model is a Geneformer, loaded with sgt.fm.load('geneformer', checkpoint=…), or None; got {model!r}."
            raise InputTypeError(msg)
        own = {k: check(k, options.pop(k)) for k, check in OWN.items() if k in options}
        strategy.refuse_unread(own)
        if model is None:
            model = untrained_geneformer(adata, rng=self._seed, **self._setup.names, **options)
        elif options:
            msg = f"A loaded model has its sizes; leave out {', '.join(options)}."
            raise InputValueError(msg)
        self.model = strategy.network(model, self._seed, **own)

    def __repr__(self) -> str:
        state = "trained" if len(self.history) else "not trained here"
        return f"ScNetFormer({len(self.model.vocabulary):,} genes, dimension {self.model.card.dimension}, {state})"

    def _repr_html_(self) -> str:
        return trained(self)

    @classmethod
    def setup_anndata(
        cls,
        adata: "AnnData",
        *,
        layer: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
        tissue_key: str | None = None,
    ) -> None:
        """Say where the expression, the names of the genes and the tissues of the cells are.

        Parameters
        ----------
        adata
            Cells × genes.
        layer, gene_key, organism
            As in :func:`scgnn_tools.tl.embed`.
        tissue_key
            Column of ``obs`` with the tissue of each cell, for graphs that differ by tissue.

        Returns
        -------
        None. Sets the following field:

        ``adata.uns["sgt"]["setup_scnetformer"]``
            dict of what was given.
        """
        columns = {"tissue_key": tissue_key}
        set_up(
            adata,
            SETUP_SCNETFORMER,
            layer=layer,
            gene_key=gene_key,
            columns=columns,
            every_feature=True,
            organism=organism,
        )

    def train(
        self,
        max_epochs: int = 3,
        *,
        accelerator: str = "auto",
        devices: Devices = "auto",
        early_stopping: bool = True,
        batch_size: int | None = None,
        resume: bool = True,
        folder: str | Path | None = None,
        patience: int = 3,
        lr: float = 1e-4,
        share: float = 0.15,
        warmup: int | None = None,
        weight_decay: float = 1e-3,
        max_tokens: int | None = None,
    ) -> Self:
        """Pretrain by masking, with the contrastive loss where it has a weight; all weights move.

        Ctrl-C keeps the best weights so far: the model can be used and saved, and KeyboardInterrupt is raised again.

        Parameters
        ----------
        max_epochs
            Times that every cell is seen. A twentieth of the cells validates.
        accelerator
            "auto" trains where the model is; "cpu", "gpu" and "mps" move it.
        devices
            "auto", 1, or the number of a device in a list: one device trains.
        early_stopping
            Stop once ``patience`` epochs have passed without a better validation loss, and keep the best weights. False trains all
            epochs and keeps the last weights.
        batch_size
            Most cells of a batch; None limits its tokens alone.
        resume
            Go on from ``folder`` if a run of the same cells, genes, graphs, weights and settings was stopped there; one of others is an
            error that says what differs. False begins anew.
        folder
            Where the state is kept at the end of each epoch; None keeps none behind.
        patience
            See ``early_stopping``.
        lr, weight_decay
            Of AdamW.
        share
            Share of a cell's genes that are hidden.
        warmup
            Steps of linear growth of the learning rate; None takes a tenth of all, so that a longer run is another one.
        max_tokens
            Of a batch; None takes 2¹³ on a CPU and 2¹⁶ on a GPU.

        Returns
        -------
        Itself, trained; the weights that validate best are kept.
        """
        device = one_device("ScNetFormer", accelerator, devices, here=self.model.device)
        adata = need_cells(None, self.adata)
        move(self.model, device)
        tokens = self._setup.tokens(self.model, adata)
        train, validation = split(self.model, tokens, self._seed)
        from scgnn_tools.train.fitting import budget_of, fit_task

        budget = budget_of(self.model, max_tokens)
        steps = max_epochs * max(1, int(tokens.lengths[np.r_[train, validation]].sum() // budget))
        how: dict[str, Any] = {
            "patience": patience if early_stopping else None, "lr": lr, "weight_decay": weight_decay, "max_tokens": budget,
            "max_cells": batch_size, "warmup": steps // 10 if warmup is None else warmup, "seed": self._seed,
        }  # fmt: skip
        at = None if folder is None else as_path("folder", folder)
        start = start_of(self.model.network, at)
        claim(at, lambda: self._plan(how | {"share": share}, start, tokens, (train, validation)), resume=resume)
        self.model.network.requires_grad_(True)
        try:
            self.history = fit_task(
                self.model, MaskedTask(share), tokens, train, validation, max_epochs=max_epochs, folder=at, resume=resume, **how
            )  # fmt: skip
        finally:
            self.model.network.requires_grad_(False)
            leave(self.model.network, at, start)
        say(f"scnetformer: {len(self.history)} epochs, best validation loss {self.history['validation'].min():.4g}")
        if self.history.attrs["interrupted"]:
            raise KeyboardInterrupt
        return self

    def _plan(
        self, how: dict[str, Any], start: str, tokens: Tokens, parts: tuple[np.ndarray, np.ndarray]
    ) -> dict[str, object]:
        """Return all that decides the training; how long it may take is no part of that."""
        seen = digest(tokens.ids, tokens.values, tokens.offsets, tokens.groups, *parts)
        return {**model_parts(self.model), **how, "starting weights": start, "cells": seen}

    @classmethod
    def choose(
        cls,
        adata: "AnnData",
        *,
        masking: Sequence[float] = (1.0,),
        contrast: Sequence[float] = (0.0, 0.03, 0.1, 0.3),
        max_epochs: int = 1,
        train: Mapping[str, Any] | None = None,
        rng: RNG = 0,
        **options: Any,
    ) -> "tuple[ScNetFormer, pd.DataFrame]":
        """Train with each pair of weights from the same start, and keep what tells masked genes of the validating cells best.

        Parameters
        ----------
        adata
            As in the class.
        masking, contrast
            Weights that are tried, all pairs of them.
        max_epochs, train
            Of each training, and further arguments of :meth:`train`.
        rng
            Seed of all of them.
        options
            Further arguments of the class.

        Returns
        -------
        net, table
            The best one, trained; and a DataFrame, a row a pair, best first: ``masking``, ``contrast``, ``masked`` (cross-entropy of masked
            genes in the twentieth of the cells that validates, the same ones hidden for all), ``contrastive`` (the other loss there, NaN
            without a weight).

        Raises
        ------
        InputValueError
            If there is no weight to try, or one is negative, or ``model`` has its weights already.
        """
        pairs = [(number("masking", m, least=0), number("contrast", c, least=0)) for m in masking for c in contrast]
        more = dict(train or {})
        if "max_epochs" in more:
            msg = "train= holds max_epochs, which choose() takes itself. Pass max_epochs= beside train=."
            raise InputValueError(msg)
        if isinstance(options.get("model"), scnetformer.ScNetFormer):
            msg = "A scNetFormer has its weights of the losses; choose() begins with a Geneformer, or with model=None."
            raise InputValueError(msg)
        if not pairs:
            msg = "There is no weight to try: masking= and contrast= are lists of numbers."
            raise InputValueError(msg)
        if not any(c for _, c in pairs):
            refuse_of_contrast(options)
        best, rows, start = None, [], seed(rng)
        for m, c in progress(pairs, total=len(pairs), what="choose weights", unit="training"):
            read = options if c else {k: v for k, v in options.items() if k not in OF_CONTRAST}
            net = cls(adata, masking=m, contrast=c, rng=start, **read).train(max_epochs, **more)
            masked, other = validation_losses(net.model, CellSetup.of(adata).tokens(net.model, adata), start)
            if best is None or masked < min(r["masked"] for r in rows):
                best = net
            rows.append({"masking": m, "contrast": c, "masked": masked, "contrastive": other})
        table = pd.DataFrame(rows).sort_values("masked", kind="stable", ignore_index=True)
        first = table.iloc[0]
        say(
            f"scnetformer: masking {first['masking']:g} and contrast {first['contrast']:g} are best of {len(rows)}: {first['masked']:.4g}"
        )
        return best, table  # type: ignore[return-value]

    def get_latent_representation(self, adata: "AnnData | None" = None) -> np.ndarray:
        """Return the vector of each cell, with the graph of its tissue, float32 (n_obs, dim); zeros for a cell without a known gene."""
        other = adata is not None and is_recorded(adata, SETUP_SCNETFORMER)
        setup = CellSetup.of(adata) if other else self._setup
        return self.model.embed_tokens(setup.tokens(self.model, need_cells(adata, self.adata)))

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the network and its graphs; :meth:`load` and ``sgt.fm.load("scnetformer", checkpoint=folder)`` read them.

        ``overwrite`` replaces a folder that a save wrote.
        """
        self.model.save(folder, overwrite=overwrite)

    @classmethod
    def load(
        cls, folder: str | Path, adata: "AnnData | None" = None, *, device: str = "auto", **options: Any
    ) -> "ScNetFormer":
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
            Of ``sgt.fm.load("scnetformer")``: ``pooling``, ``precision``.

        Raises
        ------
        WeightsError
            If the folder is damaged or of another class.
        """
        check_options("ScNetFormer.load()", options, ["folder", "adata", "device", "pooling", "precision"])
        found = load("scnetformer", checkpoint=as_path("folder", folder), device=device, **options)
        model = cast("scnetformer.ScNetFormer", found)
        if adata is None:
            out = cls.__new__(cls)
            out._setup, out._seed, out.adata, out.model, out.history = (
                CellSetup({}, None),
                0,
                None,
                model,
                pd.DataFrame(),
            )
            return out
        if not is_recorded(adata, SETUP_SCNETFORMER):
            cls.setup_anndata(adata)
        return cls(adata, model=model)
