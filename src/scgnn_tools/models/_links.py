"""The base of models that predict edges between genes: vectors, expression and prior out of an AnnData, in front of a link predictor."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from scgnn_tools import fm, genes
from scgnn_tools._choices import integer
from scgnn_tools._deprecated import renamed
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._keys import SETUP_LINKS
from scgnn_tools._log import say
from scgnn_tools._modality import only_anndata
from scgnn_tools._random import RNG, seed
from scgnn_tools._threads import by_size
from scgnn_tools._write import as_path
from scgnn_tools.data import open_expression
from scgnn_tools.fm.saves import understood
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.grn.collect import Data, collect
from scgnn_tools.grn.from_anndata import Symbols
from scgnn_tools.grn.given import given_networks, merged
from scgnn_tools.grn.pooling import Pooling
from scgnn_tools.grn.tune import tune
from scgnn_tools.links import link_predictor, node_features
from scgnn_tools.models._files import read_folder, write_folder
from scgnn_tools.models._recorded import is_recorded, record, recorded
from scgnn_tools.models._shown import trained
from scgnn_tools.train.arguments import Devices, check_training, from_device, one_device, state_path

if TYPE_CHECKING:
    from anndata import AnnData

BLOCK = 2**21


class LinkModel:
    """A model that predicts which factor regulates which gene.

    Parameters
    ----------
    adata
        Cells × genes, after :meth:`setup_anndata`.
    model
        A loaded foundation model whose gene vectors are used; None takes ``use_rep`` of the setup, or the best bundled model.
    pooling
        How the hidden states of ``model`` become a vector a gene over the cells: "attention", "attention_softmax" or "mean"; "table" takes
        its fixed gene table. None pools where the model has hidden states: scRegNet by the mean, scTransNet by attention.
    tfs
        Transcription factors; None takes the bundled list of the organism and the sources of the prior.
    rng
        Seed of the negative pairs, of the validation pairs and of training.
    options
        Of the predictor: :class:`~scgnn_tools.links.scregnet.ScRegNet`, :class:`~scgnn_tools.links.sctransnet.ScTransNet`.

    Attributes
    ----------
    predictor
        The fitted link predictor; None before :meth:`train`.
    history
        DataFrame with ``loss`` and ``validation``, a row an epoch.
    params
        What was taken from the object, in words.
    """

    method: ClassVar[str]
    _pooling: ClassVar[Pooling]

    def __init__(
        self,
        adata: "AnnData",
        *,
        model: fm.FoundationModel | None = None,
        pooling: "Pooling | str | None" = None,
        tfs: Sequence[str] | None = None,
        rng: RNG = 0,
        **options: Any,
    ) -> None:
        setup = self._find(adata)
        link_predictor(self.method, **options)  # a wrong option is an error before any work
        if model is not None and "use_rep" in setup:
            msg = (
                f"Vectors are in varm[{setup['use_rep']!r}] by the setup; leave out model=, or set up without use_rep."
            )
            raise InputValueError(msg)
        if model is not None and pooling is None and isinstance(model, fm.NetworkModel):
            pooling = self._pooling
        self._options, self._seed = options, seed(rng)
        how: dict[str, Any] = {k: setup.get(k) for k in ("layer", "gene_key", "organism", "use_rep")}
        pooled: Any = None if pooling == "table" else pooling
        prior = setup.get("prior", "auto")
        self._data: Data | None = collect(adata, prior, tfs=tfs, rng=self._seed, model=model, pooling=pooled, **how)
        self.params = self._data.params
        self._name_columns(adata, setup.get("gene_key"), self.params["organism"])
        self.predictor: Any = None
        self.history = pd.DataFrame(columns=["loss", "validation"])

    def __repr__(self) -> str:
        state = "not trained" if self.predictor is None else f"{len(self.history)} epochs"
        return f"{type(self).__name__}({self.params['n_edges']:,} edges, {self.params['n_tfs']:,} factors, {state})"

    def _repr_html_(self) -> str:
        return trained(self)

    @classmethod
    def setup_anndata(
        cls,
        adata: "AnnData",
        *,
        layer: str | None = None,
        prior: "str | pd.DataFrame" = "auto",
        use_rep: str | None = None,
        gene_key: str | None = None,
        organism: str | None = None,
    ) -> None:
        """Say where expression, known edges and gene vectors are.

        Parameters
        ----------
        adata
            Cells × genes.
        layer, gene_key, organism
            As in :func:`scgnn_tools.tl.embed`.
        prior
            As in :func:`scgnn_tools.tl.infer_grn`: a name, a key of ``varp``, a table, a file, or several.
        use_rep
            Gene vectors in ``varm``; None takes those of a model.

        Returns
        -------
        None. Sets the following field:

        ``adata.uns["sgt"]["setup_scregnet"]`` (or ``"setup_sctransnet"``)
            dict of what was given.
        """
        adata = only_anndata(adata)
        if layer is not None:
            open_expression(adata, layer=layer)
        names = genes.gene_names(adata.var, gene_key=gene_key)
        given = given_networks(prior, organism=organism or genes.detect_organism(names), adata=adata, names=names)
        if not isinstance(prior, str):
            prior = merged({n: check_edges(t) for n, t in given.items()})
        if use_rep is not None and use_rep not in adata.varm:
            msg = f"use_rep={use_rep!r} is not in varm; there is: {', '.join(map(str, adata.varm)) or 'none'}."
            raise MissingKeyError(msg)
        noted = {"layer": layer, "prior": prior, "use_rep": use_rep, "gene_key": gene_key, "organism": organism}
        record(adata, SETUP_LINKS[cls.method], **noted)

    @renamed(device=from_device)
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
    ) -> Self:
        """Train on the prior, and keep the epoch that is best on a tenth of its pairs.

        Ctrl-C keeps the best weights so far: the model can be used and saved, and KeyboardInterrupt is raised again.

        Parameters
        ----------
        max_epochs
            Most epochs; None takes the predictor's own.
        accelerator
            "auto", "cpu", "gpu" or "mps".
        devices
            "auto", 1, or the number of a device in a list: one device trains.
        early_stopping
            Stop once ``patience`` validations have passed without a better score, and keep the best weights. False trains all epochs
            and keeps the last weights.
        batch_size
            Pairs of a step; None takes the predictor's own.
        resume
            Go on from the state in ``folder``, if there is one; a state of other pairs, features or settings is an error that says what
            differs. False begins anew.
        folder
            Where the state of training is kept: a run that was killed goes on from it. None keeps none.
        patience
            See ``early_stopping``; None takes the predictor's own.

        Returns
        -------
        Itself, trained.
        """
        asked = {
            "max_epochs": max_epochs,
            "early_stopping": early_stopping,
            "patience": patience,
            "batch_size": batch_size,
        }
        check_training(self.train, resume=resume, **asked)
        device = str(one_device(type(self).__name__, accelerator, devices))
        checkpoint = state_path(folder, resume=resume)
        given = {"max_epochs": max_epochs, "patience": patience, "batch_size": batch_size, "checkpoint": checkpoint}
        options = self._options | {k: v for k, v in given.items() if v is not None}
        predictor: Any = link_predictor(self.method, rng=self._seed, device=device, **options)
        if not early_stopping:
            predictor.train_all_epochs()
        train, held, inputs = self._split()
        predictor.fit(train, held, **inputs)
        self.predictor, self.history = predictor, predictor.history
        say(f"{type(self).__name__}: {len(self.history)} epochs on {len(train):,} pairs, {len(held):,} validated")
        if predictor.interrupted:
            raise KeyboardInterrupt
        return self

    def tune(self, n_trials: int = 30, *, timeout: float | None = None, device: str = "auto") -> pd.DataFrame:
        """Search the options that were not given, with Optuna, by the AUPRC of the tenth of the pairs that training stops on.

        The best ones are those of the next :meth:`train`. Needs ``pip install 'scgnn_tools[tune]'``.

        Parameters
        ----------
        n_trials, timeout
            Most trainings, and seconds after which no further one begins.
        device
            Where to train.

        Returns
        -------
        DataFrame
            ``auprc``, ``epochs``, ``seconds`` and options of each trial, best first.
        """
        train, held, given = self._split()
        how: dict[str, Any] = {"n_trials": n_trials, "timeout": timeout, "rng": self._seed, "device": device}
        self._options, trials = tune(self.method, train, held, **given, **how, **self._options)
        return trials

    def predict(self, pairs: pd.DataFrame | None = None, *, n_top: int | None = 100) -> pd.DataFrame:
        """Score pairs, or every factor of the data with every gene.

        Parameters
        ----------
        pairs
            ``source`` and ``target``, by the names of the object or by symbol; None takes every factor and every gene.
        n_top
            Targets kept of each factor if ``pairs`` is None; None keeps all.

        Returns
        -------
        DataFrame
            ``source``, ``target``, ``score``, the probability among the candidates of training, of which about one in six is an edge; NaN
            for a gene that is not known. In the order of ``pairs``, or best first.
        """
        predictor, n_top = self._trained(), integer("n_top", n_top, or_none=True)
        if pairs is not None:
            missing = [c for c in ("source", "target") if c not in pairs]
            if missing:
                msg = f"A table of pairs has the columns source, target; missing: {', '.join(missing)}."
                raise InputValueError(msg)
            asked = pd.DataFrame({a: self._symbols_of(pairs[b]) for a, b in (("tf", "source"), ("target", "target"))})
            return pairs[["source", "target"]].assign(score=_probability(predictor.score(asked)))
        parts, step, n = [], max(1, BLOCK // len(self._scored)), len(self._scored)
        most = n - 1 if n_top is None else min(n_top, n - 1)  # no factor is its own target here
        for start in range(0, len(self._tfs), step):
            some = self._tfs[start : start + step]
            grid = predictor.score_grid(some, self._scored)
            grid[some[:, None] == self._scored] = -np.inf
            best = np.argsort(-grid, axis=1, kind="stable")[:, :most]
            score = np.take_along_axis(grid, best, axis=1).ravel()
            parts.append(
                pd.DataFrame({"tf": np.repeat(some, most), "target": self._scored[best].ravel(), "score": score})
            )
        out = pd.concat(parts).sort_values("score", ascending=False, kind="stable")
        out["score"] = _probability(out["score"].to_numpy(dtype=np.float64))
        names = {"source": self._name_of.reindex(out["tf"]), "target": self._name_of.reindex(out["target"])}
        return pd.DataFrame({k: v.to_numpy() for k, v in names.items()}).assign(score=out["score"].to_numpy())

    def get_latent_representation(self) -> np.ndarray:
        """Return what the head sees of each gene of the object, float32 (n_vars, d); NaN for a gene that it does not know."""
        return self._trained().represent().reindex(self._columns).to_numpy(dtype=np.float32)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the trained model with all it reads of the genes, as safetensors and JSON, whole or not at all.

        Raises
        ------
        InputValueError
            If it is not trained, or the folder is there and ``overwrite`` is not set.
        """
        tensors, config = self._trained().state()
        about = {
            "options": {k: v for k, v in self._options.items() if k != "device"}, "seed": self._seed, "params": self.params,
            "predictor": config, "history": self.history,
            "columns": list(map(str, self._columns)), "names": list(map(str, self._names)), "tfs": list(map(str, self._tfs)),
        }  # fmt: skip
        write_folder(folder, type(self).__name__, tensors, about, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, adata: "AnnData | None" = None, *, device: str = "auto") -> Self:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        folder
            What :meth:`save` wrote.
        adata
            An object whose genes :meth:`predict` and :meth:`get_latent_representation` are about, in any order; None takes those
            of training.
        device
            Where to compute.

        Raises
        ------
        WeightsError
            If the folder is damaged or of another class.
        InputValueError
            If ``adata`` has no gene that the model knows.
        """
        tensors, about = read_folder(folder, cls.__name__)
        with understood(as_path("folder", folder), f"{cls.__name__} that fits together"):
            out = cls.__new__(cls)
            out._options, out._seed, out.params, out._data = about["options"], about["seed"], about["params"], None
            predictor: Any = link_predictor(cls.method, rng=out._seed, device=device, **about["options"])
            out.predictor = predictor.restore(tensors, about["predictor"])
            out.history = about["history"].astype(float)
            out._tfs = np.array(about["tfs"], dtype=object)
            if adata is None:
                out._set_columns(np.array(about["columns"], dtype=object), np.array(about["names"], dtype=object))
                return out
        setup = cls._find(adata) if is_recorded(adata, SETUP_LINKS[cls.method]) else {}
        out._name_columns(adata, setup.get("gene_key"), out.params["organism"])
        known = pd.Index(out.predictor.nodes).intersection(pd.Index(out._columns))
        if known.empty:
            msg = f"None of the {adata.n_vars:,} genes of the object is among the {len(out.predictor.nodes):,} of the model."
            raise InputValueError(msg)
        return out

    def _split(self) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
        """Return training pairs, validation pairs, and what ``fit`` reads beside them."""
        inputs = self._given().inputs
        every = np.union1d(inputs.genes, inputs.pairs[["tf", "target"]].to_numpy(dtype=object).ravel())
        train, held = node_features.carve(inputs.pairs, self._seed)
        return train, held, {"genes": every, "expression": inputs.expression, "embedding": inputs.embedding}

    def _given(self) -> Data:
        if self._data is None:
            msg = f"This {type(self).__name__} was loaded without its training data; make a new one from an AnnData to train."
            raise InputValueError(msg)
        return self._data

    def _trained(self) -> Any:
        if self.predictor is None:
            msg = f"This {type(self).__name__} is not trained. Call train() first."
            raise InputValueError(msg)
        return self.predictor

    def _name_columns(self, adata: "AnnData", gene_key: str | None, organism: str) -> None:
        """Know the genes of an object: the symbol of each column, and its name."""
        bundled = fm.load(fm.best_bundled())
        names = genes.gene_names(adata.var, gene_key=gene_key)
        if self._data is not None:
            self._tfs = self._data.tfs
        self._set_columns(Symbols(bundled.vocabulary, organism)(names), adata.var_names.to_numpy(dtype=object))

    def _set_columns(self, columns: np.ndarray, names: np.ndarray) -> None:
        self._columns, self._names = columns, names
        name_of = pd.Series(names, index=columns)
        self._name_of = name_of[~name_of.index.duplicated()]
        known = self._name_of.index if self._data is None else pd.Index(self._data.inputs.genes)
        if self._data is None:
            known = known[known.isin(self.predictor.nodes)]
        self._scored = known.to_numpy(dtype=object)
        self._tfs = self._tfs[np.isin(self._tfs, self._scored)]

    def _symbols_of(self, given: pd.Series) -> np.ndarray:
        """Return symbols of names of the object; a name that it does not have is taken for a symbol."""
        symbol_of = pd.Series(self._columns, index=self._names)
        found = given.astype(str).map(symbol_of[~symbol_of.index.duplicated()])
        return found.fillna(given.astype(str)).to_numpy(dtype=object)

    @classmethod
    def _find(cls, adata: "AnnData") -> dict[str, Any]:
        return recorded(adata, SETUP_LINKS[cls.method], cls.__name__)


def _probability(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))
