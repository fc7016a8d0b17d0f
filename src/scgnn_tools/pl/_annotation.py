"""``pl.annotation``: the labels on a map of the cells, and the method beside its baselines."""

from typing import TYPE_CHECKING

import numpy as np

from scgnn_tools import _choices as choices
from scgnn_tools._columns import column_of
from scgnn_tools._keys import LABEL, UNKNOWN, LabelKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._label_result import result
from scgnn_tools.pl._style import Figure

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData


def annotation(
    adata: "AnnData | MuData",
    key: str = LABEL,
    *,
    basis: str = "X_umap",
    labels_key: str | None = None,
    mod: str = RNA,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the predicted labels on a map of the cells, beside the scores of the method and its baselines.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.annotate` was called on.
    key
        Name of the result.
    basis
        Key of ``obsm`` with the map, for example after ``sc.tl.umap(adata)``; its first two columns are drawn.
    labels_key
        Column of ``obs`` with the true labels, drawn as another map if given.
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
        If there is no such annotation, map or column.
    """
    adata = modality(adata, mod)
    keys = LabelKeys(key)
    entry = result(adata, key)
    todo = "Run sc.pp.neighbors(adata, use_rep=…) and sc.tl.umap(adata)."
    choices.key("basis", basis, adata.obsm, "obsm", todo=todo)
    maps = [(f"predicted: {entry['params']['method']}", adata.obs[keys.obs])]
    if labels_key is not None:
        maps.insert(0, (f"known: {style.text(labels_key)}", column_of(adata.obs, labels_key, "labels_key")))
    figure = Figure(figsize=figsize or (5.4 * len(maps) + 3.4, 5.2), facecolor="white", layout="constrained")
    axes = figure.subplots(1, len(maps) + 1, width_ratios=[1.0] * len(maps) + [0.62])
    names = sorted({str(v) for _, labels in maps for v in labels.dropna().unique()} - {UNKNOWN})
    colour = {n: style.PALETTE[i % len(style.PALETTE)] for i, n in enumerate(names)}
    xy = np.asarray(adata.obsm[basis])[:, :2]
    for ax, (title, labels) in zip(axes, maps, strict=False):
        _map(ax, xy, labels.astype(object).where(labels.notna(), UNKNOWN).astype(str).to_numpy(), colour, title)
    _scores(axes[-1], entry["evaluation"])
    handles = [figure.axes[0].scatter([], [], s=28, color=c, label=style.text(n)) for n, c in colour.items()]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(names), 5),
        frameon=False,
        fontsize=8.5,
        handletextpad=0.2,
    )
    return figure


def _map(ax: "Axes", xy: np.ndarray, labels: np.ndarray, colour: dict[str, str], title: str) -> None:
    order = np.argsort(labels != UNKNOWN, kind="stable")  # unknown cells lie below the others
    size = float(np.clip(9000 / len(xy), 1.5, 22))
    ax.scatter(
        xy[order, 0],
        xy[order, 1],
        s=size,
        c=[colour.get(v, style.UNKNOWN) for v in labels[order]],
        linewidths=0,
        alpha=0.9,
        rasterized=True,
    )
    ax.set_title(title, fontsize=11, fontweight="bold", color=style.INK, loc="left")
    ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_color(style.GRID)


def _scores(ax: "Axes", evaluation: "pd.DataFrame") -> None:
    """Draw accuracy and macro-F1 of the method and its baselines, the method on top."""
    rows = evaluation.iloc[::-1]
    y = np.arange(len(rows))
    for offset, column, shade in ((0.19, "accuracy", 1.0), (-0.19, "macro_f1", 0.5)):
        values = rows[column].to_numpy(dtype=float)
        colours = [style.UP if kind == "method" else style.PALE for kind in rows["kind"]]
        ax.barh(y + offset, np.nan_to_num(values), height=0.34, color=colours, alpha=shade)
        for i, v in zip(y, values, strict=True):
            shown = f"{column.replace('_', '-')} {v:.3f}" if np.isfinite(v) else f"{column}: not scored"
            ax.text(
                0.02,
                i + offset,
                shown,
                va="center",
                fontsize=8.5,
                color="white" if shade == 1.0 and np.isfinite(v) else style.INK,
            )
    ax.set_yticks(y, rows.index, fontsize=9.5)
    ax.set(xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4))
    n = int(rows["n"].max())
    ax.set_title(f"{n:,} held-out labelled cells", fontsize=11, fontweight="bold", color=style.INK, loc="left")
    ax.tick_params(length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(style.GRID)
