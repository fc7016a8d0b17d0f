"""What the graph functions of ``pp`` share: keys, checks, writing."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from scgnn_tools._choices import key
from scgnn_tools._fields import check_own, check_writable, root, write
from scgnn_tools._keys import EmbeddingKeys, GraphKeys
from scgnn_tools._log import printable, say
from scgnn_tools._modality import modality
from scgnn_tools._names import check_key
from scgnn_tools._vectors import dense_vectors

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def opened(
    adata: "AnnData | MuData", key_added: str, *, where: Literal["obsp", "varp"], copy: bool, mod: str
) -> "AnnData":
    """Return the object to read from, once what is to be written could be."""
    inner = modality(adata, mod)
    check_writable(adata, copy=copy, mod=mod)
    keys = GraphKeys(check_key(key_added))
    check_own(inner, keys, {where: [keys.matrix], "uns": [keys.uns]})
    return inner


def write_graph(
    adata: "AnnData | MuData",
    matrix: sp.csr_array,
    *,
    where: Literal["obsp", "varp"],
    key_added: str,
    params: dict[str, Any],
    copy: bool,
    mod: str,
) -> "AnnData | MuData | None":
    """Write a graph and its parameters; return the copy if one was asked for."""
    keys = GraphKeys(key_added)
    fields = {where: {keys.matrix: sp.csr_matrix(matrix)}, "uns": {keys.uns: {"params": params}}}
    changed = write(adata, fields, copy=copy, mod=mod)
    say(f"{matrix.nnz:,} edges over {matrix.shape[0]:,} nodes -> {where}['{key_added}']")
    return changed


def vectors(adata: "AnnData", use_rep: str | None, *, where: Literal["obsm", "varm"]) -> tuple[str, np.ndarray]:
    """Return the vectors of cells or genes by name; None takes those that ``tl.embed`` wrote last."""
    there = getattr(adata, where)
    if use_rep is None:
        embedded = [EmbeddingKeys(k) for k in root(adata)]
        names = [k.obsm if where == "obsm" else k.varm for k in embedded]
        use_rep = next((n for n in reversed(names) if n in there), None)
        if use_rep is None and where == "obsm" and "X_pca" in there:
            use_rep = "X_pca"
    use_rep = key("use_rep", use_rep, there, where, todo="Run sgt.tl.embed(adata) first.")
    # refuses what are no numbers; those that are stay as exact as they are
    dense_vectors(there[use_rep], f"{where}[{printable(use_rep)!r}]")
    return use_rep, np.asarray(there[use_rep])
