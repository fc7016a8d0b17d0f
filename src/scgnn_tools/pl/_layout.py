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
