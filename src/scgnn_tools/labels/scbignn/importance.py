"""Which genes does the gene-level network look at?"""

from itertools import pairwise

import numpy as np
import scipy.sparse as sp
import torch

from scgnn_tools.labels.scbignn.gene_network import GeneAttention, GeneNetwork, tokens

CELLS = 256
"""Cells whose tokens are in memory at once."""


def attention(q: GeneNetwork, x: sp.csr_array, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    r"""Return :math:`\bar R_{ij}`, the attention from gene i to gene j, and how many cells express both, float64 (n_genes, n_genes) each.

    Attention is the mean over all layers and their heads, and over the cells that express both; 0 where no cell does.

    Parameters
    ----------
    q
        Trained network.
    x
        Cells, (n_cells, n_genes), without explicit zeros.
    """
    n_genes = x.shape[1]
    total = torch.zeros(n_genes, n_genes, device=device)
    with torch.no_grad():
        for start in range(0, x.shape[0], CELLS):
            part = tokens(sp.csr_array(x[start : start + CELLS]), device)
            offsets = part.segments.offsets
            for i, layer in enumerate(q.layers):
                assert isinstance(layer, GeneAttention)
                heads = layer.heads(q.genes(part, i))  # (n_tokens, n_heads, width)
                for a, b in pairwise(offsets):  # one product of matrices a cell
                    p, ids = heads[a:b].transpose(0, 1), part.ids[a:b]
                    r = (p @ p.transpose(1, 2)).softmax(dim=2).mean(dim=0)
                    total.index_put_((ids[:, None], ids[None, :]), r / len(q.layers), accumulate=True)
    there = x.astype(bool).astype(np.float64)
    both = np.asarray((there.T @ there).todense())  # genes × genes
    return total.double().cpu().numpy() / np.maximum(both, 1), both


def importance(q: GeneNetwork, x: sp.csr_array, device: torch.device) -> np.ndarray:
    r"""Return :math:`s_j = \sum_i \bar R_{ij}` of :func:`attention`, float64 (n_genes,)."""
    return attention(q, x, device)[0].sum(axis=0)
