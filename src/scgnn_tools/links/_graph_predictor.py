"""What scRegNet and scTransNet share: a network on the graph of the known edges that is trained, scores pairs, and is saved."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from scgnn_tools._choices import choice, integer
from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, seed, torch_random
from scgnn_tools._write import as_path
from scgnn_tools.links import node_features
from scgnn_tools.links._graph_inputs import GraphInputs, Reading
from scgnn_tools.links._graph_network import LinkNetwork, Shape
from scgnn_tools.links._graph_options import FEATURES, Training, checked_shape
from scgnn_tools.links._graph_training import data_parts, epoch_score, losses
from scgnn_tools.links._protocol import check_pairs
from scgnn_tools.train import fit_full_batch

if TYPE_CHECKING:
    from anndata import AnnData

BLOCK = 2**18


class GraphPredictor:
    """A network that reads each gene in the graph of the known edges, and pairs of genes from that.

    A subclass gives its ``name``, checks its options, and may choose the pairs that are trained on (:meth:`_chosen`).
    """

    name: ClassVar[str]
    _network: LinkNetwork | None = None
    _inputs: GraphInputs | None = None

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
        training.check()
        self._shape, self._training = checked_shape(shape), training
        choice("features", features, FEATURES)
        integer("max_cells", max_cells, or_none=True)
        choice("vectors", vectors, (True, False))
        if shape.backbone is None and not vectors:
            msg = "Without a backbone and without vectors there is nothing to learn from; leave one of them in."
            raise InputValueError(msg)
        if shape.backbone is None:
            features = "embedding"  # nobody reads them
        # whether dropout is live in scoring, as published
        self._always = shape.always and len(self._shape.out) > 1 and shape.dropout > 0
        self._seed, self._device = seed(rng), resolve_device(device)
        self._reading = Reading(
            self.name, features, vectors, as_given, max_cells, shape.backbone, self._seed, self._device
        )
        self._checkpoint = None if checkpoint is None else as_path("checkpoint", checkpoint)
        self._stops = True
        self.history, self.interrupted = pd.DataFrame(columns=["loss", "validation"]), False

    def _build(self, inputs: GraphInputs) -> LinkNetwork:
        return LinkNetwork(inputs.x.shape[1], inputs.d_vectors, self._shape).to(self._device)

    def adopt(self, network: LinkNetwork) -> None:
        """Take a network that was trained before."""
        self._network = network.to(self._device).eval()

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
        inputs = self._reading.inputs(pairs, node_features.nodes(asked, genes), expression, embedding)
        train, held = (node_features.rows(self._chosen(p), inputs.genes, self._device) for p in (pairs, validation))
        self._inputs = inputs
        network, self.history = fit_full_batch(
            lambda: self._build(inputs),
            lambda network: losses(cast("LinkNetwork", network), inputs, train, self._training.batch_size),
            epoch_score(inputs, held, self._training),
            max_epochs=self._training.max_epochs,
            patience=self._training.patience * self._training.every if self._stops else None,
            lr=self._training.lr,
            weight_decay=self._training.weight_decay,
            optimizer=self._training.optimizer,
            rng=self._seed,
            what=self.name,
            checkpoint=self._checkpoint,
            plan=None if self._checkpoint is None else self._plan(data_parts(inputs, train, held)),
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
        network, inputs = self._fitted()
        out = np.full((n, len(pairs)), np.nan)
        tf, target = inputs.genes.get_indexer(pairs["tf"]), inputs.genes.get_indexer(pairs["target"])
        known = np.flatnonzero((tf >= 0) & (target >= 0))
        with torch.no_grad(), torch_random(self._seed):
            for i in range(n):
                a, b = network.genes(inputs.graph, inputs.x, inputs.vectors)
                for start in range(0, len(known), BLOCK):
                    some = known[start : start + BLOCK]
                    left, right = (torch.as_tensor(index[some], device=self._device) for index in (tf, target))
                    out[i, some] = network.head(a[left], b[right]).double().cpu().numpy()
        return out

    def score_grid(self, tfs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the logit of every factor with every target, float32 (n_tfs, n_targets); NaN where a gene is not known."""
        network, inputs = self._fitted()
        i, j = inputs.genes.get_indexer(tfs), inputs.genes.get_indexer(targets)
        out = np.full((len(tfs), len(targets)), np.nan, dtype=np.float32)
        draws = 50 if self._always else 1
        with torch.no_grad(), torch_random(self._seed):
            total: torch.Tensor | float = 0.0
            for _ in range(draws):
                a, b = network.genes(inputs.graph, inputs.x, inputs.vectors)
                left, right = (torch.as_tensor(k[k >= 0], device=self._device) for k in (i, j))
                total = total + network.head.grid(a[left], b[right])
        out[np.ix_(i >= 0, j >= 0)] = (cast("torch.Tensor", total) / draws).cpu().numpy()
        return out

    def represent(self) -> pd.DataFrame:
        """Return what the head sees of each gene, float32, indexed by gene; as a factor and as a target if they differ."""
        network, inputs = self._fitted()
        with torch.no_grad(), torch_random(self._seed):
            a, b = network.genes(inputs.graph, inputs.x, inputs.vectors)
        both = a if a is b else torch.cat([a, b], dim=1)
        return pd.DataFrame(both.cpu().numpy(), index=inputs.genes)

    @property
    def nodes(self) -> np.ndarray:
        """Genes between which messages pass, object (n_genes,)."""
        return np.asarray(self._fitted()[1].genes)

    @property
    def message_graph(self) -> sp.csr_array:
        """The known edges, in both directions, (n_genes, n_genes)."""
        return self._fitted()[1].message_graph

    def _fitted(self) -> tuple[LinkNetwork, GraphInputs]:
        if self._network is None or self._inputs is None:
            msg = f"This {type(self).__name__} knows no genes yet. Call fit() first, or bind() after from_checkpoint()."
            raise InputValueError(msg)
        return self._network, self._inputs

    def _plan(self, data: dict[str, object]) -> dict[str, object]:
        """Return all that decides the training; how long it may take is no part of that."""
        settings = {k: v for k, v in asdict(self._training).items() if k != "max_epochs"}
        own = {"method": self.name, "rng": self._seed, "early stopping": self._stops}
        return {**own, **asdict(self._shape), **settings, **data}

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return what :meth:`restore` needs: arrays by name, and what JSON can hold."""
        network, inputs = self._fitted()
        tensors, config = inputs.state()
        tensors |= {f"network.{k}": v.detach().cpu().numpy() for k, v in network.state_dict().items()}
        return tensors, {**config, "training": asdict(self._training)}

    def restore(self, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> Any:
        """Put back what :meth:`state` gave, into a predictor made with the same options."""
        inputs = GraphInputs.restore(tensors, config, backbone=self._shape.backbone, device=self._device)
        self._training, network = replace(self._training, **config["training"]), self._build(inputs)
        weights = {
            k.removeprefix("network."): torch.as_tensor(v) for k, v in tensors.items() if k.startswith("network.")
        }
        network.load_state_dict(weights)
        self.adopt(network)
        self._inputs = inputs
        return self
