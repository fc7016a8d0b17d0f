"""A norm that is told which domain each row is of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DomainNorm(nn.Module):
    """Rows (n, dim) relative to the mean and spread of their domain, then a scale and shift that the domain learns.

    Mean and spread are fixed: what a row becomes depends on that row and its domain alone, in training too. Scale and shift begin with the
    spread and mean of all domains, so that a network behind the norm is given what it was used to. (Domain-specific batch norm: Chang et
    al. 2019; scGPT's is learnt from the batch at hand.)

    Parameters
    ----------
    mean, variance
        Of each domain, float32 (n_domains, dim).
    weights
        Rows of each domain, by which the mean and variance of all are taken, float32 (n_domains,).
    """

    def __init__(self, mean: Tensor, variance: Tensor, weights: Tensor, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("scale", (variance + eps).sqrt())
        share = (weights / weights.sum()).unsqueeze(1)
        middle = (share * mean).sum(dim=0)
        spread = ((share * (variance + (mean - middle) ** 2)).sum(dim=0) + eps).sqrt()
        self.weight = nn.Parameter(spread.expand_as(mean).clone())
        self.bias = nn.Parameter(middle.expand_as(mean).clone())
        self.domains: Tensor | None = None
        """Domain of each row of the next forward pass, int64 (n,)."""

    @classmethod
    def empty(cls, n_domains: int, dim: int) -> "DomainNorm":
        """Return a norm whose numbers are still to be loaded."""
        return cls(torch.zeros(n_domains, dim), torch.ones(n_domains, dim), torch.ones(n_domains))

    def forward(self, x: Tensor) -> Tensor:
        """Return rows of the same shape."""
        if self.domains is None or len(self.domains) != len(x):
            msg = "set .domains to the domain of each row first"
            raise RuntimeError(msg)
        mean, scale, weight, bias = (
            F.embedding(self.domains, t) for t in (self.mean, self.scale, self.weight, self.bias)
        )  # whose gradient is quick for many rows of few domains, unlike that of an index
        return (x - mean) / scale * weight + bias
