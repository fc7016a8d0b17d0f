"""Heads that turn the representations of two genes into the logit of an edge."""

from typing import Literal

import torch
from torch import Tensor, nn

Head = Literal["product", "concat", "mlp", "dot", "cosine"]
HEADS = ("product", "concat", "mlp", "dot", "cosine")


class PairHead(nn.Module):
    """The logit of a pair from both genes.

    "concat" is a linear layer on both, with two outputs whose softmax is the probability, as published: a term of the factor and one of
    the target, so it ranks the targets of every factor alike. "product" gives that layer the product of the two as well; "mlp" has a
    hidden layer. "dot" and "cosine" have no weights and no direction of their own.

    Shapes
    ------
    factors (n_pairs, width), targets (n_pairs, width) -> (n_pairs,)
    """

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "mlp":
            self.hidden = nn.Linear(2 * width, width)
        n = {"product": 3 * width, "concat": 2 * width, "mlp": width}
        self.linear = nn.Linear(n[kind], 2) if kind in n else None

    def forward(self, tf: Tensor, target: Tensor) -> Tensor:
        """Return logits."""
        if self.kind == "dot":
            return (tf * target).sum(dim=1)
        if self.kind == "cosine":
            return torch.cosine_similarity(tf, target, dim=1)
        both = torch.cat([tf, target, tf * target] if self.kind == "product" else [tf, target], dim=1)
        if self.kind == "mlp":
            both = nn.functional.leaky_relu(self.hidden(both))
        no, yes = self.linear(both).unbind(dim=1)  # type: ignore[misc]
        return yes - no  # a softmax over two is the logistic of their difference, and its loss the logistic one

    def grid(self, tf: Tensor, target: Tensor) -> Tensor:
        """Return the logit of every factor with every target, (n_tfs, width), (n_targets, width) -> (n_tfs, n_targets).

        The same numbers as pair by pair, as products of matrices.
        """
        if self.kind == "dot":
            return tf @ target.T
        if self.kind == "cosine":
            return nn.functional.normalize(tf, dim=1) @ nn.functional.normalize(target, dim=1).T
        linear: nn.Linear = self.linear  # type: ignore[assignment]
        w, b = linear.weight[1] - linear.weight[0], linear.bias[1] - linear.bias[0]
        width = tf.shape[1]
        if self.kind == "mlp":
            of_tf, of_target = self.hidden.weight.split(width, dim=1)
            left, right = tf @ of_tf.T + self.hidden.bias, target @ of_target.T
            return torch.stack([nn.functional.leaky_relu(row + right) @ w for row in left]) + b
        out = (tf @ w[:width])[:, None] + target @ w[width : 2 * width] + b
        return out if self.kind == "concat" else out + (tf * w[2 * width :]) @ target.T
