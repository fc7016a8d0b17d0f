"""``pp.gene_graph``: genes with similar vectors."""

from typing import TYPE_CHECKING

from scgnn_tools import graph
from scgnn_tools._doors import door
from scgnn_tools._modality import RNA
from scgnn_tools.pp._graphs import opened, vectors, write_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def gene_graph(
    adata: "AnnData | MuData",
    n_neighbors: int = 15,
    *,
    use_rep: str | None = None,
    mod: str = RNA,
    key_added: str = "sgt_genes",
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Link every gene to the genes with the most similar vectors.

    Parameters
    ----------
    adata
        Genes with vectors in ``varm``.
    n_neighbors
        Most neighbours of a gene.
    use_rep
        Key of ``varm``; None takes the vectors that :func:`scgnn_tools.tl.embed` wrote last. A gene without vector (NaN) gets no edge.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields:

    ``adata.varp[key_added]``
        CSR float32 (n_vars, n_vars): cosine, positive ones only.
    ``adata.uns[key_added]["params"]``
        dict: ``n_neighbors``, ``use_rep``.

    Raises
    ------
    MissingKeyError
        If there are no such vectors.

    Examples
    --------
    >>> sgt.pp.gene_graph(adata, n_neighbors=5)
    >>> adata.varp["sgt_genes"].shape
    (1000, 1000)
    """
    inner = opened(adata, key_added, where="varp", copy=copy, mod=mod)
    use_rep, v = vectors(inner, use_rep, where="varm")
    matrix = graph.cosine_topk(v, n_neighbors)
    params = {"n_neighbors": n_neighbors, "use_rep": use_rep}
    return write_graph(adata, matrix, where="varp", key_added=key_added, params=params, copy=copy, mod=mod)
