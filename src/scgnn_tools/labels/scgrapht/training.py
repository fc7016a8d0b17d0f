"""Training of the graph network: what is given, what is lost, and the epochs of the network alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.scgrapht import fusion
from scgnn_tools.labels.scgrapht.assemble import Assembler
from scgnn_tools.labels.scgrapht.intake import Intake
from scgnn_tools.labels.scgrapht.network import PathwayNetwork, Rows
from scgnn_tools.labels.scgrapht.options import Options
from scgnn_tools.labels.scgrapht.partner import Partner
from scgnn_tools.labels.scgrapht.sampling import batches
from scgnn_tools.labels.weights import class_weights
from scgnn_tools.store import digest
from scgnn_tools.train import epoch_rng, fit_full_batch
from scgnn_tools.train.together import ALONE, Together

FULL_BATCH, BATCH = 500_000, 8192
"""Training cells up to which an epoch is one step, and cells of a batch above."""
EXACT_FULL_BATCH, EXACT_BATCH = 8192, 2048
"""The same for a pathway of one step, in which a batch is no approximation: nobody hears from a cell of another batch."""
LAMBDA_LR = 0.05
"""Learning rate of λ where it is learned: of the network's own it would hardly leave the place where it begins."""


@dataclass(frozen=True)
class Problem:
    """What a network is trained on.

    Attributes
    ----------
    options
        Of the method.
    intake, assembler
        What the graph takes from cells, and the graph.
    members
        Training cells, validation cells, and those without labels that are in the graph.
    labels, validation_labels
        Of the first two.
    n_classes
        Number of classes.
    other
        What the network is fused with.
    batch_size
        Training cells of a step, as in :class:`~scgnn_tools.labels.scgrapht.ScGraPhT`.
    checkpoint
        File of the state of training.
    rng
        Seed.
    together
        The processes that train it.
    """

    options: Options
    intake: Intake
    assembler: Assembler
    members: list[Cells]
    labels: np.ndarray
    validation_labels: np.ndarray
    n_classes: int
    other: Partner | None
    batch_size: int | None
    checkpoint: Path | None
    rng: int
    together: Together = ALONE

    @property
    def step(self) -> int | None:
        """Training cells of a step; None for all of them at once."""
        n = len(self.labels)
        if self.batch_size is not None or n > FULL_BATCH:
            return self.batch_size or BATCH
        o = self.options  # joint training has batches of its own
        exact = len(self.assembler.graph.steps) == 1 and o.protocol == "clean" and o.scheme != "joint"
        return EXACT_BATCH if exact and n > EXACT_FULL_BATCH else None

    def network(self) -> PathwayNetwork:
        """Return a new network."""
        a = self.assembler
        return self.options.network(a.graph.steps, a.width, self.n_classes, of_genes=a.of_genes).to(a.device)

    def fit(
        self, build: Any, losses: Any, validate: Any, *, what: str, also: Mapping[str, object] | None = None, **how: Any
    ) -> tuple[nn.Module, pd.DataFrame]:
        """Train what ``build`` makes; see :func:`scgnn_tools.train.fit_full_batch`. ``also`` decides the result, beside the plan."""
        o, plan = self.options, None if self.checkpoint is None else {**self.plan(), **(also or {})}
        return fit_full_batch(
            build, losses, validate, max_epochs=o.max_epochs, lr=o.lr, patience=o.patience, weight_decay=o.weight_decay,
            rng=self.rng, what=what, checkpoint=self.checkpoint, plan=plan, together=self.together, **how,
        )  # fmt: skip

    def loss(self, m: PathwayNetwork, nodes: Rows, ask: Rows, labels: np.ndarray, other: np.ndarray | None) -> Tensor:
        """Return the loss on some cells: of the fusion where λ is a number or learned, else of the graph network."""
        searched = m.logit_lambda is None and self.options.lam == "validation"
        beside = None if other is None or searched else self.assembler.tensor(other)
        return self.fused_loss(m, m(nodes, ask), beside, labels)

    def fused_loss(self, m: PathwayNetwork, proba: Tensor, other: Tensor | None, labels: np.ndarray) -> Tensor:
        """Return the loss of the fusion with other log-probabilities, if there are any."""
        o = self.options
        if other is not None:
            lam = fusion.PAPER if o.lam in ("validation", "learned") else float(o.lam)
            weight = self.assembler.tensor(np.array(lam))
            if m.logit_lambda is not None:  # which is learned on held-out cells, see below
                weight = torch.sigmoid(m.logit_lambda.detach())
            if o.scheme == "joint" or o.protocol == "paper" or m.logit_lambda is not None or 0 < lam < 1:
                proba = fusion.mix_tensors(weight.clamp(1e-6, 1 - 1e-6), proba, other, o.fuse)
        truth = torch.as_tensor(labels, device=self.assembler.device)
        return nn.functional.nll_loss(proba, truth, weight=self._class_weight)

    def lambda_loss(self, m: PathwayNetwork, nodes: Rows, held_out: Rows, other: np.ndarray | None) -> Tensor | float:
        """Return the loss that λ learns from: of the fusion on the validation cells, of which the network learns nothing; else 0."""
        n = len(self.validation_labels)
        if m.logit_lambda is None or other is None or not n:
            return 0.0
        m.eval()
        with torch.no_grad():
            graph = m(nodes, held_out)
        m.train()
        lam = torch.sigmoid(m.logit_lambda).clamp(1e-6, 1 - 1e-6)
        fused = fusion.mix_tensors(lam, graph, self.assembler.tensor(other), self.options.fuse)
        fused = fused - fused.logsumexp(dim=1, keepdim=True)
        truth = torch.as_tensor(self.validation_labels, device=self.assembler.device)
        held = fusion.BELIEF * (fusion.EXPECTED * torch.log(lam) + (1 - fusion.EXPECTED) * torch.log1p(-lam)) / n
        return nn.functional.nll_loss(fused, truth, weight=self._class_weight) - held

    @cached_property
    def _class_weight(self) -> Tensor:
        return self.assembler.tensor(class_weights(self.labels, self.n_classes, self.options.balance))

    def mass(self, labels: np.ndarray) -> float:
        """Return what the loss on some cells, which is a mean, was divided by."""
        return float(self._class_weight.cpu().numpy()[labels].sum())

    def others(self, cells: Cells) -> np.ndarray | None:
        """Return the log-probabilities that the network is fused with; None if there are none."""
        return None if self.other is None else self.other.scores(cells)

    def plan(self) -> dict[str, object]:
        """Return all that decides the training; how long it may take is no part of that."""
        settings = {k: v for k, v in vars(self.options).items() if k not in ("max_epochs", "gene_graph")}
        train, validation, *rest = (digest(c.expression, c.embedding, c.genes, c.totals) for c in self.members)
        plan: dict[str, object] = {
            "method": "scgrapht", "pathway": self.assembler.graph.steps, "batch_size": self.step, "rng": self.rng, **settings,
            "training cells": train, "validation cells": validation, "unlabelled cells": digest(rest),
            "labels": digest(self.labels, self.validation_labels), "vectors of genes": digest(self.assembler.of_genes),
            **({"logits": "NoneType"} if self.other is None else self.other.plan(self.members)),
        }  # fmt: skip
        if self.assembler.graph.gene_graph is not None:  # what it holds decides, and not what it is called
            plan["graph of genes"] = digest(self.assembler.graph.gene_graph)
        return plan


