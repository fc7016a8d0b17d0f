"""Gene graphs over the vocabulary of a network: one for all cells, or one a tissue with their union for the rest."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from scgnn_tools._errors import GraphError
from scgnn_tools._log import printable
from scgnn_tools.data import Tokens
from scgnn_tools.data.bounds import check_csr
from scgnn_tools.fm.cgc.graph import within_cells
from scgnn_tools.graph.edge_table import NAMES
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.nn.sparse import Propagation, symmetric_normalized


class TokenGraph:
    """Undirected graphs of the genes of a vocabulary.

    Parameters
    ----------
    graphs
        Tissue -> matrix (n_genes, n_genes), any of whose entries makes an edge; directions, weights and self loops are dropped.
    """

    def __init__(self, graphs: Mapping[str, sp.csr_array]) -> None:
        if not graphs:
            msg = "A graph is wanted, or one a tissue; there is none."
            raise GraphError(msg)
        self.tissues = tuple(graphs)
        self._of_tissue = [_undirected(g) for g in graphs.values()]
        self._kept: dict[tuple[int, str], Propagation] = {}

    def __repr__(self) -> str:
        return f"TokenGraph({self.n_genes:,} genes, {self.n_edges:,} edges, {len(self.tissues)} graphs)"

    @property
    def n_genes(self) -> int:
        """Size of the vocabulary."""
        return self._of_tissue[0].shape[0]

    @property
    def n_edges(self) -> int:
        """Edges of the union, each counted once."""
        return self.union.nnz // 2

    @cached_property
    def union(self) -> sp.csr_array:
        """All tissues in one, symmetric."""
        return self._of_tissue[0] if len(self._of_tissue) == 1 else _undirected(sp.csr_array(sum(self._of_tissue)))

    def adjacency(self, group: int) -> sp.csr_array:
        """Return the graph of a tissue by its position; -1 is the union."""
        return self.union if group < 0 else self._of_tissue[group]

    def groups(self, tokens: Tokens) -> np.ndarray:
        """Return the graph of each cell, -1 for the union, int64 (n_cells,); one graph is that of all cells, whatever their tissue."""
        one = len(self.tissues) == 1
        return np.full(tokens.n_cells, -1) if tokens.groups is None or one else tokens.groups

    def in_order(self, tissues: Sequence[str]) -> "TokenGraph":
        """Return the same graphs in the order of these tissues, whose numbers cells carry; one graph of all tissues as it is.

        Raises
        ------
        GraphError
            If the tissues are others.
        """
        if self.tissues == tuple(tissues) or len(self.tissues) == 1:
            return self
        if set(self.tissues) != set(tissues):
            msg = (
                f"The graphs are of other tissues than those of the network: {', '.join(map(printable, self.tissues))}; wanted "
                f"{', '.join(map(printable, tissues))}. Give one graph for all, or one for each of these by name."
            )
            raise GraphError(msg)
        return TokenGraph({t: self._of_tissue[self.tissues.index(t)] for t in tissues})

    def edges(self, tokens: Tokens, gene: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the tokens at both ends of the edges within cells, each edge in both directions.

        Parameters
        ----------
        tokens
            A batch.
        gene
            Position in the vocabulary of each token, -1 for what is no gene, int64 (n_tokens,).
        """
        groups, sources, targets = self.groups(tokens), [], []
        of_token = np.repeat(groups, tokens.lengths)
        for group in np.unique(groups):
            a = self.adjacency(int(group))
            there = np.where(of_token == group, gene, -1)
            _, source, target, _ = within_cells(
                tokens.offsets, there, a.indptr.astype(np.int64), a.indices.astype(np.int64)
            )
            sources.append(source)
            targets.append(target)
        empty = np.zeros(0, dtype=np.int64)
        return np.concatenate([empty, *sources]), np.concatenate([empty, *targets])

    def nodes(self, group: int) -> np.ndarray:
        """Return the genes that have an edge, sorted."""
        return np.flatnonzero(np.diff(self.adjacency(group).indptr))

    def propagation(self, group: int, device: torch.device) -> Propagation:
        """Return the normalised graph of the genes that have an edge; kept for later calls."""
        key = (group, str(device))
        if key not in self._kept:
            nodes = self.nodes(group)
            inner = sp.csr_array(self.adjacency(group)[nodes][:, nodes])
            self._kept[key] = Propagation(symmetric_normalized(inner), device=device)
        return self._kept[key]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what :meth:`from_arrays` reads."""
        out: dict[str, np.ndarray] = {"tissues": np.array(self.tissues, dtype=str), "n_genes": np.array(self.n_genes)}
        for i, g in enumerate(self._of_tissue):
            out |= {f"indptr{i}": g.indptr, f"indices{i}": g.indices.astype(np.int32)}
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "TokenGraph":
        """Return the graphs that :meth:`arrays` wrote."""
        n, out = int(arrays["n_genes"]), {}
        for i, name in enumerate(arrays["tissues"].tolist()):
            indices = arrays[f"indices{i}"]
            check_csr(arrays[f"indptr{i}"], indices, (n, n), f"the graph {printable(name)}", error=GraphError)
            values = np.ones(len(indices), dtype=np.float32)
            out[name] = sp.csr_array((values, indices, arrays[f"indptr{i}"]), shape=(n, n))
        return cls(out)


def token_graph(
    edges: pd.DataFrame | Mapping[str, pd.DataFrame],
    find: Callable[[np.ndarray], np.ndarray],
    n_genes: int,
    *,
    threshold: float = 0.0,
) -> TokenGraph:
    """Return the graphs of tables of edges.

    Parameters
    ----------
    edges
        A table with ``source``, ``target`` and perhaps ``weight``, or tissue -> such a table.
    find
        Leads names of genes to positions in the vocabulary, -1 for unknown ones.
    n_genes
        Size of the vocabulary.
    threshold
        Edges have a larger weight; of no use without weights.

    Raises
    ------
    GraphError
        If no edge of a table is above the threshold and between genes of the vocabulary.
    """
    tables = edges if isinstance(edges, Mapping) else {"": edges}
    out = {}
    for tissue, table in tables.items():
        weighted = isinstance(table, pd.DataFrame) and any(str(c).lower() in NAMES["weight"] for c in table.columns)
        # a z-score may be negative, and is then no edge
        kept = check_edges(table, above=-np.inf if weighted else None)
        kept = kept[kept["weight"] > threshold] if weighted else kept
        names = np.unique(np.concatenate([kept["source"], kept["target"]]).astype(str))
        at = pd.Series(find(names) if len(names) else [], index=names, dtype=np.int64)
        source, target = at[kept["source"]].to_numpy(), at[kept["target"]].to_numpy()
        inside = (source >= 0) & (target >= 0) & (source != target)
        if not inside.any():
            where = f" of {printable(tissue)}" if tissue else ""
            above = f" ({len(kept):,} above the threshold {threshold})" if weighted else ""
            msg = f"None of the {len(table):,} edges{where}{above} lies between two genes of the model."
            raise GraphError(msg)
        values = np.ones(int(inside.sum()), dtype=np.float32)
        out[str(tissue)] = sp.csr_array((values, (source[inside], target[inside])), shape=(n_genes, n_genes))
    return TokenGraph(out)


def _undirected(graph: sp.csr_array) -> sp.csr_array:
    coo = sp.coo_array(graph)
    keep = (coo.row != coo.col) & (coo.data != 0)
    a, b = coo.row[keep], coo.col[keep]
    ones = np.ones(2 * len(a), dtype=np.float32)
    out = sp.csr_array((ones, (np.concatenate([a, b]), np.concatenate([b, a]))), shape=graph.shape)
    out.sum_duplicates()
    out.data[:] = 1
    return out
