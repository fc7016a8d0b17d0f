"""``pp.cell_graph``: the nearest neighbours of the cells."""

from typing import TYPE_CHECKING, Literal

from scgnn_tools import graph
from scgnn_tools._doors import door
from scgnn_tools._modality import RNA
from scgnn_tools._random import RNG
from scgnn_tools.pp._graphs import opened, vectors, write_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def cell_graph(
    adata: "AnnData | MuData",
    n_neighbors: int = 15,
    *,
    use_rep: str | None = None,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    mod: str = RNA,
    key_added: str = "sgt_cells",
    rng: RNG = 0,
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Link every cell to its nearest cells.

    Parameters
    ----------
    adata
        Cells with vectors in ``obsm``.
    n_neighbors
        Neighbours of a cell, itself not counted.
    use_rep
        Key of ``obsm``; None takes the vectors that :func:`scgnn_tools.tl.embed` wrote last, else ``X_pca``.
    metric
        Distance.
    mod
        Modality of a MuData; what is written is written there.
    key_added
        Name of the result.
    rng
        Seed of the approximate search above 20,000 cells.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy. Sets the following fields:

    ``adata.obsp[key_added]``
        CSR float32 (n_obs, n_obs): distances.
    ``adata.uns[key_added]["params"]``
        dict: ``n_neighbors``, ``use_rep``, ``metric``.

    Raises
    ------
    MissingKeyError
        If there are no such vectors.
    GraphError
        If vectors are not finite.

    Examples
    --------
    >>> sgt.pp.cell_graph(adata, n_neighbors=10)
    >>> adata.obsp["sgt_cells"].shape
    (206, 206)
    """
    inner = opened(adata, key_added, where="obsp", copy=copy, mod=mod)
    use_rep, x = vectors(inner, use_rep, where="obsm")
    matrix = graph.knn(x, n_neighbors, metric=metric, rng=rng)
    params = {"n_neighbors": n_neighbors, "use_rep": use_rep, "metric": metric}
    return write_graph(adata, matrix, where="obsp", key_added=key_added, params=params, copy=copy, mod=mod)
