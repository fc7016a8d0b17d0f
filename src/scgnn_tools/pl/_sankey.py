"""``pl.annotation_sankey``: where old labels or clusters go among the new ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._columns import column_of
from scgnn_tools._keys import LABEL, UNKNOWN, LabelKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented
from scgnn_tools.pl._label_result import result

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

GAP, NARROW = 0.022, 0.03
LINE = 0.24
"""Inches of a name."""

NONE = "(none)"


@documented
def annotation_sankey(
    adata: "AnnData | MuData",
    labels_key: str,
    key: str = LABEL,
    *,
    min_share: float = 0.002,
    mod: str = RNA,
    palette: style.Palette | None = None,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw bands from the old labels, on the left, to the new ones, as wide as there are cells.

    A name that stands on both sides has one colour.

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
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such annotation or column.

    Examples
    --------
    >>> sgt.pl.annotation_sankey(adata, "cell_type")
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    entry = result(adata, key)
    both = column_of(adata.obs, labels_key, "labels_key"), adata.obs[LabelKeys(key).obs]
    old, new = (style.named(labels, NONE) for labels in both)
    flow = pd.crosstab(old, new) / len(old)
    flow = flow.loc[flow.sum(axis=1).sort_values(ascending=False, kind="stable").index, _order(flow)]
    known = style.of_column(adata, labels_key) | style.of_column(adata, LabelKeys(key).obs)
    shared = bool(set(flow.index) & set(flow.columns) - {UNKNOWN, NONE})
    # names of one vocabulary get the colours that pl.annotation gives them; clusters come after the labels
    after = [] if shared else sorted(set(flow.index) - set(flow.columns))
    names = [*sorted(set(flow.columns) | (set(flow.index) if shared else set())), *after]
    colour = style.colours(names, palette, known)
    height = max(3.6, LINE * max(flow.shape) + 1.0)
    with canvas.axes(figsize or (8.6, height)) as panel:
        left, right = _places(flow.sum(axis=1)), _places(flow.sum(axis=0))
        _bands(panel, flow, left, right, colour, min_share)
        bottom = max(max(left.values()) + flow.sum(axis=1).iloc[-1], max(right.values()) + flow.sum(axis=0).iloc[-1])
        gap = min(LINE * (bottom + 0.04) / (figsize or (0, height))[1], (bottom + 0.04) / max(flow.shape))
        of_left = {n: colour[n] if shared else style.TARGET for n in flow.index}
        _blocks(panel, 0.0, left, flow.sum(axis=1), of_left, gap, bottom, "right")
        _blocks(panel, 1.0, right, flow.sum(axis=0), colour, gap, bottom, "left")
        panel.set(xlim=(-0.62, 1.62), ylim=(bottom + 0.02, -0.03))
        panel.axis("off")
        method = style.text(entry["params"]["method"])
        panel.set_title(f"{style.text(labels_key)}  →  {style.text(key)} ({method})", **style.TITLE | {"loc": "center"})
    return canvas.result()


def _bands(
    ax: "Axes",
    flow: pd.DataFrame,
    left: dict[str, float],
    right: dict[str, float],
    colour: dict[str, str],
    min_share: float,
) -> None:
    left, right = dict(left), dict(right)
    for a in flow.index:
        for b in flow.columns:
            width = float(flow.loc[a, b])
            if width >= max(min_share, 1e-12):
                _band(ax, left[a], right[b], width, colour[b])
            left[a] += width
            right[b] += width


def _blocks(
    ax: "Axes",
    x: float,
    top: dict[str, float],
    size: pd.Series,
    colour: dict[str, str],
    gap: float,
    bottom: float,
    side: str,
) -> None:
    """Draw the ends of the bands with their names; names that would meet move apart and point at their block."""
    from matplotlib.patches import Rectangle

    middle = np.array([top[n] + size[n] / 2 for n in size.index])
    outward = -1 if side == "right" else 1
    for name, centre, at in zip(size.index, middle, style.apart(middle, gap, 0.0, bottom), strict=True):
        corner = (x if side == "right" else x - NARROW, top[name])
        ax.add_patch(Rectangle(corner, NARROW, float(size[name]), facecolor=colour[name], linewidth=0))
        if abs(at - centre) > 1e-9:
            ax.plot([x, x + outward * 0.012, x + outward * 0.03], [centre, centre, at], color=style.PALE, linewidth=0.7)
        label = f"{style.text(name, limit=34)}  {size[name]:.1%}"
        ax.text(x + outward * 0.035, at, label, ha=side, va="center", fontsize=9, color=style.INK)


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
