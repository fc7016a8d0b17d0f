"""Where the genes of a network stand: factors on an inner ring, targets around them, nothing on top of anything."""

import numpy as np
import pandas as pd


def choose_edges(edges: pd.DataFrame, n_edges: int) -> pd.DataFrame:
    """Choose edges that show several factors and targets, best first.

    Up to half of the places go to known edges, the rest to new ones; no factor gets more than an eighth of the places and no
    target more than a fifteenth (at least four and three), because the best edges of all are often those of one gene.
    """
    best = edges.sort_values("score", ascending=False, kind="stable")
    known, new = best[best["known"]].head(n_edges // 2), best[~best["known"]]
    per_tf, per_target = max(4, n_edges // 8), max(3, n_edges // 15)
    if edges["source"].nunique() == 1:
        per_tf, per_target = n_edges, n_edges
    tf, target = dict.fromkeys(edges["source"].unique(), 0), dict.fromkeys(edges["target"].unique(), 0)
    kept: list[int] = []
    for e in pd.concat([known, new]).itertuples():
        if len(kept) < n_edges and tf[e.source] < per_tf and target[e.target] < per_target:
            kept.append(e.Index)
            tf[e.source] += 1
            target[e.target] += 1
    return edges.loc[kept].reset_index(drop=True)


def best_of_each(edges: pd.DataFrame, n_edges: int) -> pd.DataFrame:
    """Choose edges by their rank within the factor (and group), known and new ones apart, until there are ``n_edges``; best first.

    Known edges alone would fill the places, and what is predicted would not be seen.
    """
    if len(edges) <= n_edges:
        return edges.reset_index(drop=True)
    by = ["group", "source", "known"] if "group" in edges else ["source", "known"]
    order = edges.sort_values("score", ascending=False, kind="stable")
    rank = order.groupby(by, sort=False, observed=True).cumcount()
    kept = order.assign(rank=rank).sort_values(["rank", "score"], ascending=[True, False], kind="stable").head(n_edges)
    return edges.loc[kept.index].sort_values("score", ascending=False, kind="stable").reset_index(drop=True)


def rings(edges: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the angle of each factor and of each target that is no factor, in radians.

    Factors with like targets stand beside each other and take room by the number of their edges; a target stands where its factors are on
    average, and all targets are evenly spaced, so that no two labels meet.
    """
    table = pd.crosstab(edges["source"], edges["target"]).astype(bool)
    order = _chain(table.to_numpy())
    weight = np.sqrt(table.sum(axis=1).to_numpy()[order]) + 2
    ends = np.cumsum(weight) / weight.sum() * 2 * np.pi
    tf_angle = pd.Series(ends - weight / weight.sum() * np.pi, index=table.index[order])
    outside = edges[~edges["target"].isin(tf_angle.index)]
    z = np.exp(1j * outside["source"].map(tf_angle).to_numpy(dtype=float))
    pull = pd.Series(z, index=outside["target"].to_numpy()).groupby(level=0, sort=True).sum()
    wanted = np.mod(np.angle(pull.to_numpy()), 2 * np.pi)
    by_angle = np.argsort(wanted, kind="stable")
    n = len(pull)
    if n == 0:
        return tf_angle, pd.Series(dtype=float)
    even = np.arange(n) * 2 * np.pi / n
    # turn the whole ring so that targets are as near to their factors as even spacing allows
    turn = np.angle(np.mean(np.exp(1j * (wanted[by_angle] - even))))
    return tf_angle, pd.Series(even + turn, index=pull.index[by_angle])


def _chain(table: np.ndarray) -> np.ndarray:
    """Order rows so that neighbours share columns: from the fullest row always on to the most similar one left."""
    size = table.sum(axis=1)
    shared = table.astype(int) @ table.astype(int).T
    jaccard = shared / np.maximum(size[:, None] + size[None, :] - shared, 1)
    left = list(np.argsort(-size, kind="stable"))
    order = [left.pop(0)]
    while left:
        nearest = max(left, key=lambda i: (jaccard[order[-1], i], size[i], -i))
        left.remove(nearest)
        order.append(nearest)
    return np.array(order)


def flowers(
    source: np.ndarray, target: np.ndarray, weight: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a place for each gene, a factor with its own targets around it as petals, and whose petal each gene is.

    A target belongs to the factor with the strongest edge to it; factors stand near those that they share targets with. So a network of
    thousands of edges shows its regulons, and the long edges are those that regulons share.

    Parameters
    ----------
    source, target, weight
        Ends and strength of the edges, (n_edges,).
    n
        Genes.

    Returns
    -------
    tuple
        ``x``, ``y`` and ``home``, the factor of each gene, -1 for a factor, each (n,).
    """
    factors = np.unique(source)
    is_factor, number = np.zeros(n, dtype=bool), np.full(n, -1)
    is_factor[factors], number[factors] = True, np.arange(len(factors))
    order = np.lexsort((source, -weight))
    own = order[~is_factor[target[order]]]
    first = own[np.unique(target[own], return_index=True)[1]]
    home = np.full(n, -1)
    home[target[first]] = source[first]
    petals = np.bincount(number[home[home >= 0]], minlength=len(factors))
    ends = np.where(is_factor[target], target, home[target])
    between = source != ends
    room = np.sqrt(0.6 / max(n + len(factors), 1))
    size = room * np.sqrt(petals + 2.0)
    x, y = np.zeros(n), np.zeros(n)
    x[factors], y[factors] = disk(number[source[between]], number[ends[between]], weight[between], size)
    strongest = first[np.lexsort((-weight[first], number[source[first]]))]
    place = np.arange(len(strongest)) - np.searchsorted(number[source[strongest]], number[source[strongest]])
    radius, angle = room * np.sqrt(place + 1.3), place * np.pi * (3 - np.sqrt(5))
    x[target[strongest]] = x[source[strongest]] + radius * np.cos(angle)
    y[target[strongest]] = y[source[strongest]] + radius * np.sin(angle)
    return x, y, home


def disk(
    source: np.ndarray, target: np.ndarray, weight: np.ndarray, size: np.ndarray, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return a place in the unit disk for each gene of a network, genes with shared edges near each other.

    A force-directed layout of igraph from fixed places, so that the same edges always give the same picture; then the radii are drawn
    towards their ranks, so that neither a few far genes nor a dense middle takes the room, and genes that lie on each other are pushed
    apart.

    Parameters
    ----------
    source, target, weight
        Ends and attraction of the edges, (n_edges,).
    size
        Room that each gene takes, as a radius, (n_genes,).
    """
    import random

    import igraph

    n = len(size)
    if n == 0:
        return np.zeros(0), np.zeros(0)
    begin = np.random.default_rng(seed).normal(size=(n, 2)) * np.sqrt(n)
    graph = igraph.Graph(n=n, edges=np.stack([source, target], axis=1).tolist())
    igraph.set_random_number_generator(random.Random(seed))  # of igraph alone
    try:
        place = graph.layout_fruchterman_reingold(
            weights=weight.tolist(), niter=400 if n < 1500 else 150, seed=begin.tolist(), grid=n > 1000
        )
    finally:
        igraph.set_random_number_generator(random)
    xy = np.asarray(place.coords, dtype=float)
    xy -= np.median(xy, axis=0)
    radius = np.hypot(*xy.T)
    rank = np.sqrt((np.argsort(np.argsort(radius, kind="stable"), kind="stable") + 0.5) / n)
    far = np.quantile(radius, 0.98) or 1.0
    wanted = 0.3 * np.minimum(radius / far, 1.1) + 0.7 * rank
    xy *= np.divide(wanted, radius, out=np.zeros(n), where=radius > 0)[:, None]
    xy = _apart(xy, size)
    return xy[:, 0], xy[:, 1]


def _apart(xy: np.ndarray, size: np.ndarray, *, steps: int = 60) -> np.ndarray:
    """Push points apart that are nearer than their sizes allow."""
    from scipy.spatial import cKDTree

    for _ in range(steps):
        pairs = cKDTree(xy).query_pairs(2 * size.max(), output_type="ndarray")
        if len(pairs) == 0:
            break
        i, j = pairs.T
        between = xy[i] - xy[j]
        distance = np.maximum(np.hypot(*between.T), 1e-9)
        overlap = np.maximum(size[i] + size[j] - distance, 0)
        push = between / distance[:, None] * (0.4 * overlap)[:, None]
        move = np.zeros_like(xy)
        np.add.at(move, i, push)
        np.add.at(move, j, -push)
        xy = xy + move
    return xy
