"""The training of a network on a graph of genes: its loss, in whole or in batches, and the score by which an epoch is chosen."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from scgnn_tools.links._graph_inputs import GraphInputs
from scgnn_tools.links._graph_network import LinkNetwork
from scgnn_tools.links._graph_options import Training
from scgnn_tools.links.node_features import Rows
from scgnn_tools.store import digest


def losses(network: LinkNetwork, inputs: GraphInputs, train: Rows, batch_size: int | None) -> Iterator[torch.Tensor]:
    """Yield the loss of each step of an epoch."""
    n, device = len(train[2]), inputs.x.device
    size = batch_size or n
    order = torch.randperm(n, device=device) if size < n else torch.arange(n, device=device)
    for start in range(0, n, size):
        some = order[start : start + size]
        yield loss(network, inputs, (train[0][some], train[1][some], train[2][some]))


def loss(network: LinkNetwork, inputs: GraphInputs, part: Rows) -> torch.Tensor:
    """Return the cross-entropy of labelled pairs."""
    return nn.functional.binary_cross_entropy_with_logits(logits(network, inputs, part), part[2])


def logits(network: LinkNetwork, inputs: GraphInputs, part: Rows) -> torch.Tensor:
    """Return the logit of each pair, (n_pairs,)."""
    a, b = network.genes(inputs.graph, inputs.x, inputs.vectors)
    return network.head(a[part[0]], b[part[1]])


def epoch_score(inputs: GraphInputs, held: Rows, training: Training) -> Callable[[Any], float]:
    """Return the score of an epoch, lower is better, infinite where none is due."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    epoch = 0

    def validate(network: LinkNetwork) -> float:
        nonlocal epoch
        epoch += 1
        if epoch % training.every:
            return float("inf")
        if len(held[2]) == 0:
            return -float(epoch)  # nothing to stop on: the last epoch is kept
        if training.select == "loss":
            return float(loss(network, inputs, held))
        metric = roc_auc_score if training.select == "auroc" else average_precision_score
        return -float(metric(held[2].cpu(), logits(network, inputs, held).cpu()))

    return validate


def data_parts(inputs: GraphInputs, train: Rows, held: Rows) -> dict[str, object]:
    """Return the data as the parts of a plan."""
    arrays = [t.cpu().numpy() for t in train], [t.cpu().numpy() for t in held]
    vectors = None if inputs.vectors is None else inputs.vectors.cpu().numpy()
    return {
        "genes": digest(np.array(inputs.genes)), "features": digest(inputs.x.cpu().numpy()), "gene vectors": digest(vectors),
        "edges": digest(inputs.directed, inputs.is_tf), "training pairs": digest(arrays[0]), "validation pairs": digest(arrays[1]),
    }  # fmt: skip
