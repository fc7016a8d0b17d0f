"""Cells to tokens as scGPT wants them: the cell token, then every expressed gene with the bin of its value."""

from typing import Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools.data import Tokens
from scgnn_tools.data.binning import Binning, bin_values, keep_random, keep_top

GeneSampling = Literal["top", "random"]


def tokenize(
    rows: sp.csr_array,
    ids: np.ndarray,
    *,
    cls_id: int,
    cls_value: float,
    n_bins: int,
    max_length: int,
    gene_sampling: GeneSampling,
    binning: Binning,
    rng: np.random.Generator | None,
) -> Tokens:
    """Return the tokens of rows over the vocabulary; an empty row has none.

    Values are binned first, then a cell with more than ``max_length - 1`` genes keeps the most expressed ("top", ties by their
    place in the vocabulary) or a random choice ("random", as published).
    """
    draws = np.random.default_rng() if rng is None else rng
    bins = bin_values(rows, n_bins, binning=binning, rng=draws)
    keep = keep_top(rows, max_length - 1) if gene_sampling == "top" else keep_random(rows, max_length - 1, draws)
    cell = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))[keep]
    return Tokens.with_cell_token(cell, ids[rows.indices[keep]], bins[keep], rows.shape[0], cls_id, cls_value)
