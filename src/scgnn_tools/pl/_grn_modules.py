"""A network of hundreds or thousands of edges: bands from factors to modules of targets that have like factors."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.collections import PolyCollection

from scgnn_tools.pl import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_FACTORS = 32
LEFT, RIGHT, WIDTH = 0.17, 0.62, 0.012
REST = "others"


def draw(ax: "Axes", edges: pd.DataFrame) -> None:
    """Draw the edges into the axes: a bar a factor, a bar a module, as long as they have edges, and bands between them."""
    table = edges.assign(module=modules(edges), factor=_factors(edges), sign=np.sign(edges["sign"].fillna(0)))
    left, right = _order(table)
    spots = {
        "factor": _stack(table["factor"].value_counts(), left, gap=0.35),
        "module": _stack(table["module"].value_counts(), right, gap=0.5),
    }
    flows = table.groupby(["factor", "module", "sign", "known"], sort=False).size().rename("n").reset_index()
    _bands(ax, flows, left, right, spots)
    for name in left:
        low, high = spots["factor"][name]
        ax.fill_between([LEFT - WIDTH, LEFT], low, high, color=style.TF, linewidth=0)
        n = int((table["factor"] == name).sum())
        n_others = table.loc[table["factor"] == REST, "source"].nunique()
        label = f"{n_others} others" if name == REST else name
        size = float(np.clip(270 / len(left), 6.5, 9.5))
        at = {"x": LEFT - WIDTH - 0.008, "y": (low + high) / 2, "ha": "right", "va": "center", "fontsize": size}
        ax.text(
            **at,
            s=f"{style.text(label, limit=24)}  {n:,}",
            color=style.TF,
            fontweight="bold" if name != REST else "normal",
        )
    for number, name in enumerate(right, start=1):
        low, high = spots["module"][name]
        here = table[table["module"] == name]
        ax.fill_between([RIGHT, RIGHT + WIDTH], low, high, color=style.TARGET, linewidth=0)
        y = (low + high) / 2
        n, x = here["target"].nunique(), RIGHT + WIDTH + 0.01
        head = f"module {number}: {n:,} target{'s' * (n > 1)}, {len(here):,} edges"
        ax.text(x, y + 0.011, head, fontsize=8.5, fontweight="bold", color=style.INK, va="center")
        ax.text(x, y - 0.011, _members(here), fontsize=7.5, color=style.QUIET, va="center")
    ax.set(xlim=(0, 1), ylim=(-0.01, 1.01))
    ax.axis("off")


def modules(edges: pd.DataFrame) -> np.ndarray:
    """Return the module of each edge's target, (n_edges,): targets with like factors and signs share one."""
    import scipy.sparse as sp
    from sklearn.cluster import KMeans

    targets, j = np.unique(edges["target"].to_numpy(dtype=object), return_inverse=True)
    _, i = np.unique(edges["source"].to_numpy(dtype=object), return_inverse=True)
    value = np.where(edges["sign"].to_numpy(dtype=float) < 0, -1.0, 1.0)
    profile = sp.csr_array((value, (j, i)), shape=(len(targets), int(i.max()) + 1)).toarray()
    profile *= np.log1p(len(targets) / (profile != 0).sum(axis=0))  # a factor of every target says little
    profile /= np.linalg.norm(profile, axis=1, keepdims=True) + 1e-12
    k = int(min(len(targets), np.clip(round(len(targets) ** 0.5 / 1.6), 3, 12)))
    return KMeans(k, n_init=4, random_state=0).fit_predict(profile)[j]


def _factors(edges: pd.DataFrame) -> pd.Series:
    """Return the factor of each edge, the smaller ones under one name."""
    sizes = edges["source"].value_counts()
    named = sizes.index[:MOST_FACTORS] if len(sizes) > MOST_FACTORS + 1 else sizes.index
    return edges["source"].where(edges["source"].isin(named), REST)


def _order(table: pd.DataFrame) -> tuple[list, list]:
    """Order factors and modules from top to bottom so that bands cross little: each where its partners are on average."""
    counts = pd.crosstab(table["factor"], table["module"])
    weight = counts.to_numpy(dtype=float)
    left, right = np.arange(len(counts), dtype=float), np.argsort(np.argsort(-weight.sum(axis=0))).astype(float)
    for _ in range(30):
        left = _ranks(weight @ right / weight.sum(axis=1))
        right = _ranks(left @ weight / weight.sum(axis=0))
    names = [n for _, n in sorted(zip(left, counts.index, strict=True), key=lambda p: (p[1] == REST, p[0]))]
    return names, [n for _, n in sorted(zip(right, counts.columns, strict=True))]


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable") / max(1, len(values) - 1)


def _stack(sizes: pd.Series, order: list, *, gap: float) -> dict:
    """Return lower and upper end of each bar, first at the top; ``gap`` is the share of the height between the bars, at most."""
    least = 0.018 if len(order) > 20 else 0.05  # room for a label, of one line or two
    share = np.maximum(sizes.reindex(order).to_numpy(dtype=float) / sizes.sum(), least)
    room = min(gap, 0.012 * (len(order) - 1))
    share *= (1 - room) / share.sum()
    top = 1 - np.concatenate([[0], np.cumsum(share + room / max(1, len(order) - 1))[:-1]])
    return {name: (t - s, t) for name, t, s in zip(order, top, share, strict=True)}


def _bands(ax: "Axes", flows: pd.DataFrame, left: list, right: list, spots: dict) -> None:
    place = {"factor": {n: i for i, n in enumerate(left)}, "module": {n: i for i, n in enumerate(right)}}
    flows = flows.assign(f=flows["factor"].map(place["factor"]), m=flows["module"].map(place["module"]))
    ends = {}
    for side, other in (("factor", "m"), ("module", "f")):
        by = flows.sort_values([side[0], other, "sign", "known"], ascending=[True, True, False, False])
        total = by.groupby(side, sort=False)["n"].transform("sum")
        before = by.groupby(side, sort=False)["n"].cumsum() - by["n"]
        low, high = (by[side].map({name: ends_of[k] for name, ends_of in spots[side].items()}) for k in (0, 1))
        unit = (high - low) / total
        ends[side] = (high - before * unit, high - (before + by["n"]) * unit)
    t = np.linspace(0, 1, 24)
    smooth = t * t * (3 - 2 * t)
    x = LEFT + (RIGHT - LEFT) * t
    shapes, colours = [], []
    for row in flows.sort_values(["known", "n"], ascending=[True, False]).index:
        upper, lower = ((1 - smooth) * ends["factor"][k][row] + smooth * ends["module"][k][row] for k in (0, 1))
        shapes.append(np.column_stack([np.r_[x, x[::-1]], np.r_[upper, lower[::-1]]]))
        sign, known = flows.loc[row, "sign"], flows.loc[row, "known"]
        colour = style.UP if sign > 0 else style.DOWN if sign < 0 else style.OPEN
        colours.append((colour, 0.9 if known else 0.28))
    ax.add_collection(PolyCollection(shapes, facecolors=colours, linewidths=0))


def _members(here: pd.DataFrame, limit: int = 52) -> str:
    """Return the targets with the highest scores in one line."""
    best = here.groupby("target")["score"].sum().sort_values(ascending=False, kind="stable").index
    line = ""
    for done, name in enumerate(best):
        more = f"{line}{', ' if line else ''}{style.text(name, limit=24)}"
        if len(more) > limit and line:
            return f"{line}, +{len(best) - done:,}"
        line = more
    return line
