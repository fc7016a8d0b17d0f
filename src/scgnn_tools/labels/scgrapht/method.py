"""``scgrapht``: scGraPhT as an annotation method."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from scgnn_tools._device import resolve_device
from scgnn_tools._errors import InputValueError
from scgnn_tools._log import printable
from scgnn_tools._random import RNG, seed
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.means import class_means, telling_genes
from scgnn_tools.labels.pca import GenePCA, column_variance
from scgnn_tools.labels.scgrapht import fusion, options, saving
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.experts import Experts, rarity
from scgnn_tools.labels.scgrapht.graphs import Graph, edge_values, first_product
from scgnn_tools.labels.scgrapht.joint import fit_joint
from scgnn_tools.labels.scgrapht.network import Activation, Network, Rows
from scgnn_tools.labels.scgrapht.options import Lambda, Logits, Protocol, Scheme
from scgnn_tools.labels.scgrapht.pathway import parse, starts_with_cells
from scgnn_tools.labels.scgrapht.sampling import batches
from scgnn_tools.labels.scgrapht.similarity import Sparsify
from scgnn_tools.labels.scgrapht.tuned import TunedEncoder
from scgnn_tools.train import FineTuner, epoch_rng, fit_full_batch

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
        "P1" (GG-CG), "P2" (GC-CG), "P3" (CG-CC), "P4" (CC-CC), or any steps that fit: "CG", "CG-GC-CG", …. None is "CG", the best in our
        measurements when fused, and P2, the best in the paper's, where vectors have to go in ("embedding", "joint") and for its protocol.
    scheme
        "graph": the graph alone; "embedding": the cells' vectors go in where cells come first; "embedding+logits": fused with a classifier
        besides; "joint": a fine-tuned foundation model is trained on with it, through its logits.
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
        Of the cosine graphs (CC, GG): 15 keeps the most similar 15 of a node, 0.5 cosines from there on, "adaptive" those that stand out,
        "whole" all. None is 15, and "whole" for the paper's protocol.
    n_genes, genes
        Genes of the graph: so many "telling" (their means differ most between classes) or "variable" ones.
    principal
        Principal components that are put beside the vectors; none by default.
    encoder, encoder_lr
        For "joint": a trained ``FineTuner(task="classification")`` of the same classes, which is copied, and the learning rate of its
        weights.
    width, dropout
        Of the network; each layer has half the width of the one before.
    balance
        Power of the size of a class by which its cells count less: 0 none, 1 all classes alike.
    lr, weight_decay
        Of Adam.
    max_epochs, patience
        Most epochs, and how many may pass without a better validation loss; None trains all and keeps the last weights.
    batch_size
        Training cells of a step, with sampled neighbours; None takes all of them up to 500,000, 8,192 above, and 32 for "joint".
    device
        Where to train.
    checkpoint
        File that keeps the state of training and is gone on from.
    """

    def __init__(
        self,
        *,
        protocol: Protocol = "clean",
        pathway: str | None = None,
        scheme: Scheme = "embedding+logits",
        logits: Logits = "experts",
        lam: Lambda | None = None,
        fuse: fusion.Fuse | None = None,
        activation: Activation | None = None,
        normalize: Literal["none", "row", "sym"] | None = None,
        values: Literal["log", "binned"] | None = None,
        sparsify: Sparsify | None = None,
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
        encoder: FineTuner | None = None,
        encoder_lr: float = 1e-5,
        device: str = "auto",
        checkpoint: Path | None = None,
    ) -> None:
        self.steps = parse(options.default_pathway(protocol, scheme) if pathway is None else pathway)
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
        if (scheme == "joint") != (encoder is not None):
            msg = "scheme='joint' and encoder= (a trained FineTuner(task='classification')) go together; pass both or none."
            raise InputValueError(msg)
        self._encoder = None if encoder is None else TunedEncoder(encoder)
        self.encoder_lr = encoder_lr
        self.logits, self.batch_size, self.checkpoint = logits, batch_size, checkpoint
        self.device = resolve_device(device)
        self.interrupted = False
        self._encoded: tuple[Cells, tuple[np.ndarray, np.ndarray]] | None = None

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
        o, n_classes, number = self.options, int(labels.max()) + 1, seed(rng)
        if self._encoder is not None:
            self._encoder.check(n_classes)
        self._prepare(train, labels)
        self._other = self._classifier(train, labels, validation, validation_labels)
        # the paper's protocol has every cell in the graph; else only if cells without labels are given to be looked at
        whole = o.protocol == "paper" or unlabeled is not None
        members = [train, validation, *([] if unlabeled is None else [unlabeled])]
        self._assemble(members if whole else [train], attached=not whole)
        weight = np.maximum(np.bincount(labels, minlength=n_classes), 1.0) ** -o.balance
        self._weight = self._tensor(weight / weight[labels].mean())
        if self._encoder is not None:
            self._network, self.history, nodes = fit_joint(self, members, labels, validation_labels, n_classes, number)
        else:
            nodes = self._assembler.nodes()
            self._network, self.history = self._fit(nodes, train, labels, validation, validation_labels, number)
        self.interrupted = bool(self.history.attrs["interrupted"])
        with torch.no_grad():
            self._inputs = self._network.inputs(nodes)
        self._encoded = None
        self.lam = self._choose_lambda(validation, validation_labels, labels)
        return self

    def scores(self, cells: Cells) -> np.ndarray:
        """Return log-probabilities, (n_cells, n_classes)."""
        graph = self.graph_scores(cells)
        if not self.fused:
            return graph
        return fusion.normalized(fusion.mix(self.lam, graph, self._other_scores(cells), self.options.fuse))

    def graph_scores(self, cells: Cells) -> np.ndarray:
        """Return the log-probabilities of the graph network alone, (n_cells, n_classes)."""
        with torch.no_grad():
            return self._network.classify(self._states(cells)).double().cpu().numpy()

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

    def _fit(
        self,
        nodes: Rows,
        train: Cells,
        labels: np.ndarray,
        validation: Cells,
        validation_labels: np.ndarray,
        number: int,
    ) -> tuple[Network, pd.DataFrame]:
        o, positions = self.options, np.arange(len(train) + len(validation))
        ask = self._assembler.members(positions[: len(train)])
        held_out, truth, others = ask, labels, self._other_scores(train)
        if len(validation):
            inside = not self._assembler.graph.attached
            held_out = (
                self._assembler.members(positions[len(train) :], trained=False) if inside else self._asked(validation)
            )
            truth, others = validation_labels, self._other_scores(validation)
        module, history = fit_full_batch(
            lambda: self._build(self._width(), int(labels.max()) + 1),
            self._losses(nodes, ask, labels, self._other_scores(train)),
            lambda m: float(self._loss(cast("Network", m), nodes, held_out, truth, others)),
            max_epochs=o.max_epochs,
            lr=o.lr,
            patience=o.patience,
            weight_decay=o.weight_decay,
            rng=number,
            what="scgrapht",
            checkpoint=self.checkpoint,
            plan=self._plan(train, labels, validation, number),
        )
        return cast("Network", module), history

    def _prepare(self, train: Cells, labels: np.ndarray) -> None:
        o = self.options
        if o.genes == "telling":
            self.genes = telling_genes(class_means(train.expression, labels), o.n_genes)
        else:
            self.genes = np.sort(np.argsort(-column_variance(train.expression), kind="stable")[: o.n_genes])
        beside = self.takes_vectors and o.principal and self._encoder is None
        self._pca = GenePCA(n_components=o.principal).fit(train.expression) if beside else None
        if self.takes_vectors:
            raw = self._raw_vectors(train)
            plain = o.protocol == "paper" or self._encoder is not None  # the vectors as they are
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
        if self._encoder is not None:
            return lambda cells: self._encode(cells)[1]
        if callable(self.logits):
            return self.logits
        return Experts(vectors_only=self.logits == "vectors").fit(train, labels, validation, validation_labels)

    def _build(self, d: int, n_classes: int) -> Network:
        o, learned = self.options, self.fused and self.options.lam == "learned"
        net = Network(
            self.steps, d, n_classes, width=o.width, dropout=o.dropout, activation=o.activation, learn_lambda=learned
        )
        return net.to(self.device)

    def _losses(self, nodes: Rows, ask: Rows, labels: np.ndarray, other: np.ndarray | None) -> Any:
        """Return the loss of an epoch: of all cells at once, or of one batch after another."""
        size = self.batch_size or (BATCH if len(labels) > FULL_BATCH else None)
        if size is None or size >= len(labels):
            return lambda m: self._loss(m, nodes, ask, labels, other)

        def epoch(m: nn.Module) -> Iterator[Tensor]:
            for sampled, rows, some in batches(self._assembler, np.arange(len(labels)), size, epoch_rng()):
                yield self._loss(
                    cast("Network", m), sampled, rows, labels[some], None if other is None else other[some]
                )

        return epoch

    def _loss(self, m: Network, nodes: Rows, ask: Rows, labels: np.ndarray, other: np.ndarray | None) -> Tensor:
        """Return the loss on some cells: of the fusion where λ is a number or learned, else of the graph network."""
        searched = m.logit_lambda is None and self.options.lam == "validation"
        beside = None if other is None or searched else self._tensor(other)
        return self._fused_loss(m, m(nodes, ask), beside, labels)

    def _fused_loss(self, m: Network, proba: Tensor, other: Tensor | None, labels: np.ndarray) -> Tensor:
        """Return the loss of the fusion with other log-probabilities, if there are any."""
        if other is not None:
            lam = fusion.PAPER if self.options.lam in ("validation", "learned") else float(self.options.lam)
            weight = self._tensor(np.array(lam)) if m.logit_lambda is None else torch.sigmoid(m.logit_lambda)
            if self._encoder is not None or m.logit_lambda is not None or 0 < lam < 1:
                proba = fusion.mix_tensors(weight.clamp(1e-6, 1 - 1e-6), proba, other, self.options.fuse)
        return nn.functional.nll_loss(proba, torch.as_tensor(labels, device=self.device), weight=self._weight)

    def _choose_lambda(self, validation: Cells, validation_labels: np.ndarray, labels: np.ndarray) -> float:
        if not self.fused:
            return 1.0
        if self._network.logit_lambda is not None:
            return float(torch.sigmoid(self._network.logit_lambda.detach()))
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

    def _encode(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Return the foundation model's vectors and log-probabilities, which are wanted twice and computed once."""
        if self._encoded is None or self._encoded[0] is not cells:
            encoder = cast("TunedEncoder", self._encoder)
            self._encoded = (cells, encoder.table(encoder.tokens(cells)))
        return self._encoded[1]

    def _states(self, cells: Cells) -> Tensor:
        return self._network.asked(self._asked(cells), self._inputs)

    def _asked(self, cells: Cells) -> Rows:
        return self._assembler.asked(self._edges(cells), self._vectors(cells) if self.takes_vectors else None)

    def _edges(self, cells: Cells) -> sp.csr_array:
        return edge_values(sp.csr_array(cells.expression), self.options.values)[:, self.genes].astype(np.float32)

    def _raw_vectors(self, cells: Cells) -> np.ndarray:
        if self._encoder is not None:
            return self._encode(cells)[0]
        parts = [cells.embedding] if self._pca is None else [cells.embedding, self._pca.transform(cells.expression)]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _vectors(self, cells: Cells) -> np.ndarray:
        return (self._raw_vectors(cells) - self._centre) / self._spread

    def _width(self) -> int:
        """Return the width of the input: of the vectors, or the number of nodes where it is the identity."""
        if self._assembler.first is not None:
            return self._assembler.first.shape[1]
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
