"""What the graph functions of ``pp`` share: keys, checks, writing."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import MissingKeyError
from scgnn_tools._keys import ROOT, EmbeddingKeys, GraphKeys
from scgnn_tools._log import printable, say
from scgnn_tools._write import writing

if TYPE_CHECKING:
    from anndata import AnnData


def write_graph(
    adata: "AnnData",
    matrix: sp.csr_array,
    *,
    where: Literal["obsp", "varp"],
    key: str,
    params: dict[str, Any],
    copy: bool,
) -> "AnnData | None":
    """Write a graph and its parameters; return the copy if one was asked for."""
    keys = GraphKeys(key)
    with writing(adata, copy=copy) as out:
        getattr(out, where)[keys.matrix] = sp.csr_matrix(matrix)
        out.uns[keys.uns] = {"params": params}
    say(f"{matrix.nnz:,} edges over {matrix.shape[0]:,} nodes -> {where}['{key}']")
    return out if copy else None


def vectors(adata: "AnnData", use_rep: str | None, *, where: Literal["obsm", "varm"]) -> tuple[str, np.ndarray]:
    """Return the vectors of cells or genes by name; None takes those that ``tl.embed`` wrote last."""
    there = getattr(adata, where)
    if use_rep is None:
        embedded = [EmbeddingKeys(k) for k in adata.uns.get(ROOT, {})]
        names = [k.obsm if where == "obsm" else k.varm for k in embedded]
        use_rep = next((n for n in reversed(names) if n in there), None)
        if use_rep is None and where == "obsm" and "X_pca" in there:
            use_rep = "X_pca"
    if use_rep is None or use_rep not in there:
        names = [printable(k) for k in there]
        msg = f"use_rep={use_rep!r} is not in {where}; there is: {', '.join(names) or 'none'}. Run sgt.tl.embed(adata) first."
        raise MissingKeyError(msg)
    return use_rep, np.asarray(there[use_rep])
