"""The objective of Cell-Graph Compass for knock-outs in bulk: whether a gene changes (focal loss), then which way (Eqs. 15-17)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scgnn_tools.data import Tokens
from scgnn_tools.nn.embeddings import N_SPECIAL, PERTURBED, UNTOUCHED, special_table
from scgnn_tools.nn.heads import TwoStepDecoder
from scgnn_tools.train.tasks import Task

if TYPE_CHECKING:
    from scgnn_tools.fm import NetworkModel

WAYS = {3: 1, 5: 4}
"""Logits of the direction by the number of classes: up, or one of four."""


@dataclass(frozen=True)
class Loss:
    """How the two steps are weighed.

    Attributes
    ----------
    gamma
        Focus of the first step on genes that it is wrong about; 0 is plain cross-entropy, as the published training has it.
    alpha
        Weight of a changed gene, 1 - alpha that of another one, both over alpha.
    direction
        Weight of the second step beside the first.
    """

    gamma: float = 2.0
    alpha: float = 0.5
    direction: float = 1.0


def focal(logits: Tensor, truth: Tensor, gamma: float, alpha: float) -> Tensor:
    """Return -alpha_t (1 - p_t)^gamma log p_t of each, (n,) (Lin et al. 2017), from logits and 0 or 1."""
    p, y = torch.sigmoid(logits), truth.to(logits.dtype)
    right = p * y + (1 - p) * (1 - y)
    weight = alpha * y + (1 - alpha) * (1 - y)
    return weight * (1 - right) ** gamma * F.binary_cross_entropy_with_logits(logits, y, reduction="none")


def two_step(change: Tensor, way: Tensor, label: Tensor, n_classes: int, how: Loss) -> Tensor:
    """Return the loss of the first step plus that of the second over genes that changed, 0 if none did.

    ``change`` (n,) and ``way`` (n, n_ways) are logits, ``label`` (n,) classes from the strongest fall to the strongest rise.
    """
    middle = n_classes // 2
    moved = label != middle
    first = focal(change, moved, how.gamma, how.alpha).mean() / how.alpha
    if not moved.any():
        return first
    if n_classes == 3:
        second = F.binary_cross_entropy_with_logits(way[moved, 0], (label[moved] > middle).to(way.dtype))
    else:
        four = label[moved] - (label[moved] > middle).long()  # the middle one is no way
        second = F.cross_entropy(way[moved], four)
    return first + how.direction * second


class TwoStep(Task):
    """Whether each gene of a control changes when its target is knocked out, and which way.

    Parameters
    ----------
    dim
        Width of the hidden states.
    label
        Class of each token, -1 where it does not count, int64, packed as the tokens: of the genes of every experiment.
    flags
        Whether a token is the target, or the sample's own token, bool, packed the same way.
    offsets
        Where each experiment begins in both, int64 (n + 1,).
    n_classes
        3 or 5.
    how
        Weights of the loss.
    negatives
        Genes that did not change which are drawn for each that did, anew each time; None takes all. Validation takes all.
    special
        Table of special tokens to begin with, (3, dim); None draws one.
    """

    def __init__(
        self,
        dim: int,
        label: np.ndarray,
        flags: np.ndarray,
        offsets: np.ndarray,
        n_classes: int,
        how: Loss,
        *,
        negatives: float | None = 9,
        special: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.label, self.flags, self.offsets = label, flags, offsets
        self.n_classes, self.how, self.negatives = n_classes, how, negatives
        self.special = special_table(N_SPECIAL, dim, special)
        self.head = TwoStepDecoder(dim, WAYS[n_classes])

    def logits(self, model: "NetworkModel", tokens: Tokens, flags: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return both logits of every token."""
        codes = torch.as_tensor(np.where(flags, PERTURBED, UNTOUCHED), device=model.device)
        hidden = cast("Any", model).hidden(tokens, special=self.special(codes))[0].float()
        return self.head(hidden)

    def loss(self, model: "NetworkModel", tokens: Tokens, cells: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return the loss of some experiments."""
        at = np.concatenate([np.arange(self.offsets[c], self.offsets[c + 1]) for c in cells])
        change, way = self.logits(model, tokens, self.flags[at])
        label = self.label[at]
        use = np.flatnonzero(self._drawn(label, rng) if self.training else label >= 0)
        rows = torch.as_tensor(use, device=model.device)
        truth = torch.as_tensor(label[use], device=model.device)
        if not len(use):
            return change.sum() * 0
        return two_step(change.index_select(0, rows), way.index_select(0, rows), truth, self.n_classes, self.how)

    def _drawn(self, label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return which genes count this time, bool."""
        middle = self.n_classes // 2
        counts = label >= 0
        rest = np.flatnonzero(counts & (label == middle))
        n_changed = int(counts.sum()) - len(rest)
        if self.negatives is None or not n_changed:
            return counts
        most = round(self.negatives * n_changed)
        if len(rest) > most:
            counts[rng.choice(rest, size=len(rest) - most, replace=False)] = False
        return counts
