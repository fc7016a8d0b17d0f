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
