"""Batches of a graph that is too large for one: some nodes, and a sample of those that they hear from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scgnn_tools._choices import integer
from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, generator
from scgnn_tools.graph.mapped import MappedGraph

if TYPE_CHECKING:
    from torch_geometric.data import Data


@dataclass(frozen=True)
class Senders:
    """The edges of a graph by the node that receives, to draw from.

    Attributes
    ----------
    begin
        Where the edges into each node begin, int64 (n + 1,).
    source
        Where they come from, int (n_edges,); it may lie in a file.
    edge
        Their numbers, int (n_edges,); None where they are numbered in this order.
    """

    begin: np.ndarray
    source: np.ndarray
    edge: np.ndarray | None = None

    @classmethod
    def of(cls, data: "Data | MappedGraph") -> Self:
        """Return the senders of a graph."""
        if isinstance(data, MappedGraph):
            return cls(data.indptr, data.indices)
        source, target = data.edge_index.cpu().numpy()
        edge = np.argsort(target, kind="stable")
        return cls(np.concatenate([[0], np.cumsum(np.bincount(target, minlength=data.num_nodes))]), source[edge], edge)

    def draw(self, nodes: np.ndarray, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return at most ``k`` edges into each node, without replacement: edges, their sources, positions in ``nodes`` of the targets."""
        counts = self.begin[nodes + 1] - self.begin[nodes]
        at = np.repeat(np.arange(len(nodes)), counts)
        first = np.cumsum(counts) - counts
        rank = np.arange(len(at)) - first[at]
        if counts.max(initial=0) > k:
            order = np.lexsort((rng.random(len(at)), at))  # a random order within each node
            keep = np.sort(order[rank < k])
            at, rank = at[keep], rank[keep]
        slot = self.begin[nodes][at] + rank
        return slot if self.edge is None else self.edge[slot], self.source[slot].astype(np.int64), at


@door_of_arrays
def neighbor_batches(
    data: "Data | MappedGraph",
    batch_size: int = 1024,
    *,
    n_neighbors: Sequence[int] = (15, 10),
    nodes: np.ndarray | None = None,
    shuffle: bool = True,
    rng: RNG = 0,
) -> "Iterator[Data]":
    """Yield small graphs that hold some nodes and a sample of those that they hear from, hop by hop.

    As ``torch_geometric.loader.NeighborLoader``, which needs the package pyg-lib, on the CPU and in numpy.

    Parameters
    ----------
    data
        One graph, such as :func:`to_pyg` gives; or one that lies on disk (:func:`open_graph`), of which each batch reads its own part.
    batch_size
        Nodes that a batch is for.
    n_neighbors
        Most edges that are drawn into a node, one number a layer of the network; -1 takes all. With -1 for each layer a network says of
        the nodes of a batch what it says of them in the whole graph.
    nodes
        Nodes that batches are for, int; None takes all.
    shuffle
        Whether they come in a random order.
    rng
        Seed of the order and the draws.

    Yields
    ------
    Data
        The nodes of the batch first, ``batch_size`` of them, then those that they hear from; with every attribute of nodes and edges of
        ``data``, and ``n_id``, ``e_id``, ``input_id``: where in ``data`` each node and edge is, and where in ``nodes`` each of the batch.

    Raises
    ------
    InputValueError
        If a size is not positive, or a node is not there.

    Examples
    --------
    >>> sgt.pp.cell_graph(adata)
    >>> data = sgt.graph.to_pyg(adata, obsp="sgt_cells", use_rep="X_cgc-mini")
    >>> batches = list(sgt.graph.neighbor_batches(data, 64, n_neighbors=(5,)))
    >>> [b.batch_size for b in batches]
    [64, 64, 64, 14]
    """
    hops = [int(k) for k in n_neighbors]
    batch_size = integer("batch_size", batch_size)
    if not hops or any(k < 1 and k != -1 for k in hops):
        msg = f"n_neighbors are positive numbers, one a layer (-1: all neighbours); got {n_neighbors!r}."
        raise InputValueError(msg)
    n = int(data.num_nodes or 0)
    wanted = np.arange(n) if nodes is None else np.asarray(nodes, dtype=np.int64)
    if wanted.ndim != 1:
        msg = f"nodes is a list of numbers of nodes; got an array of shape {wanted.shape}."
        raise InputValueError(msg)
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() < n:
        msg = f"nodes are from 0 to {n - 1:,}; got {wanted.min():,} to {wanted.max():,}."
        raise InputValueError(msg)
    draws = generator(rng)
    senders, place = Senders.of(data), np.full(n, -1)
    order = draws.permutation(len(wanted)) if shuffle else np.arange(len(wanted))
    most = [k if k > 0 else len(senders.source) for k in hops]
    parts = (order[start : start + batch_size] for start in range(0, len(order), batch_size))
    return (_batch(data, senders, place, wanted[inputs], inputs, most, draws) for inputs in parts)


def _batch(
    data: "Data | MappedGraph",
    senders: Senders,
    place: np.ndarray,
    seeds: np.ndarray,
    inputs: np.ndarray,
    hops: list[int],
    rng: np.random.Generator,
) -> "Data":
    """Walk back from the seeds; ``place`` is -1 everywhere, before and after."""
    import torch

    seen, edges, ends = [seeds], [], []
    place[seeds] = np.arange(len(seeds))
    count, begin = len(seeds), 0
    for k in hops:
        frontier = seen[-1]
        edge, source, at = senders.draw(frontier, k, rng)
        new = np.unique(source[place[source] < 0])
        place[new] = np.arange(count, count + len(new))
        edges.append(edge)
        ends.append(np.stack([place[source], begin + at]))
        seen.append(new)
        begin, count = count, count + len(new)
    n_id, e_id = np.concatenate(seen), np.concatenate(edges)
    place[n_id] = -1
    index = torch.as_tensor(np.concatenate(ends, axis=1))
    return _part(data, torch.as_tensor(n_id), torch.as_tensor(e_id), index, torch.as_tensor(inputs))


def _part(data: "Data | MappedGraph", n_id: Any, e_id: Any, edge_index: Any, inputs: Any) -> "Data":
    import torch
    from torch import Tensor
    from torch_geometric.data import Data

    out = Data(
        edge_index=edge_index, num_nodes=len(n_id), n_id=n_id, e_id=e_id, input_id=inputs, batch_size=len(inputs)
    )
    if isinstance(data, MappedGraph):
        for key, values, at in (("edge_weight", data.weight, e_id), ("x", data.x, n_id), ("y", data.y, n_id)):
            if values is not None:
                out[key] = torch.as_tensor(np.asarray(values[at.numpy()]))
        return out
    for key, value in data:
        if key in ("edge_index", "num_nodes"):
            continue
        of_nodes, of_edges = isinstance(value, Tensor) and data.is_node_attr(key), data.is_edge_attr(key)
        out[key] = value[n_id] if of_nodes else value[e_id] if of_edges else value
    return out
