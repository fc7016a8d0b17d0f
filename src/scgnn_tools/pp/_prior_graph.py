"""``pp.prior_graph``: what is known of transcription factors and their targets."""

from typing import TYPE_CHECKING, Any

from scgnn_tools import genes, graph
from scgnn_tools._doors import door
from scgnn_tools._modality import RNA
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.pp._graphs import opened, write_graph

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@door
def prior_graph(
    adata: "AnnData | MuData",
    prior: Any = "trrust",
    *,
    gene_key: str | None = None,
    organism: str | None = None,
    mod: str = RNA,
    key_added: str = "sgt_prior",
    copy: bool = False,
) -> "AnnData | MuData | None":
    """Put a prior network on the genes of an object.

    Parameters
    ----------
    adata
        Any AnnData.
    prior
        "trrust" (human or mouse, CC BY-SA 4.0), or any network that ``prior=`` of :func:`scgnn_tools.tl.infer_grn` takes: a table, a file,
        "collectri", several of them.
    gene_key
        Column of ``var`` with the gene names; None takes ``var_names``. Ensembl ids and older symbols are found too.
    organism
        "human" or "mouse"; None finds it out.
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
        CSR float32 (n_vars, n_vars): transcription factor in the row, target in the column.
    ``adata.uns[key_added]["params"]``
        dict: ``prior``, ``organism``.

    Raises
    ------
    GraphError
        If no edge lies between the genes, or the table cannot be used.

    Examples
    --------
    >>> sgt.pp.prior_graph(adata)
    >>> adata.uns["sgt_prior"]["params"]["organism"]
    'human'
    """
    from scgnn_tools.grn.given import given_networks, merged  # pp does without PyTorch, which that room loads
    from scgnn_tools.grn.names import ToSymbols

    inner = opened(adata, key_added, where="varp", copy=copy, mod=mod)
    names = genes.gene_names(inner.var, gene_key=gene_key)
    organism = organism or genes.detect_organism(names)
    given = given_networks(prior, organism=organism, adata=inner, names=names)
    to_symbol = ToSymbols(names, organism)
    tables = {n: check_edges(t) for n, t in given.items()}
    edges = merged({n: t.assign(**{c: to_symbol(t[c]) for c in ("source", "target")}) for n, t in tables.items()})
    matrix = graph.prior(edges, to_symbol(names))
    params = {"prior": prior if isinstance(prior, str) else ", ".join(tables), "organism": organism}
    return write_graph(adata, matrix, where="varp", key_added=key_added, params=params, copy=copy, mod=mod)
