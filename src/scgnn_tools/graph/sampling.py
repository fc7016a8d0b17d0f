"""Batches of a graph that is too large for one: some nodes, and a sample of those that they hear from."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools._choices import integer
from scgnn_tools._doors import door_of_arrays
from scgnn_tools._errors import InputValueError
from scgnn_tools._random import RNG, generator

if TYPE_CHECKING:
    from torch_geometric.data import Data


class Senders:
    """The edges of a graph by the node that receives, to draw from.

    Parameters
    ----------
    source, target
        Ends of each edge, int (n_edges,).
    n
        Nodes.
    """

    def __init__(self, source: np.ndarray, target: np.ndarray, n: int) -> None:
        self.edge = np.argsort(target, kind="stable")
        self.source = source[self.edge]
        self.begin = np.concatenate([[0], np.cumsum(np.bincount(target, minlength=n))])

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
        return self.edge[slot], self.source[slot], at


@door_of_arrays
def neighbor_batches(
    data: "Data",
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
        One graph, such as :func:`to_pyg` gives.
    batch_size
        Nodes that a batch is for.
    n_neighbors
        Most edges that are drawn into a node, one number a layer of the network; -1 takes all.
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
    source, target = data.edge_index.cpu().numpy()
    senders, place = Senders(source, target, n), np.full(n, -1)
    order = draws.permutation(len(wanted)) if shuffle else np.arange(len(wanted))
    most = [k if k > 0 else len(source) for k in hops]
    parts = (order[start : start + batch_size] for start in range(0, len(order), batch_size))
    return (_batch(data, senders, place, wanted[inputs], inputs, most, draws) for inputs in parts)


def _batch(
    data: "Data",
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


def _part(data: "Data", n_id: Any, e_id: Any, edge_index: Any, inputs: Any) -> "Data":
    from torch import Tensor
    from torch_geometric.data import Data

    out = Data(
        edge_index=edge_index, num_nodes=len(n_id), n_id=n_id, e_id=e_id, input_id=inputs, batch_size=len(inputs)
    )
    for key, value in data:
        if key in ("edge_index", "num_nodes"):
            continue
        of_nodes, of_edges = isinstance(value, Tensor) and data.is_node_attr(key), data.is_edge_attr(key)
        out[key] = value[n_id] if of_nodes else value[e_id] if of_edges else value
    return out
