"""Joint training: the foundation model learns through its own logits in the fusion, the graph network from the table of its vectors.

As published, the table of vectors carries no gradient and is renewed after each epoch; unlike there, for all cells, and not only those of
training, whose partners would otherwise be compared with vectors of another model.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import Tensor, nn

from scgnn_tools.labels.scgrapht.graphs import first_product
from scgnn_tools.labels.scgrapht.network import PathwayNetwork, Rows
from scgnn_tools.labels.scgrapht.options import JOINT_BATCH
from scgnn_tools.labels.scgrapht.training import Problem, groups_of
from scgnn_tools.labels.scgrapht.tuned import TunedEncoder
from scgnn_tools.train import epoch_rng
from scgnn_tools.train.parts import Part

if TYPE_CHECKING:
    import pandas as pd

BATCH = 32


class Joint(nn.Module):
    """The graph network and the foundation model."""

    def __init__(self, graph: PathwayNetwork, encoder: nn.ModuleDict) -> None:
        super().__init__()
        self.graph, self.encoder = graph, encoder

    def train(self, mode: bool = True) -> "Joint":  # noqa: FBT001, FBT002 - PyTorch's own signature
        """Set the mode; batch norms stay as they are, since a cell's vector depends on that cell alone."""
        super().train(mode)
        for part in self.encoder.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.eval()
        return self


def fit_joint(
    problem: Problem, encoder: TunedEncoder, encoder_lr: float
) -> tuple[PathwayNetwork, "pd.DataFrame", Rows]:
    """Train graph network and foundation model together.

    Parameters
    ----------
    problem
        Its graph is assembled with the vectors that the foundation model gives before.
    encoder, encoder_lr
        The foundation model, which is changed, and its learning rate.

    Returns
    -------
    network, history, nodes
        The trained graph network, the history, and the rows of the graph's nodes with the last table.
    """
    p, assembler = problem, problem.assembler
    n_train, n_held = len(p.labels), len(p.validation_labels)
    whole = assembler.graph.cells.shape[0] > n_train
    tokens = [encoder.tokens(c) for c in p.members]
    fresh: dict[str, Any] = {}

    def renew() -> None:
        tables = [encoder.table(t) for t in tokens]
        if assembler.first is not None:
            graph = tables if whole else tables[:1]
            assembler.vectors = np.concatenate([v for v, _ in graph])
            assembler.first = first_product(assembler.graph, assembler.vectors)
        held = min(1, n_held)  # without validation cells, the training cells stop the training
        fresh["nodes"], (vectors, fresh["other"]) = assembler.nodes(), tables[held]
        if not held or whole:
            at = n_train + np.arange(n_held) if held else np.arange(n_train)
            fresh["rows"] = assembler.members(at, trained=False)
        else:
            fresh["rows"] = assembler.asked(p.intake.edges(p.members[1]), vectors)

    def epoch(m: nn.Module) -> Iterator[Tensor]:
        if not fresh:
            m.eval()
            renew()
            m.train()
        net, size = cast("Joint", m).graph, p.batch_size or (JOINT_BATCH if p.options.protocol == "paper" else BATCH)
        order = epoch_rng(p.together).permutation(np.flatnonzero(tokens[0].lengths > 0))
        ranks = p.together.ranks
        for start in range(0, len(order), size * ranks):
            part = Part(np.sort(order[start : start + size * ranks]), p.together.rank, ranks)
            some, _ = part.seen
            other = encoder.encode(tokens[0].select(some))[1]
            loss = p.fused_loss(net, net(fresh["nodes"], assembler.members(some)), other, p.labels[some])
            loss = part.weight(lambda cells: p.mass(p.labels[cells])) * loss
            yield loss + p.lambda_loss(net, fresh["nodes"], fresh["rows"], fresh["other"])

    def validate(m: nn.Module) -> float:
        renew()
        net = cast("Joint", m).graph
        truth = p.validation_labels if n_held else p.labels
        return float(p.fused_loss(net, net(fresh["nodes"], fresh["rows"]), assembler.tensor(fresh["other"]), truth))

    with encoder.training():
        module, history = p.fit(
            lambda: Joint(p.network(), encoder.parts()),
            epoch,
            validate,
            what="scgrapht, joint",
            also={"encoder_lr": encoder_lr} | ({} if p.together.ranks == 1 else {"devices": p.together.ranks}),
            groups=lambda m: [
                *groups_of(cast("Joint", m).graph),
                {"params": list(cast("Joint", m).encoder.parameters()), "lr": encoder_lr},
            ],
        )
    renew()
    return cast("Joint", module).graph, history, fresh["nodes"]
