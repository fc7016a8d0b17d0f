"""Expectation and maximisation: the two networks teach each other on cells without a label."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scgnn_tools._random import torch_random
from scgnn_tools.data import length_batches
from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.pca import GenePCA
from scgnn_tools.labels.scbignn.cell_graph import homophily, neighbors
from scgnn_tools.labels.scbignn.cell_network import CellNetwork, messages
from scgnn_tools.labels.scbignn.config import Config
from scgnn_tools.labels.scbignn.gene_network import GeneNetwork, tokens
from scgnn_tools.labels.scbignn.inputs import BipartiteInputs, Genes
from scgnn_tools.labels.scbignn.losses import cross_entropy, m_loss, pseudo_labels
from scgnn_tools.labels.weights import class_weights
from scgnn_tools.nn import Propagation
from scgnn_tools.train import fit_full_batch

MAX_TOKENS = 65_536
ROUND = ("accuracy_q", "accuracy_p", "loss_p", "homophily", "homophily_raw")
"""What is told of a round."""


@dataclass
class Nodes:
    """All cells of the training.

    Attributes
    ----------
    genes
        That the networks see.
    inputs
        Training cells, then those of validation, then those to label that may be looked at.
    labels
        Class of the training cells, int64 (n_train,); of the others nothing is known here.
    validation, validation_labels
        Rows that decide when to stop, and their classes; the training cells where there is no validation cell.
    """

    genes: Genes
    inputs: BipartiteInputs
    labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray

    @property
    def n_train(self) -> int:
        """Number of cells with a label to train on; the first rows."""
        return len(self.labels)


@dataclass
class Plan:
    """How the steps run."""

    config: Config
    n_classes: int
    device: torch.device
    seed: int
    max_epochs: int = 200
    patience: int | None = 20
    checkpoint: Path | None = None
    identity: Mapping[str, object] = field(default_factory=dict)


@dataclass
class Round:
    """The system after an M-step: both networks and what they say of all cells.

    Attributes
    ----------
    q, p
        The networks; p rests on the representations of this q.
    scale
        By which h is divided before cells are compared: its root mean square.
    h, a
        Representations (n_cells, width), scaled, and D^-1 A of their graph.
    log_q, log_p
        Log-probabilities, (n_cells, n_classes).
    score
        Loss of p on the validation cells.
    trained
        Whether p was trained; one that was not has no say, and log_p is log_q.
    """

    q: GeneNetwork
    p: CellNetwork
    scale: float
    h: np.ndarray
    a: sp.csr_array
    log_q: np.ndarray
    log_p: np.ndarray
    score: float
    trained: bool = True


def rounds_of(
    rounds: list[Round], cells: Cells, labels: np.ndarray, rows: np.ndarray, own: np.ndarray, *, k: int
) -> dict[str, list[float]]:
    """Return, a round each, how often q and p are right on some rows and how often neighbours share a label, beside the raw graph.

    Parameters
    ----------
    rounds
        Of :meth:`Steps.run`.
    cells, labels
        All cells of the training, the labelled ones first, and the classes of these.
    rows, own
        Cells that are judged, and their classes.
    k
        Neighbours in the raw graph, of principal components.
    """
    known = np.full(len(cells), -1)
    known[: len(labels)] = labels
    raw = homophily(neighbors(GenePCA().fit(cells.expression).transform(cells.expression), k), known)
    return {
        "accuracy_q": [float((r.log_q[rows].argmax(axis=1) == own).mean()) for r in rounds],
        "accuracy_p": [float((r.log_p[rows].argmax(axis=1) == own).mean()) for r in rounds],
        "loss_p": [float(r.score) for r in rounds],
        "homophily": [homophily(r.a, known) for r in rounds],
        "homophily_raw": [raw] * len(rounds),
    }


def gene_level(q: GeneNetwork, x: sp.csr_array, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Return h (n_cells, width) and log q (n_cells, n_classes) of any number of cells, batches of like length."""
    h = np.zeros((x.shape[0], q.width), dtype=np.float32)
    log_q = np.zeros((x.shape[0], q.n_classes), dtype=np.float32)
    with torch.no_grad():
        for batch in length_batches(np.diff(x.indptr), max_tokens=MAX_TOKENS):
            some, logits = q(tokens(sp.csr_array(x[batch]), device))
            h[batch], log_q[batch] = some.cpu().numpy(), F.log_softmax(logits, dim=1).cpu().numpy()
    return h, log_q


