"""What scRegNet and scTransNet share: nodes, features and message graph, training whole or in batches, scoring, saving."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import nn

from scgnn_tools._choices import choice, integer, number
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, generator, seed, torch_random
from scgnn_tools._write import as_path
from scgnn_tools.links import node_features
from scgnn_tools.links._backbones import operator
from scgnn_tools.links._graph_network import LinkNetwork, Shape
from scgnn_tools.links._protocol import check_pairs, needs
from scgnn_tools.store import digest
from scgnn_tools.train import fit_full_batch

if TYPE_CHECKING:
    from anndata import AnnData

BLOCK = 2**18
RANDOM_WIDTH = 64
MAX_CELLS = 2000
FEATURES = ("embedding", "expression", "counts", "random")


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Attributes
    ----------
    lr, weight_decay, optimizer
        Of the optimizer: "Adam", "RMSprop" or "SGD".
    max_epochs, patience, every
        Most epochs; validations without a better score before the end; epochs from one validation to the next.
    batch_size
        Pairs a step; None takes all of them. Every step passes messages over the whole graph, so steps are what training costs.
    select
        The epoch that is kept has the least validation "loss", or the best "auroc" or "auprc".
    """

    lr: float = 5e-3
    weight_decay: float = 1e-4
    optimizer: Literal["Adam", "RMSprop", "SGD"] = "Adam"
    max_epochs: int = 200
    patience: int = 20
    every: int = 1
    batch_size: int | None = None
    select: Literal["loss", "auroc", "auprc"] = "loss"

    def changed(self, **given: Any) -> "Training":
        """Return it with other values where one is given."""
        return replace(self, **{k: v for k, v in given.items() if v is not None})


