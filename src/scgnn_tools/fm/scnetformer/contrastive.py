"""The contrastive loss of late fusion: genes that share an edge lie closer than the other genes of their cell."""

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(z: Tensor, source: Tensor, target: Tensor, cell: Tensor, *, temperature: float) -> Tensor:
    r"""Return the mean over anchors of the mean over their positives of

    .. math:: -\log \frac{\exp(\cos(z_i, z_j) / \tau)}{\sum_{k \neq i} \exp(\cos(z_i, z_k) / \tau)},

    where :math:`k` runs over the other tokens of the cell, positives included.

    Parameters
    ----------
    z
        Hidden states, (n_tokens, dim).
    source, target
        Anchors and their positives, a pair an edge, int64 (n_edges,).
    cell
        Of each token, int64 (n_tokens,).
    temperature
        τ.
    """
    if len(source) == 0:
        return z.sum() * 0
    anchors, rank = torch.unique(source, return_inverse=True)
    unit = F.normalize(z.float(), dim=-1)
    scores = unit.index_select(0, anchors) @ unit.T / temperature  # (n_anchors, n_tokens)
    others = cell.index_select(0, anchors).unsqueeze(1) == cell.unsqueeze(0)
    others[torch.arange(len(anchors), device=z.device), anchors] = False
    total = scores.masked_fill(~others, float("-inf")).logsumexp(dim=1)
    loss = total.index_select(0, rank) - scores[rank, target]
    count = torch.bincount(rank, minlength=len(anchors))
    return (torch.zeros_like(total).index_add(0, rank, loss) / count).mean()
