"""``pl.annotation_sankey``: where old labels or clusters go among the new ones."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools._columns import column_of
from scgnn_tools._keys import LABEL, UNKNOWN, LabelKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._label_result import result
from scgnn_tools.pl._style import Figure

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

GAP, NARROW = 0.022, 0.03
NONE = "(none)"


def annotation_sankey(
    adata: "AnnData | MuData",
    labels_key: str,
    key: str = LABEL,
    *,
    min_share: float = 0.002,
    mod: str = RNA,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw bands from the old labels, on the left, to the new ones, as wide as there are cells.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.annotate` was called on.
    labels_key
        Column of ``obs`` with the old labels, or clusters.
    key
        Name of the result.
    min_share
        Bands with a smaller share of the cells are not drawn.
    mod
        Modality of a MuData.
    figsize
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingKeyError
        If there is no such annotation or column.
    """
    adata = modality(adata, mod)
    entry = result(adata, key)
    both = column_of(adata.obs, labels_key, "labels_key"), adata.obs[LabelKeys(key).obs]
    old, new = (labels.astype(object).where(labels.notna(), NONE).astype(str) for labels in both)
    flow = pd.crosstab(old.to_numpy(), new.to_numpy()) / len(old)
    flow = flow.loc[flow.sum(axis=1).sort_values(ascending=False, kind="stable").index, _order(flow)]
    rows = max(len(flow), flow.shape[1])
    figure = Figure(figsize=figsize or (8.6, max(3.6, 0.36 * rows + 1.6)), facecolor="white", layout="constrained")
    ax = figure.subplots()
    left, right = _places(flow.sum(axis=1)), _places(flow.sum(axis=0))
    names = [n for n in flow.columns if n != UNKNOWN]
    colour = {n: style.PALETTE[i % len(style.PALETTE)] for i, n in enumerate(names)} | {UNKNOWN: style.OPEN}
    used_left, used_right = dict(left), dict(right)
    for a in flow.index:
        for b in flow.columns:
            width = float(flow.loc[a, b])
            if width >= max(min_share, 1e-12):
                _band(ax, used_left[a], used_right[b], width, colour[b])
            used_left[a] += width
            used_right[b] += width
    for name, top in left.items():
        _block(
            ax,
            0.0,
            top,
            float(flow.loc[name].sum()),
            style.TARGET,
            f"{_short(name)}  {flow.loc[name].sum():.1%}",
            "right",
        )
    for name, top in right.items():
        _block(ax, 1.0, top, float(flow[name].sum()), colour[name], f"{_short(name)}  {flow[name].sum():.1%}", "left")
    bottom = max(max(p.values()) for p in (used_left, used_right))
    ax.set(xlim=(-0.62, 1.62), ylim=(bottom + 0.01, -0.03))
    ax.axis("off")
    ax.set_title(
        f"{style.text(labels_key)}  →  {style.text(key)} ({entry['params']['method']})", fontsize=11, color=style.INK
    )
    return figure


def _order(flow: pd.DataFrame) -> list[str]:
    """Put new labels beside the old ones that most of their cells come from, Unknown last."""
    size = flow.sum(axis=1).sort_values(ascending=False, kind="stable")
    rank = pd.Series(np.arange(len(size)), index=size.index)
    middle = {c: float(np.average(rank.loc[flow.index], weights=flow[c])) for c in flow.columns if flow[c].sum() > 0}
    return sorted(middle, key=lambda c: (c == UNKNOWN, middle[c]))


def _places(size: pd.Series) -> dict[str, float]:
    """Return the upper end of each block."""
    tops = np.concatenate([[0.0], np.cumsum(size.to_numpy() + GAP)[:-1]])
    return dict(zip(size.index, tops.tolist(), strict=True))


def _band(ax: "Axes", left: float, right: float, width: float, colour: str) -> None:
    t = np.linspace(0, 1, 60)
    ease = t * t * (3 - 2 * t)
    upper = left + (right - left) * ease
    ax.fill_between(NARROW + t * (1 - 2 * NARROW), upper, upper + width, color=colour, alpha=0.42, linewidth=0)


def _block(ax: "Axes", x: float, top: float, height: float, colour: str, text: str, side: str) -> None:
    from matplotlib.patches import Rectangle

    start = x if side == "right" else x - NARROW
    ax.add_patch(Rectangle((start, top), NARROW, height, facecolor=colour, linewidth=0))
    at = x - 0.015 if side == "right" else x + 0.015
    ax.text(at, top + height / 2, text, ha=side, va="center", fontsize=9, color=style.INK)


def _short(name: str) -> str:
    return style.text(name, limit=34)