class GraphPredictor:
    """A network that reads each gene in the graph of the known edges, and pairs of genes from that.

    A subclass gives its ``name``, checks its options, and may choose the pairs that are trained on (:meth:`_chosen`).
    """

    name: ClassVar[str]
    _network: LinkNetwork | None = None
    _x: Any = None

    def __init__(
        self,
        shape: Shape,
        training: Training,
        *,
        features: str,
        vectors: bool,
        as_given: bool,
        max_cells: int | None,
        rng: RNG,
        device: str,
        checkpoint: str | Path | None,
    ) -> None:
        choice("features", features, FEATURES)
        choice("select", training.select, ("loss", "auroc", "auprc"))
        choice("optimizer", training.optimizer, ("Adam", "RMSprop", "SGD"))
        for what in ("max_epochs", "patience", "every"):
            integer(what, getattr(training, what))
        integer("batch_size", training.batch_size, or_none=True)
        integer("max_cells", max_cells, or_none=True)
        number("lr", training.lr, above=0)
        number("weight_decay", training.weight_decay, least=0)
        number("dropout", shape.dropout, least=0, below=1)
        number("slope", shape.slope, least=0)
        heads = _heads(shape.heads)
        choice("vectors", vectors, (True, False))
        widths = {name: _widths(name, getattr(shape, name)) for name in ("hidden", "out")}
        self._shape = replace(shape, heads=heads, **widths)  # type: ignore[arg-type]
        if shape.backbone is None and not vectors:
            msg = "Without a backbone and without vectors there is nothing to learn from; leave one of them in."
            raise InputValueError(msg)
        # whether dropout is live in scoring, as published
        self._always = shape.always and len(widths["out"]) > 1 and shape.dropout > 0
        if shape.backbone is None:
            features = "embedding"  # nobody reads them
        self._training, self._features, self._with_vectors, self._as_given = training, features, vectors, as_given
        self._max_cells, self._seed, self._device = max_cells, seed(rng), resolve_device(device)
        self._checkpoint = None if checkpoint is None else as_path("checkpoint", checkpoint)
        self._stops = True
        self.history, self.interrupted = pd.DataFrame(columns=["loss", "validation"]), False

    def _build(self) -> LinkNetwork:
        return LinkNetwork(self._x.shape[1], self._d_vectors, self._shape)

    def train_all_epochs(self) -> None:
        """Let :meth:`fit` train all epochs and keep the last weights."""
        self._stops = False

    def _chosen(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return the pairs that are trained on, or stopped on."""
        return pairs

    def fit(
        self,
        pairs: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        genes: np.ndarray | None = None,
        expression: "AnnData | None" = None,
        embedding: pd.DataFrame | None = None,
    ) -> Any:
        """Train on the pairs; messages pass over their positive ones only, in both directions."""
        pairs = check_pairs(pairs)
        if validation is None:
            pairs, validation = node_features.carve(pairs, self._seed)
        validation = check_pairs(validation)
        asked = pd.concat([pairs, validation])
        self._read(pairs, node_features.nodes(asked, genes), expression, embedding)
        train, held = (node_features.rows(self._chosen(p), self._genes, self._device) for p in (pairs, validation))
        network, self.history = fit_full_batch(
            lambda: self._build().to(self._device),
            lambda network: self._losses(cast("LinkNetwork", network), train),
            self._validation(held),
            max_epochs=self._training.max_epochs,
            patience=self._training.patience * self._training.every if self._stops else None,
            lr=self._training.lr,
            weight_decay=self._training.weight_decay,
            optimizer=self._training.optimizer,
            rng=self._seed,
            what=self.name,
            checkpoint=self._checkpoint,
            plan=None if self._checkpoint is None else self._plan(train, held),
        )
        self._network = cast("LinkNetwork", network)
        self.history["validation"] = self.history["validation"].replace(np.inf, np.nan)  # no validation was due
        self.interrupted = bool(self.history.attrs.get("interrupted", False))
        return self

    def score(self, pairs: pd.DataFrame) -> np.ndarray:
        """Return the logit of each pair; NaN where a gene was not among those of the fit."""
        return self.sample(pairs, 50).mean(axis=0) if self._always else self.sample(pairs, 1)[0]

    def sample(self, pairs: pd.DataFrame, n: int = 50) -> np.ndarray:
        """Return ``n`` scorings, float64 (n, n_pairs), which differ only if dropout is live in scoring, as in the published code."""
        pairs = check_pairs(pairs, labelled=False)
        network, graph = self._fitted()
        out = np.full((n, len(pairs)), np.nan)
        tf, target = self._genes.get_indexer(pairs["tf"]), self._genes.get_indexer(pairs["target"])
        known = np.flatnonzero((tf >= 0) & (target >= 0))
        with torch.no_grad(), torch_random(self._seed):
            for i in range(n):
                a, b = network.genes(graph, self._x, self._vectors)
                for start in range(0, len(known), BLOCK):
                    some = known[start : start + BLOCK]
                    left, right = (torch.as_tensor(index[some], device=self._device) for index in (tf, target))
                    out[i, some] = network.head(a[left], b[right]).double().cpu().numpy()
        return out

    def score_grid(self, tfs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the logit of every factor with every target, float32 (n_tfs, n_targets); NaN where a gene is not known."""
        network, graph = self._fitted()
        i, j = self._genes.get_indexer(tfs), self._genes.get_indexer(targets)
        out = np.full((len(tfs), len(targets)), np.nan, dtype=np.float32)
        draws = 50 if self._always else 1
        with torch.no_grad(), torch_random(self._seed):
            total: torch.Tensor | float = 0.0
            for _ in range(draws):
                a, b = network.genes(graph, self._x, self._vectors)
                left, right = (torch.as_tensor(k[k >= 0], device=self._device) for k in (i, j))
                total = total + network.head.grid(a[left], b[right])
        out[np.ix_(i >= 0, j >= 0)] = (cast("torch.Tensor", total) / draws).cpu().numpy()
        return out

    def represent(self) -> pd.DataFrame:
        """Return what the head sees of each gene, float32, indexed by gene; as a factor and as a target if they differ."""
        network, graph = self._fitted()
        with torch.no_grad():
            a, b = network.genes(graph, self._x, self._vectors)
        both = a if a is b else torch.cat([a, b], dim=1)
        return pd.DataFrame(both.cpu().numpy(), index=self._genes)

    def _read(
        self, pairs: pd.DataFrame, genes: pd.Index, expression: "AnnData | None", embedding: pd.DataFrame | None
    ) -> None:
        """Keep features and vectors of the genes, and the graph of the positive pairs."""
        self._genes = genes
        x, vectors = self._inputs(expression, embedding)
        self._x = torch.as_tensor(x, device=self._device)
        # the same array is kept once
        same = vectors is x
        self._vectors = None if vectors is None else self._x if same else torch.as_tensor(vectors, device=self._device)
        edges = pairs[pairs["label"] == 1]
        self._directed = node_features.directed(edges, genes)
        self._is_tf = np.isin(np.arange(len(genes)), genes.get_indexer(pairs["tf"]))
        self._connect()

    def _connect(self) -> None:
        """Make what messages pass over."""
        self.message_graph = sp.csr_array(self._directed.maximum(self._directed.T))
        kind = self._shape.backbone
        self._graph = None if kind is None else operator(kind, self._directed, self._is_tf, device=self._device)

    def _inputs(
        self, expression: "AnnData | None", embedding: pd.DataFrame | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        vectors = None
        if self._with_vectors or self._features == "embedding":
            needs(embedding, "embedding", self.name)
            table: pd.DataFrame = embedding  # type: ignore[assignment]
            given = self._as_given
            vectors = (
                node_features.as_given(table, self._genes)[0]
                if given
                else node_features.standardised(table, self._genes)
            )
        if self._features == "embedding":
            x: np.ndarray = vectors  # type: ignore[assignment]
        elif self._features == "random":
            x = generator(self._seed).normal(size=(len(self._genes), RANDOM_WIDTH)).astype(np.float32)
        else:
            x = node_features.expression_rows(
                expression,
                self._genes,
                self.name,
                scaled=self._features == "expression",
                as_it_stands=self._as_given or self._features == "counts",
                max_cells=self._max_cells,
                rng=self._seed,
            )
        return x, vectors if self._with_vectors else None

    @property
    def nodes(self) -> np.ndarray:
        """Genes between which messages pass, object (n_genes,)."""
        return np.asarray(self._genes)

    @property
    def _d_vectors(self) -> int:
        return 0 if self._vectors is None else self._vectors.shape[1]

    def _fitted(self) -> tuple[LinkNetwork, Any]:
        if self._network is None or self._x is None:
            msg = f"This {type(self).__name__} knows no genes yet. Call fit() first, or bind() after from_checkpoint()."
            raise InputValueError(msg)
        return self._network, self._graph

    def _losses(self, network: LinkNetwork, train: node_features.Rows) -> Iterator[torch.Tensor]:
        n = len(train[2])
        size = self._training.batch_size or n
        order = torch.randperm(n, device=self._device) if size < n else torch.arange(n, device=self._device)
        for start in range(0, n, size):
            yield self._loss(network, tuple(t[order[start : start + size]] for t in train))  # type: ignore[arg-type]

    def _loss(self, network: LinkNetwork, part: node_features.Rows) -> torch.Tensor:
        return nn.functional.binary_cross_entropy_with_logits(self._logits(network, part), part[2])

    def _logits(self, network: LinkNetwork, part: node_features.Rows) -> torch.Tensor:
        a, b = network.genes(self._graph, self._x, self._vectors)
        return network.head(a[part[0]], b[part[1]])

    def _plan(self, train: node_features.Rows, held: node_features.Rows) -> dict[str, object]:
        """Return all that decides the training; how long it may take is no part of that."""
        settings = {k: v for k, v in asdict(self._training).items() if k != "max_epochs"}
        arrays = [t.cpu().numpy() for t in train], [t.cpu().numpy() for t in held]
        vectors = None if self._vectors is None else self._vectors.cpu().numpy()
        return {
            "method": self.name, "rng": self._seed, "early stopping": self._stops, **asdict(self._shape), **settings,
            "genes": digest(np.array(self._genes)), "features": digest(self._x.cpu().numpy()), "gene vectors": digest(vectors),
            "edges": digest(self._directed, self._is_tf), "training pairs": digest(arrays[0]), "validation pairs": digest(arrays[1]),
        }  # fmt: skip

    def _validation(self, held: node_features.Rows) -> Any:
        """Return the score of an epoch, lower is better, infinite where none is due."""
        from sklearn.metrics import average_precision_score, roc_auc_score

        epoch = 0

        def validate(network: LinkNetwork) -> float:
            nonlocal epoch
            epoch += 1
            if epoch % self._training.every:
                return float("inf")
            if len(held[2]) == 0:
                return -float(epoch)  # nothing to stop on: the last epoch is kept
            if self._training.select == "loss":
                return float(self._loss(network, held))
            metric = roc_auc_score if self._training.select == "auroc" else average_precision_score
            return -float(metric(held[2].cpu(), self._logits(network, held).cpu()))

        return validate

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what :meth:`restore` needs: arrays by name, and what JSON can hold."""
        network, _ = self._fitted()
        tensors = {f"network.{k}": v.detach().cpu().numpy() for k, v in network.state_dict().items()}
        tensors |= {"x": self._x.cpu().numpy(), "is_tf": self._is_tf}
        tensors |= {"graph.indptr": self._directed.indptr, "graph.indices": self._directed.indices}
        if self._vectors is not None and self._vectors is not self._x:
            tensors["vectors"] = self._vectors.cpu().numpy()
        config = {"genes": list(map(str, self._genes)), "training": asdict(self._training), "vectors": self._d_vectors}
        return tensors, config

    def restore(self, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> Any:
        """Put back what :meth:`state` gave, into a predictor made with the same options."""
        self._genes = pd.Index(np.array(config["genes"], dtype=object))
        self._training = replace(self._training, **config["training"])
        self._x, self._is_tf = torch.as_tensor(tensors["x"], device=self._device), tensors["is_tf"]
        own = tensors.get("vectors")
        shared = self._x if config["vectors"] else None
        self._vectors = shared if own is None else torch.as_tensor(own, device=self._device)
        indptr, indices = tensors["graph.indptr"], tensors["graph.indices"]
        ones = np.ones(len(indices), dtype=np.float32)
        self._directed = sp.csr_array((ones, indices, indptr), shape=(len(self._genes),) * 2)
        self._connect()
        self._network = self._build().to(self._device).eval()
        weights = {
            k.removeprefix("network."): torch.as_tensor(v) for k, v in tensors.items() if k.startswith("network.")
        }
        self._network.load_state_dict(weights)
        return self


def _heads(value: Any) -> int | tuple[int, ...]:
    """Return the number of heads, of all layers or of each."""
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(integer("heads", v) for v in value)
    return integer("heads", value)


def _widths(name: str, value: Any) -> tuple[int, ...]:
    try:
        widths = tuple(int(v) for v in value)
    except (TypeError, ValueError, OverflowError):
        widths = ()
    if not widths or min(widths) < 1:
        msg = f"{name} is the width of each layer, such as (64, 64); got {value!r}."
        raise InputValueError(msg)
    return widths