class Steps:
    """The steps of EM on fixed cells."""

    def __init__(self, nodes: Nodes, plan: Plan) -> None:
        self.nodes, self.plan, self.config = nodes, plan, plan.config
        self.interrupted, self.histories = False, list[pd.DataFrame]()
        self.weight = self._tensor(class_weights(nodes.labels, plan.n_classes, plan.config.balance))
        self.labels = self._tensor(nodes.labels)
        self.features = Propagation(nodes.inputs.features, device=plan.device)

    def run(self) -> list[Round]:
        """Train q, then p, then each on what the other says; return the state after each M-step.

        Ctrl-C ends it at once. The step that it falls into keeps its best weights: in the first q answers alone, in an M-step its p
        counts. A q of an E-step without its M-step is left, for the round before it.
        """
        rounds = [self.m_step(self.pretrain(), None, 0)]
        for i in range(1, self.config.iterations + 1):
            if self.interrupted or not len(self.nodes.inputs) > self.nodes.n_train:
                break
            q = self.e_step(rounds[-1], i)
            if self.interrupted:
                break
            rounds.append(self.m_step(q, rounds[-1].p, i))
        return rounds

    def pretrain(self) -> GeneNetwork:
        """Train q on the labelled cells alone."""
        c, x = self.config, self.nodes.inputs.tokens

        def build() -> GeneNetwork:
            length = x.nnz / max(x.shape[0], 1)
            q = GeneNetwork.of(c, x.shape[1], self.plan.n_classes, length).to(self.plan.device)
            return q.standardise(self._tensor(self.nodes.genes.value))

        def losses(q: nn.Module) -> Iterator[Tensor]:
            for batch in self._batches(np.arange(self.nodes.n_train)):
                yield cross_entropy(self._q(q, batch), self.labels[self._tensor(batch)], self.weight) / len(batch)

        epochs = min(c.epochs_genes, self.plan.max_epochs)
        return cast("GeneNetwork", self._fit("q0", build, losses, self._loss_of_q, epochs, c.lr, c.patience_genes))

    def m_step(self, q: GeneNetwork, p: CellNetwork | None, i: int) -> Round:
        """Train p with q fixed: its vectors make the graph, its probabilities the pseudo-labels; after Ctrl-C p is as it was made."""
        c, device = self.config, self.plan.device
        h, log_q = gene_level(q, self.nodes.inputs.tokens, device)
        scale = float(np.sqrt((h**2).mean())) or 1.0
        h /= scale
        a = neighbors(h, c.k, rng=self.plan.seed)
        inputs = (self._tensor(h), self.features, messages(c, a, device))
        said = self._tensor(log_q[self.nodes.n_train :])
        rows, y = self._tensor(self.nodes.validation), self._tensor(self.nodes.validation_labels)

        def build() -> CellNetwork:
            genes = self._tensor(self.nodes.genes.centre), self._tensor(self.nodes.genes.scale)
            new = CellNetwork.of(c, len(genes[0]), self.plan.n_classes).to(device).standardise(*genes)
            if p is not None:
                new.load_state_dict(p.state_dict())
            return new

        def loss(m: nn.Module) -> Tensor:
            return m_loss(m(*inputs), self.labels, said, self.weight, gamma=c.gamma, sample=c.sample)

        def validate(m: nn.Module) -> float:
            return float(F.cross_entropy(m(*inputs)[rows], y))

        if self.interrupted:
            with torch_random(self.plan.seed):
                new = build().eval()
            at = np.arange(len(self.nodes.validation))
            score = float(-log_q[self.nodes.validation][at, self.nodes.validation_labels].mean())
            return Round(deepcopy(q), new, scale, h, a, log_q, log_q, score, trained=False)
        most = self.plan.max_epochs
        new = cast(
            "CellNetwork", self._fit(f"p{i}", build, loss, validate, most, c.lr_cells, c.patience, again=p is not None)
        )
        with torch.no_grad():
            log_p, score = F.log_softmax(new(*inputs), dim=1).cpu().numpy(), validate(new)
        known = np.full(len(h), -1)
        known[: self.nodes.n_train] = self.nodes.labels
        self.histories[-1]["homophily"] = homophily(a, known)
        return Round(deepcopy(q), new, scale, h, a, log_q, log_p, score)

    def e_step(self, last: Round, i: int) -> GeneNetwork:
        """Train q with p fixed, on its pseudo-labels and on the labels."""
        c, n = self.config, self.nodes.n_train
        log_p = self._tensor(last.log_p)

        def losses(q: nn.Module) -> Iterator[Tensor]:
            for batch in self._batches(np.arange(len(last.h)), c.cells_e):
                known, rest = batch[batch < n], batch[batch >= n]
                logits = self._q(q, np.concatenate([known, rest]))
                said = pseudo_labels(log_p[self._tensor(rest)], sample=c.sample)
                labelled = cross_entropy(logits[: len(known)], self.labels[self._tensor(known)], self.weight)
                yield (cross_entropy(logits[len(known) :], said, self.weight) + c.beta * labelled) / len(batch)

        def build() -> GeneNetwork:
            return deepcopy(last.q)

        epochs = min(c.epochs_e, self.plan.max_epochs)
        q = self._fit(f"q{i}", build, losses, self._loss_of_q, epochs, c.lr, c.patience_genes, again=True)
        return cast("GeneNetwork", q)

    def _fit(
        self,
        step: str,
        build: Callable[[], nn.Module],
        loss: Callable[[nn.Module], Tensor | Iterable[Tensor]],
        validate: Callable[[nn.Module], float],
        epochs: int,
        lr: float,
        patience: int,
        *,
        again: bool = False,
    ) -> nn.Module:
        plan, file = self.plan, self.plan.checkpoint
        module, history = fit_full_batch(
            build,
            loss,
            validate,
            max_epochs=epochs,
            patience=None if plan.patience is None else min(patience, plan.patience),
            lr=lr,
            start_counts=again,
            rng=plan.seed + zlib.crc32(step.encode()) % 1000,
            what=f"scbignn {step}",
            checkpoint=None if file is None else file.with_name(f"{file.stem}-{step}{file.suffix}"),
            plan=plan.identity,
        )
        self.interrupted |= bool(history.attrs["interrupted"])
        history.insert(0, "step", step)
        self.histories.append(history)
        return module

    def _q(self, q: nn.Module, cells: np.ndarray) -> Tensor:
        return q(tokens(sp.csr_array(self.nodes.inputs.tokens[cells]), self.plan.device))[1]

    def _loss_of_q(self, q: nn.Module) -> float:
        x = sp.csr_array(self.nodes.inputs.tokens[self.nodes.validation])
        log_q = gene_level(cast("GeneNetwork", q), x, self.plan.device)[1]
        return float(-log_q[np.arange(len(log_q)), self.nodes.validation_labels].mean())

    def _batches(self, cells: np.ndarray, most: int | None = None) -> Iterator[np.ndarray]:
        """Yield batches in random order, of ``most`` cells; from PyTorch's generator, which a resumed run finds as it was."""
        order = cells[torch.randperm(len(cells)).numpy()[:most]]
        for i in range(0, len(order), self.config.batch_size):
            yield order[i : i + self.config.batch_size]

    def _tensor(self, x: np.ndarray) -> Tensor:
        return torch.as_tensor(x, device=self.plan.device)
