"""The base of models that predict edges between genes: vectors, expression and prior out of an AnnData, in front of a link predictor."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from scgnn_tools import fm
from scgnn_tools._choices import integer
from scgnn_tools._columns import check_table
from scgnn_tools._deprecated import renamed
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import SETUP_LINKS
from scgnn_tools._log import say
from scgnn_tools._random import RNG, seed
from scgnn_tools._threads import by_size
from scgnn_tools.grn.collect import Data
from scgnn_tools.grn.pooling import Pooling
from scgnn_tools.grn.tune import tune
from scgnn_tools.links import link_predictor, node_features
from scgnn_tools.models._files import reading, write_folder
from scgnn_tools.models._gene_names import GeneNames
from scgnn_tools.models._link_inputs import collected, set_up
from scgnn_tools.models._link_scores import best_targets, probability
from scgnn_tools.train.arguments import (
    Checked,
    Devices,
    from_device,
    need_training,
    one_device,
    refuse_of_train,
    state_path,
)
from scgnn_tools.train.recorded import is_recorded, recorded
from scgnn_tools.train.shown import trained

if TYPE_CHECKING:
    from anndata import AnnData


class LinkModel(Checked):
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
        refuse_of_train(type(self).__name__, options)
        if options.get("patience", 0) is None:  # of the release before: the predictor's own
            del options["patience"]
        link_predictor(self.method, **options)  # a wrong option is an error before any work
        self._options, self._seed = options, seed(rng)
        data = collected(
            adata, setup, model=model, pooling=pooling, of_a_network=self._pooling, tfs=tfs, rng=self._seed
        )
        self._data: Data | None = data
        self.params = data.params
        self._genes = GeneNames.of(adata, setup.get("gene_key"), self.params["organism"])
        self._ask_for(pd.Index(data.inputs.genes), data.tfs)
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
        set_up(
            adata, SETUP_LINKS[cls.method], layer=layer, prior=prior, use_rep=use_rep, gene_key=gene_key, organism=organism
        )  # fmt: skip

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

    def tune(
        self,
        n_trials: int = 30,
        *,
        timeout: float | None = None,
        max_epochs: int | None = None,
        device: str = "auto",
    ) -> pd.DataFrame:
        """Search the options that were not given, with Optuna, by the AUPRC of the tenth of the pairs that training stops on.

        The best ones are those of the next :meth:`train`. Needs ``pip install 'scgnn_tools[tune]'``.

        Parameters
        ----------
        n_trials, timeout
            Most trainings, and seconds after which no further one begins.
        max_epochs
            Most epochs of each training; None takes the predictor's own.
        device
            Where to train.

        Returns
        -------
        DataFrame
            ``auprc``, ``epochs``, ``seconds`` and options of each trial, best first.
        """
        resolve_device(device)
        train, held, given = self._split()
        how: dict[str, Any] = {"n_trials": n_trials, "timeout": timeout, "rng": self._seed, "device": device}
        fixed = self._options if max_epochs is None else {**self._options, "max_epochs": max_epochs}
        best, trials = tune(self.method, train, held, **given, **how, **fixed)
        self._options = {k: v for k, v in best.items() if k != "max_epochs"} | self._options
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
            check_table(pairs, ["source", "target"], "pairs")
            asked = pd.DataFrame(
                {"tf": self._genes.symbols_of(pairs["source"]), "target": self._genes.symbols_of(pairs["target"])}
            )
            return pairs[["source", "target"]].assign(score=probability(predictor.score(asked)))
        best = best_targets(predictor, self._tfs, self._scored, n_top)
        names = {"source": self._genes.names_of(best["tf"]), "target": self._genes.names_of(best["target"])}
        return pd.DataFrame(names).assign(score=probability(best["score"].to_numpy()))

    def get_latent_representation(self) -> np.ndarray:
        """Return what the head sees of each gene of the object, float32 (n_vars, d); NaN for a gene that it does not know."""
        return self._trained().represent().reindex(self._genes.symbols).to_numpy(dtype=np.float32)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the trained model with all it reads of the genes, as safetensors and JSON, whole or not at all.

        Raises
        ------
        InputValueError
            If it is not trained, or the folder is there and ``overwrite`` is not set.
        """
        tensors, config = self._trained().state()
        about = {
            "options": self._options, "seed": self._seed, "params": self.params,
            "predictor": config, "history": self.history,
            "columns": list(map(str, self._genes.symbols)), "names": list(map(str, self._genes.names)), "tfs": list(map(str, self._tfs)),
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
        with reading(folder, cls.__name__) as (tensors, about):
            out = cls.__new__(cls)
            out._options, out._seed, out.params, out._data = about["options"], about["seed"], about["params"], None
            predictor: Any = link_predictor(cls.method, rng=out._seed, device=device, **about["options"])
            out.predictor = predictor.restore(tensors, about["predictor"])
            out.history = about["history"].astype(float)
            columns, names, tfs = (np.array(about[k], dtype=object) for k in ("columns", "names", "tfs"))
            out._genes = GeneNames(columns, names)
            if adata is None:
                out._ask_for(out._of_the_predictor(), tfs)
                return out
        setup = cls._find(adata) if is_recorded(adata, SETUP_LINKS[cls.method]) else {}
        out._genes = GeneNames.of(adata, setup.get("gene_key"), out.params["organism"])
        known = out._of_the_predictor()
        if known.empty:
            msg = f"None of the {adata.n_vars:,} genes of the object is among the {len(out.predictor.nodes):,} of the model."
            raise InputValueError(msg)
        out._ask_for(known, tfs)
        return out

    def _split(self) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
        """Return training pairs, validation pairs, and what ``fit`` reads beside them."""
        inputs = self._given().inputs
        every = np.union1d(inputs.genes, inputs.pairs[["tf", "target"]].to_numpy(dtype=object).ravel())
        train, held = node_features.carve(inputs.pairs, self._seed)
        return train, held, {"genes": every, "expression": inputs.expression, "embedding": inputs.embedding}

    def _given(self) -> Data:
        if self._data is None:
            msg = f"This {type(self).__name__} was loaded: it predicts and does not train on. Make a new one from an AnnData to train."
            raise InputValueError(msg)
        return self._data

    def _trained(self) -> Any:
        return need_training(self, self.predictor)

    def _ask_for(self, known: pd.Index, tfs: np.ndarray) -> None:
        """Know which genes are scored, and which of them are factors."""
        self._scored = known.to_numpy(dtype=object)
        self._tfs = tfs[np.isin(tfs, self._scored)]

    def _of_the_predictor(self) -> pd.Index:
        """Return the genes of the object that the predictor knows."""
        return self._genes.known[self._genes.known.isin(self.predictor.nodes)]

    @classmethod
    def _find(cls, adata: "AnnData") -> dict[str, Any]:
        return recorded(adata, SETUP_LINKS[cls.method], cls.__name__)
