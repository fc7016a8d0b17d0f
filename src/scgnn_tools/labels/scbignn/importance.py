"""Which genes does the gene-level network look at?"""

from itertools import pairwise

import numpy as np
import scipy.sparse as sp
import torch

from scgnn_tools.labels.scbignn.gene_network import GeneAttention, GeneNetwork, tokens

CELLS = 256
"""Cells whose tokens are in memory at once."""


def importance(q: GeneNetwork, x: sp.csr_array, device: torch.device) -> np.ndarray:
    r"""Return :math:`s_j = \sum_i \bar R_{ij}`, float64 (n_genes,).

    :math:`\bar R_{ij}` is the attention from gene i to gene j in the last layer, the mean over its heads and over the cells that express
    both; 0 where no cell does. One matrix genes × genes is held, of the genes that are tokens.

    Parameters
    ----------
    q
        Trained network.
    x
        Cells, (n_cells, n_genes), without explicit zeros.
    """
    n_genes = x.shape[1]
    total = torch.zeros(n_genes, n_genes, device=device)
    layer = q.layers[-1]
    assert isinstance(layer, GeneAttention)
    with torch.no_grad():
        for start in range(0, x.shape[0], CELLS):
            part = tokens(sp.csr_array(x[start : start + CELLS]), device)
            heads = layer.heads(q.genes(part, len(q.layers) - 1))  # (n_tokens, n_heads, width)
            offsets = part.segments.offsets
            for a, b in pairwise(offsets):  # one product of matrices a cell
                p, ids = heads[a:b].transpose(0, 1), part.ids[a:b]
                r = (p @ p.transpose(1, 2)).softmax(dim=2).mean(dim=0)
                total.index_put_((ids[:, None], ids[None, :]), r, accumulate=True)
    there = x.astype(bool).astype(np.float64)
    both = np.asarray((there.T @ there).todense())  # genes × genes
    mean = total.double().cpu().numpy() / np.maximum(both, 1)
    return mean.sum(axis=0)
