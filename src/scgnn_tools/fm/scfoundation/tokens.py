"""Cells to tokens as scFoundation wants them: expressed genes with log-normalised values, then the tokens T and S of depth."""

import re

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.data import Tokens
from scgnn_tools.data.normalize import log_normalize


def tokenize(rows: sp.csr_array, *, logged: bool, resolution: tuple[str, float]) -> Tokens:
    """Return the tokens of rows over the gene list; an empty row has none, and none has padding.

    Parameters
    ----------
    rows
        Counts, or log-normalised values, over the model's genes.
    logged
        Whether the values are log-normalised already. The depth is then the sum of these values, as published.
    resolution
        See :func:`parse_resolution`.

    Notes
    -----
    T and S are kept whatever their value: the published code drops those that are not positive, which moves the others.
    """
    n_genes = rows.shape[1]
    total = np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel()
    values = rows if logged else log_normalize(rows)
    lengths = np.diff(rows.indptr)
    offsets = np.concatenate([[0], np.cumsum(lengths + 2 * (lengths > 0))]).astype(np.int64)
    ids, out = np.empty(offsets[-1], dtype=np.int32), np.empty(offsets[-1], dtype=np.float32)
    full = lengths > 0
    is_gene = np.ones(offsets[-1], dtype=bool)
    at_t, at_s = offsets[1:][full] - 2, offsets[1:][full] - 1
    is_gene[at_t] = is_gene[at_s] = False
    ids[is_gene], out[is_gene] = values.indices, values.data
    seen = np.log10(total[full])
    kind, number = resolution
    wanted = {"t": np.full_like(seen, number), "f": np.log10(total[full] * max(number, 1e-12)), "a": seen + number}[
        kind
    ]
    ids[at_t], out[at_t] = n_genes, wanted
    ids[at_s], out[at_s] = n_genes + 1, seen
    return Tokens(ids, out, offsets)


def parse_resolution(text: str) -> tuple[str, float]:
    """Return the kind and number of a depth: "t4" wants 10⁴ counts, "f2" twice the cell's, "a1" log10 of the cell's plus 1."""
    found = re.fullmatch(r"([tfa])(-?\d+(?:\.\d+)?)", str(text))
    if found is None or (found[1] == "f" and float(found[2]) <= 0):
        msg = f"resolution is 't4' (log10 of the depth), 'f2' (times the cell's own) or 'a1' (added to its log10); got {text!r}."
        raise InputValueError(msg)
    return found[1], float(found[2])
