"""A graph of genes from ``varp``, read where the labels are, and laid out over the genes that a method sees."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn_tools._choices import key as _key
from scgnn_tools._errors import GraphError, InputTypeError
from scgnn_tools._keys import GraphKeys
from scgnn_tools._log import printable
from scgnn_tools.data.bounds import check_sparse
from scgnn_tools.graph import canonical
from scgnn_tools.graph.canonical import as_csr

if TYPE_CHECKING:
    from anndata import AnnData

    from scgnn_tools.genes import GeneMatch

OWN = "Write it with sgt.pp.prior_graph(adata, key_added=…) or another graph of genes of sgt.pp."
REFERENCE = (
    "The graph comes from where the labels do, so that varp of the cells to label is not looked at: write it into a reference of yours, "
    "with sgt.pp.prior_graph(reference, key_added=…) or another graph of genes of sgt.pp. The bundled reference has none."
)


def read_graph(adata: "AnnData", key: str, where: str = "varp", *, todo: str = OWN) -> sp.csr_array:
    """Return the graph that ``varp[key]`` holds, sender in the row, receiver in the column, CSR float32 (n_vars, n_vars).

    A negative weight, as of a repression, counts by its size.

    Raises
    ------
    MissingKeyError
        If there is no such key; the message lists those that there are.
    InputTypeError, GraphError
        If it is no matrix of numbers over pairs of genes, a weight is not finite, or there is no edge.
    """
    _key("gene_graph", key, adata.varp, where, todo=todo)
    name, raw = f"{where}[{printable(key)!r}]", adata.varp[GraphKeys(key).matrix]
    check_sparse(raw, name)
    table = raw if sp.issparse(raw) else np.asarray(raw)
    if table.shape != (adata.n_vars, adata.n_vars) or table.dtype.kind not in "biuf":
        msg = (
            f"{name} is {' × '.join(map(str, table.shape))} of {table.dtype}; a graph of genes is a matrix of numbers, {adata.n_vars:,} × "
            f"{adata.n_vars:,}. {OWN}"
        )
        raise InputTypeError(msg)
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
        out = abs(as_csr(table).astype(np.float64)).astype(np.float32)
    if bad := int((~np.isfinite(out.data)).sum()):
        msg = f"{name} has {bad:,} weights that are not finite as float32. Set them to 0, which is no edge, or to a weight."
        raise GraphError(msg)
    out.eliminate_zeros()
    if out.nnz == np.count_nonzero(out.diagonal()):
        msg = f"{name} has no edge between two genes. {OWN}"
        raise GraphError(msg)
    return out


def read_graphs(references: "Mapping[str, AnnData]", key: str | None) -> dict[str, sp.csr_array]:
    """Return the graphs of the references that have one under this key, by the name of the reference; at least one has to."""
    having = {n: a for n, a in references.items() if key is not None and key in a.varp}
    if key is not None and not having:
        there = dict.fromkeys(k for a in references.values() for k in a.varp)
        _key("gene_graph", key, there, "varp of the labelled cells", todo=REFERENCE)
    return {n: read_graph(a, str(key), f"reference{f'[{n!r}]' if n else ''}.varp") for n, a in having.items()}


def over(graphs: Iterable[tuple[sp.csr_array, np.ndarray]], n_genes: int) -> sp.csr_array:
    """Return one graph of several, over other genes, CSR float32 (n_genes, n_genes).

    Parameters
    ----------
    graphs
        Each with the new place of each of its genes, int (n_vars,), -1 for one that has none. Of an edge that is there several times, the
        largest weight counts.
    n_genes
        Number of places.
    """
    rows, columns, weights = [], [], []
    for graph, place in graphs:
        edges = sp.coo_array(graph)
        ends = place[edges.row], place[edges.col]
        here = (ends[0] >= 0) & (ends[1] >= 0)
        rows.append(ends[0][here])
        columns.append(ends[1][here])
        weights.append(edges.data[here])
    row, column, weight = (np.concatenate(part) for part in (rows, columns, weights))
    own = np.zeros(n_genes, dtype=np.float32)
    loops = row == column
    np.maximum.at(own, row[loops], weight[loops])
    out = sp.csr_array(canonical(row, column, weight, (n_genes, n_genes)) + sp.diags_array(own))
    out.eliminate_zeros()
    return out.astype(np.float32)


def by_name(graph: sp.csr_array, names: pd.Index, among: pd.Index) -> sp.csr_array:
    """Return a graph of the genes ``names`` over the genes ``among``, CSR float32 (n_among, n_among)."""
    return over([(graph, places(names, among))], len(among))


def places(names: pd.Index, among: pd.Index) -> np.ndarray:
    """Return where each name stands among others, the first time that it does, int (n_names,); -1 where it does not."""
    if names.equals(among):
        return np.arange(len(names))
    at = pd.Series(np.arange(len(among)), index=among)
    return at[~at.index.duplicated()].reindex(names, fill_value=-1).to_numpy()


def places_in(names: pd.Index, var: pd.Index, found: "GeneMatch", genes: np.ndarray) -> np.ndarray:
    """Return where the genes of an object stand among genes of a vocabulary, int (n_names,); -1 where they do not.

    Parameters
    ----------
    names
        Of the object's genes.
    var, found
        Names of the genes of its expression, which may be those of ``raw``, and their match.
    genes
        Positions in the vocabulary, sorted, int (n_genes,).
    """
    at = places(names, var)
    index = np.where(at >= 0, found.index[at], -1)
    place = np.minimum(np.searchsorted(genes, index), len(genes) - 1)
    return np.where(genes[place] == index, place, -1)
