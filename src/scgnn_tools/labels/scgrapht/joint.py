"""Joint training: the foundation model learns through its own logits in the fusion, the graph network from the table of its vectors.

As published, the table of vectors carries no gradient and is renewed after each epoch; unlike there, for all cells, and not only those of
training, whose partners would otherwise be compared with vectors of another model.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from scgnn_tools.labels._protocol import Cells
from scgnn_tools.labels.scgrapht.graphs import first_product
from scgnn_tools.labels.scgrapht.network import Network, Rows
from scgnn_tools.train import epoch_rng, fit_full_batch

if TYPE_CHECKING:
    import pandas as pd

    from scgnn_tools.labels.scgrapht.method import ScGraPhT
    from scgnn_tools.labels.scgrapht.tuned import TunedEncoder

BATCH = 32


class Joint(nn.Module):
    """The graph network and the foundation model."""

    def __init__(self, graph: Network, encoder: nn.ModuleDict) -> None:
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
    method: "ScGraPhT",
    members: list[Cells],
    labels: np.ndarray,
    validation_labels: np.ndarray,
    n_classes: int,
    number: int,
) -> tuple[Network, "pd.DataFrame", Rows]:
    """Train graph network and foundation model together.

    Parameters
    ----------
    method
        Whose graph is assembled, with the vectors that the foundation model gives before.
    members
        Training cells, validation cells, and those without labels that are in the graph.
    labels, validation_labels
        Of the first two.
    n_classes
        Number of classes.
    number
        Seed.

    Returns
    -------
    network, history, nodes
        The trained graph network, the history, and the rows of the graph's nodes with the last table.
    """
    encoder, assembler, o = cast("TunedEncoder", method._encoder), method._assembler, method.options
    n_train, n_graph = len(labels), assembler.graph.cells.shape[0]
    whole = n_graph > n_train
    tokens = [encoder.tokens(c) for c in members]
    fresh: dict[str, Any] = {}

    def renew() -> None:
        tables = [encoder.table(t) for t in tokens]
        if assembler.first is not None:
            graph = tables if whole else tables[:1]
            assembler.vectors = np.concatenate([v for v, _ in graph])
            assembler.first = first_product(assembler.graph, assembler.vectors)
        held = min(1, len(validation_labels))  # without validation cells, the training cells stop the training
        fresh["nodes"], (vectors, fresh["other"]) = assembler.nodes(), tables[held]
        at = n_train + np.arange(len(validation_labels)) if held else np.arange(n_train)
        inside = not held or whole
        fresh["rows"] = (
            assembler.members(at, trained=False) if inside else assembler.asked(method._edges(members[1]), vectors)
        )

    def epoch(m: nn.Module) -> Iterator[Tensor]:
        if not fresh:
            m.eval()
            renew()
            m.train()
        net, size = cast("Joint", m).graph, method.batch_size or BATCH
        order = epoch_rng().permutation(np.flatnonzero(tokens[0].lengths > 0))
        for start in range(0, len(order), size):
            batch = np.sort(order[start : start + size])
            other = encoder.encode(tokens[0].select(batch))[1]
            yield method._fused_loss(net, net(fresh["nodes"], assembler.members(batch)), other, labels[batch])

    def validate(m: nn.Module) -> float:
        renew()
        net = cast("Joint", m).graph
        other = torch.as_tensor(fresh["other"], dtype=torch.float32, device=method.device)
        truth = validation_labels if len(validation_labels) else labels
        return float(method._fused_loss(net, net(fresh["nodes"], fresh["rows"]), other, truth))

    encoder.model.network.requires_grad_(True)
    encoder.task.requires_grad_(True)
    module, history = fit_full_batch(
        lambda: Joint(method._build(method._width(), n_classes), encoder.parts()),
        epoch,
        validate,
        max_epochs=o.max_epochs,
        lr=o.lr,
        patience=o.patience,
        weight_decay=o.weight_decay,
        rng=number,
        what="scgrapht, joint",
        checkpoint=method.checkpoint,
        plan=method._plan(members[0], labels, members[1], number),
        groups=lambda m: [
            {"params": list(cast("Joint", m).graph.parameters())},
            {"params": list(cast("Joint", m).encoder.parameters()), "lr": method.encoder_lr},
        ],
    )
    encoder.model.network.requires_grad_(False)
    encoder.task.requires_grad_(False)
    renew()
    return cast("Joint", module).graph, history, fresh["nodes"]
