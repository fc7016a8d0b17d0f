"""What the networks of scBiGNN lose: cross-entropy with labels, and with what the other network says."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted sum of -log p(target); the target is classes (n,) or probabilities (n, n_classes)."""
    if target.dim() == 1:
        return F.cross_entropy(logits, target, weight=weight, reduction="sum")
    return -(target * weight * F.log_softmax(logits, dim=1)).sum()


def pseudo_labels(log_proba: Tensor, *, sample: bool) -> Tensor:
    """Return one class a cell drawn from its probabilities, int64 (n,), or the probabilities themselves (n, n_classes)."""
    proba = log_proba.exp()
    return torch.multinomial(proba, 1).squeeze(1) if sample else proba


def m_loss(logits: Tensor, labels: Tensor, log_q: Tensor, weight: Tensor, *, gamma: float, sample: bool) -> Tensor:
    """Return the loss of the M-step, a mean over all cells: the labels of the first, pseudo-labels of q for the others.

    With gamma = 1 and a q that is certain it is the cross-entropy with the classes that q is certain of.
    """
    n = len(labels)
    known = cross_entropy(logits[:n], labels, weight)
    if len(logits) == n:
        return known / n
    said = cross_entropy(logits[n:], pseudo_labels(log_q, sample=sample), weight)
    return (known + gamma * said) / (n + gamma * (len(logits) - n))
