"""``scgrapht``: scGraPhT as an annotation method."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._means import class_means, telling_genes
from scgnn_tools.labels._pca import GenePCA, column_variance
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.scgrapht import fusion, options, saving
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.experts import Experts, rarity
from scgnn_tools.labels.scgrapht.graphs import Graph, edge_values, first_product
from scgnn_tools.labels.scgrapht.network import Activation, Network, Rows
from scgnn_tools.labels.scgrapht.options import Lambda, Logits, Protocol, Scheme
from scgnn_tools.labels.scgrapht.pathway import parse, starts_with_cells
from scgnn_tools.labels.scgrapht.sampling import batches
from scgnn_tools.labels.scgrapht.similarity import Sparsify
from scgnn_tools.train import fit_full_batch

FULL_BATCH, BATCH = 500_000, 8192
"""Training cells up to which an epoch is one step, and cells of a batch above."""


class ScGraPhT:
    """Graph network over cells and genes, fused with a classifier of the cells' vectors.

    Parameters
    ----------
    protocol
        "clean" stops on validation cells and chooses λ on them; a cell that asks is linked to the training cells alone. "paper" has the
        published code's settings: all cells in the graph, bins as weights, 3,000 epochs, the last weights, λ = 0.7, log mixing. What is
        given beside it holds in its place.
    pathway
        "P1" (GG-CG), "P2" (GC-CG), "P3" (CG-CC), "P4" (CC-CC), or any steps that fit: "CG", "CG-GC-CG", ….
    scheme
        "graph": the graph alone; "embedding": the cells' vectors go in where cells come first; "embedding+logits": fused with a classifier
        besides.
    logits
        The classifier: "vectors", a logistic regression on the vectors; "experts", that one mixed with logistic regression on PCA and
        the nearest class mean; or any function of :class:`~scgnn_tools.labels.Cells` that returns log-probabilities, (n_cells, n_classes),
        as a fine-tuned foundation model's (:func:`~scgnn_tools.labels.scgrapht.tuned_logits`).
    lam
        Weight of the graph network: a number, "validation" (searched on validation cells) or "learned" (with the network).
    fuse
        "prob" mixes probabilities, as the paper; "log" their logarithms, as the published code.
    activation
        "repo": layer norm, and LeakyReLU from the second layer on; "paper": ReLU.
    normalize
        "row", "sym" or "none": see :class:`~scgnn_tools.labels.scgrapht.graphs.Graph`.
    values
        Weights of cell–gene edges: "log", log-normalised expression, or "binned", scGPT's bins.
    sparsify
        Of the cosine graphs: None keeps them whole, 15 the most similar 15, 0.5 cosines from there on, "adaptive" those that stand out.
    n_genes, genes
        Genes of the graph: so many "telling" (their means differ most between classes) or "variable" ones.
    principal
        Principal components that are put beside the vectors.
    width, dropout
        Of the network; each layer has half the width of the one before.
    balance
        Power of the size of a class by which its cells count less: 0 none, 1 all classes alike.
    lr, weight_decay
        Of Adam.
    max_epochs, patience
        Most epochs, and how many may pass without a better validation loss; None trains all and keeps the last weights.
    batch_size
        Training cells of a step, with sampled neighbours; None takes all of them up to 500,000, and 8,192 above.
    device
        Where to train.
    checkpoint
        File that keeps the state of training and is gone on from.
    """

    def __init__(
        self,
        *,
        protocol: Protocol = "clean",
        pathway: str = "P2",
        scheme: Scheme = "embedding+logits",
        logits: Logits = "experts",
        lam: Lambda | None = None,
        fuse: fusion.Fuse | None = None,
        activation: Activation | None = None,
        normalize: Literal["none", "row", "sym"] | None = None,
        values: Literal["log", "binned"] | None = None,
        sparsify: Sparsify = None,
        n_genes: int | None = None,
        genes: Literal["telling", "variable"] | None = None,
        principal: int | None = None,
        width: int = 256,
        dropout: float = 0.2,
        balance: float | None = None,
        lr: float | None = None,
        weight_decay: float = 5e-5,
        max_epochs: int | None = None,
        patience: int | None = 30,
        batch_size: int | None = None,
        device: str = "auto",
        checkpoint: Path | None = None,
    ) -> None:
        self.steps = parse(pathway)
        self.options = options.resolve(
            protocol,
            {
                "scheme": scheme, "fuse": fuse, "lam": lam, "activation": activation, "normalize": normalize, "values": values,
                "sparsify": sparsify, "n_genes": n_genes, "genes": genes, "principal": principal, "width": width, "dropout": dropout,
                "balance": balance, "lr": lr, "weight_decay": weight_decay, "max_epochs": max_epochs, "patience": patience,
            },
        )  # fmt: skip
        if not callable(logits) and logits not in ("experts", "vectors"):
            msg = f"logits is 'experts', 'vectors' or a function of cells; got {printable(logits)!r}."
            raise InputValueError(msg)
        self.logits, self.batch_size, self.checkpoint = logits, batch_size, checkpoint
        self.device = resolve_device(device)
        self.interrupted = False

    @property
    def takes_vectors(self) -> bool:
        """Whether vectors of cells go into the graph network."""
        return self.options.scheme != "graph" and starts_with_cells(self.steps)

    @property
    def fused(self) -> bool:
        """Whether its answer is fused with a classifier's."""
        return self.options.scheme in ("embedding+logits", "joint")

    def fit(
        self,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        *,
        unlabeled: Cells | None = None,
        rng: RNG = 0,
    ) -> "ScGraPhT":
        """Train on the training cells; the validation cells stop the training and choose λ."""
        o = self.options
        self._prepare(train, labels)
        self._other = self._classifier(train, labels, validation, validation_labels)
        # the paper's protocol has every cell in the graph; else only if cells without labels are given to be looked at
        whole = o.protocol == "paper" or unlabeled is not None
        members = [train, validation, *([] if unlabeled is None else [unlabeled])] if whole else [train]
        self._assemble(members, attached=not whole)
        positions = np.arange(len(train) + len(validation))
        nodes = self._assembler.nodes()
        ask = self._assembler.members(positions[: len(train)])
        if len(validation) == 0:
            held_out, y_held_out, other_held_out = ask, labels, self._other_scores(train)
        else:
            y_held_out, other_held_out = validation_labels, self._other_scores(validation)
            held_out = (
                self._assembler.members(positions[len(train) :], trained=False) if whole else self._asked(validation)
            )
        n_classes = int(labels.max()) + 1
        weight = np.maximum(np.bincount(labels, minlength=n_classes), 1.0) ** -o.balance
        self._weight = self._tensor(weight / weight[labels].mean())
        number = seed(rng)
        d = self._assembler.first.shape[1] if self._assembler.first is not None else self._n_identity()
        self._network, self.history = fit_full_batch(
            lambda: self._build(d, n_classes),
            self._losses(nodes, ask, labels, self._other_scores(train), number),
            lambda m: float(self._loss(cast("Network", m), nodes, held_out, y_held_out, other_held_out)),
            max_epochs=o.max_epochs,
            lr=o.lr,
            patience=o.patience,
            weight_decay=o.weight_decay,
            rng=number,
            what="scgrapht",
            checkpoint=self.checkpoint,
            plan=self._plan(train, labels, validation, number),
        )
        self.interrupted = bool(self.history.attrs["interrupted"])
        network = cast("Network", self._network)
        with torch.no_grad():
            self._inputs = network.inputs(nodes)
        self.lam = self._choose_lambda(network, validation, validation_labels, labels)
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        graph = self.graph_scores(cells)
        if not self.fused:
            return graph
        return fusion.normalized(fusion.mix(self.lam, graph, self._other_scores(cells), self.options.fuse))

    def graph_scores(self, cells: Cells) -> np.ndarray:
        """Return the log-probabilities of the graph network alone, (n_cells, n_classes)."""
        network = cast("Network", self._network)
        with torch.no_grad():
            return network.classify(self._states(cells)).double().cpu().numpy()

    def other_scores(self, cells: Cells) -> np.ndarray:
        """Return the log-probabilities that the graph network is fused with, (n_cells, n_classes)."""
        return self._other_scores(cells)

    def represent(self, cells: Cells) -> np.ndarray:
        """Return what the last layer sees of each cell, float32 (n_cells, d)."""
        with torch.no_grad():
            return self._states(cells).cpu().numpy()

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return all that :meth:`restore` needs."""
        return saving.state(self)

    def restore(self, tensors: dict[str, np.ndarray], config: dict[str, Any]) -> "ScGraPhT":
        """Become the method that :meth:`state` was asked of."""
        saving.restore(self, tensors, config)
        return self

    def _prepare(self, train: Cells, labels: np.ndarray) -> None:
        o = self.options
        if o.genes == "telling":
            self.genes = telling_genes(class_means(train.expression, labels), o.n_genes)
        else:
            self.genes = np.sort(np.argsort(-column_variance(train.expression), kind="stable")[: o.n_genes])
        self._pca = (
            GenePCA(n_components=o.principal).fit(train.expression) if self.takes_vectors and o.principal else None
        )
        if self.takes_vectors:
            raw = self._raw_vectors(train)
            plain = o.protocol == "paper"  # the vectors as they are
            self._centre = np.zeros(raw.shape[1], np.float32) if plain else raw.mean(axis=0)
            self._spread = np.ones(raw.shape[1], np.float32) if plain else raw.std(axis=0) + 1e-6

    def _assemble(self, members: list[Cells], *, attached: bool) -> None:
        edges = sp.csr_array(sp.vstack([self._edges(c) for c in members], format="csr"))
        graph = Graph(self.steps, edges, self.options.normalize, self.options.sparsify, attached)
        vectors = np.concatenate([self._vectors(c) for c in members]) if self.takes_vectors else None
        first = None if vectors is None else first_product(graph, vectors)
        self._assembler = Assembler(graph, first, vectors, self.device)

    def _classifier(self, train: Cells, labels: np.ndarray, validation: Cells, validation_labels: np.ndarray) -> Any:
        if not self.fused:
            return None
        if callable(self.logits):
            return self.logits
        return Experts(vectors_only=self.logits == "vectors").fit(train, labels, validation, validation_labels)

    def _build(self, d: int, n_classes: int) -> Network:
        o, learned = self.options, self.fused and self.options.lam == "learned"
        net = Network(
            self.steps, d, n_classes, width=o.width, dropout=o.dropout, activation=o.activation, learn_lambda=learned
        )
        return net.to(self.device)

    def _losses(self, nodes: Rows, ask: Rows, labels: np.ndarray, other: np.ndarray | None, number: int) -> Any:
        """Return the loss of an epoch: of all cells at once, or of one batch after another."""
        size = self.batch_size or (BATCH if len(labels) > FULL_BATCH else None)
        if size is None or size >= len(labels):
            return lambda m: self._loss(m, nodes, ask, labels, other)
        rng, cells = np.random.default_rng(number), np.arange(len(labels))

        def epoch(m: nn.Module) -> Iterator[Tensor]:
            for sampled, rows, some in batches(self._assembler, cells, size, rng):
                yield self._loss(
                    cast("Network", m), sampled, rows, labels[some], None if other is None else other[some]
                )

        return epoch

    def _loss(self, m: Network, nodes: Rows, ask: Rows, labels: np.ndarray, other: np.ndarray | None) -> Tensor:
        """Return the loss on some cells: of the fusion where λ is a number or learned, else of the graph network."""
        proba, lam = m(nodes, ask), self.options.lam
        if other is not None and (m.logit_lambda is not None or (lam != "validation" and 0 < float(lam) < 1)):
            weight = torch.sigmoid(m.logit_lambda) if m.logit_lambda is not None else self._tensor(np.array(lam))
            proba = fusion.mix_tensors(weight, proba, self._tensor(other), self.options.fuse)
        return nn.functional.nll_loss(proba, torch.as_tensor(labels, device=self.device), weight=self._weight)

    def _choose_lambda(
        self, network: Network, validation: Cells, validation_labels: np.ndarray, labels: np.ndarray
    ) -> float:
        if not self.fused:
            return 1.0
        if network.logit_lambda is not None:
            return float(torch.sigmoid(network.logit_lambda.detach()))
        if self.options.lam != "validation":
            return float(self.options.lam)
        if len(validation) == 0:
            return fusion.PAPER
        graph, other = self.graph_scores(validation), self._other_scores(validation)
        return fusion.choose(graph, other, validation_labels, rarity(labels), self.options.fuse)

    def _other_scores(self, cells: Cells) -> Any:
        if self._other is None:
            return None
        return self._other(cells) if callable(self._other) else self._other.scores(cells)

    def _states(self, cells: Cells) -> Tensor:
        return cast("Network", self._network).asked(self._asked(cells), self._inputs)

    def _asked(self, cells: Cells) -> Rows:
        return self._assembler.asked(self._edges(cells), self._vectors(cells) if self.takes_vectors else None)

    def _edges(self, cells: Cells) -> sp.csr_array:
        return edge_values(sp.csr_array(cells.expression), self.options.values)[:, self.genes].astype(np.float32)

    def _raw_vectors(self, cells: Cells) -> np.ndarray:
        parts = [cells.embedding] if self._pca is None else [cells.embedding, self._pca.transform(cells.expression)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _vectors(self, cells: Cells) -> np.ndarray:
        return (self._raw_vectors(cells) - self._centre) / self._spread

    def _n_identity(self) -> int:
        cells = self._assembler.graph.cells
        return cells.shape[0] if starts_with_cells(self.steps) else cells.shape[1]

    def _tensor(self, x: np.ndarray) -> Tensor:
        return torch.as_tensor(x, dtype=torch.float32, device=self.device)

    def _plan(self, train: Cells, labels: np.ndarray, validation: Cells, number: int) -> str:
        data = hashlib.sha256(np.ascontiguousarray(train.expression.data).tobytes() + labels.tobytes())
        data.update(
            np.ascontiguousarray(train.embedding).tobytes() + np.ascontiguousarray(validation.embedding).tobytes()
        )
        settings = {k: v for k, v in vars(self.options).items() if k != "max_epochs"}
        return f"{self.steps} {settings} {self.batch_size} {number} {data.hexdigest()}"
