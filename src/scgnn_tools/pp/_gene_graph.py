"""``pp.gene_graph``: genes with similar vectors."""

from typing import TYPE_CHECKING

from scgnn_tools import graph
from scgnn_tools._write import check_writable
from scgnn_tools.pp._graphs import vectors, write_graph

if TYPE_CHECKING:
    from anndata import AnnData


def gene_graph(
    adata: "AnnData",
    n_neighbors: int = 15,
    *,
    use_rep: str | None = None,
    key_added: str = "sgt_genes",
    copy: bool = False,
) -> "AnnData | None":
    """Link every gene to the genes with the most similar vectors.

    Parameters
    ----------
    adata
        Genes with vectors in ``varm``.
    n_neighbors
        Most neighbours of a gene.
    use_rep
        Key of ``varm``; None takes the vectors that :func:`scgnn_tools.tl.embed` wrote last. A gene without vector (NaN) gets no edge.
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
    """
    check_writable(adata, copy=copy)
    use_rep, v = vectors(adata, use_rep, where="varm")
    matrix = graph.cosine_topk(v, n_neighbors)
    params = {"n_neighbors": n_neighbors, "use_rep": use_rep}
    return write_graph(adata, matrix, where="varp", key=key_added, params=params, copy=copy)
