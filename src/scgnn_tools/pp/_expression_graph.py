"""``pp.expression_graph``: genes that are expressed together."""

from typing import TYPE_CHECKING

from scgnn_tools import graph
from scgnn_tools._doors import door
from scgnn_tools._errors import InputValueError
from scgnn_tools._modality import RNA
from scgnn_tools.data import open_expression
from scgnn_tools.pp._graphs import opened, write_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def expression_graph(
    adata: "AnnData | MuData",
    threshold: float = 0.3,
    *,
    n_neighbors: int | None = 50,
    layer: str | None = None,
    mod: str = RNA,
    key_added: str = "sgt_coexpression",
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Link genes whose log-normalised expression correlates.

    Parameters
    ----------
    adata
        At least 3 cells.
    threshold
        Least absolute Pearson correlation of an edge.
    n_neighbors
        Most edges a gene, the strongest; None keeps all above the threshold.
    layer
        As in :func:`scgnn_tools.tl.embed`.
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
        CSR float32 (n_vars, n_vars): absolute correlation.
    ``adata.uns[key_added]["params"]``
        dict: ``threshold``, ``n_neighbors`` (0 for all), ``matrix``.

    Raises
    ------
    InputValueError
        If the matrix that fits is ``raw`` and has other genes than the object.
    GraphError
        If there are fewer than 3 cells.

    Examples
    --------
    >>> sgt.pp.expression_graph(adata, threshold=0.4)
    >>> adata.varp["sgt_coexpression"].shape
    (1000, 1000)
    """
    inner = opened(adata, key_added, where="varp", copy=copy, mod=mod)
    expression = open_expression(inner, layer=layer, every_feature=True)
    if not expression.var.index.equals(inner.var_names):
        msg = f"{expression.name} has {len(expression.var):,} genes, the object {inner.n_vars:,}. Pass layer= for one of its own genes."
        raise InputValueError(msg)
    matrix = graph.coexpression(expression.log_normalized(), threshold=threshold, k=n_neighbors)
    params = {"threshold": threshold, "n_neighbors": n_neighbors or 0, "matrix": expression.name}
    return write_graph(adata, matrix, where="varp", key_added=key_added, params=params, copy=copy, mod=mod)