def fit_graph(problem: Problem) -> tuple[PathwayNetwork, pd.DataFrame, Rows]:
    """Train the network alone; return it, its history, and the rows of the graph's nodes."""
    p, a = problem, problem.assembler
    (train, validation), n_train = p.members[:2], len(p.labels)
    nodes, ask = a.nodes(), a.members(np.arange(n_train))
    held_out, truth, others = ask, p.labels, p.others(train)
    if len(validation):
        at = n_train + np.arange(len(validation))
        held_out = _asked(p, validation) if a.graph.attached else a.members(at, trained=False)
        truth, others = p.validation_labels, p.others(validation)
    module, history = p.fit(
        p.network,
        _losses(p, nodes, ask, held_out, others),
        lambda m: float(p.loss(m, nodes, held_out, truth, others)),
        what="scgrapht",
        groups=lambda m: groups_of(cast("PathwayNetwork", m)),
    )
    return cast("PathwayNetwork", module), history, nodes


def _asked(p: Problem, cells: Cells) -> Rows:
    return p.assembler.asked(p.intake.edges(cells), p.intake.vectors_of(cells))


def groups_of(network: PathwayNetwork) -> list[dict[str, Any]]:
    """Return the parameters of a network as Adam takes them: λ has a learning rate of its own, and no decay."""
    lam = network.logit_lambda
    rest = [w for w in network.parameters() if w is not lam]
    return [{"params": rest}, *([] if lam is None else [{"params": [lam], "lr": LAMBDA_LR, "weight_decay": 0.0}])]


def _losses(p: Problem, nodes: Rows, ask: Rows, held_out: Rows, of_held_out: np.ndarray | None) -> Any:
    """Return the loss of an epoch: of all cells at once, or of one batch after another."""
    labels, other = p.labels, p.others(p.members[0])
    size = p.step
    if size is None or size >= len(labels):
        return lambda m: p.loss(m, nodes, ask, labels, other) + p.lambda_loss(m, nodes, held_out, of_held_out)

    def epoch(m: nn.Module) -> Iterator[Tensor]:
        for sampled, rows, some in batches(p.assembler, np.arange(len(labels)), size, epoch_rng()):
            beside = None if other is None else other[some]
            network = cast("PathwayNetwork", m)
            loss = p.loss(network, sampled, rows, labels[some], beside)
            yield loss + p.lambda_loss(network, nodes, held_out, of_held_out)

    return epoch
