"""``pl.explain_entries``: which entries of the cells' vectors each class rests on, for the graph and for the classifier of the vectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._fields import held
from scgnn_tools._keys import EXPLAIN, ExplainKeys
from scgnn_tools._log import printable
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

SIDES = {"graph": "graph", "vectors": "classifier of the vectors"}
MARKERS = {"graph": "o", "vectors": "^"}
BETWEEN = {"sides": "graph and\nclassifier", "graph": "graph,\ntwo trainings", "vectors": "classifier,\ntwo trainings"}
MEASURES = (
    ("spearman", "same class", style.UP, "o"),
    ("other_class", "another class", style.BASELINE, "s"),
    ("permuted", "permuted labels", style.DOWN, "x"),
)


@documented
def explain_entries(
    adata: "AnnData | MuData",
    key: str = EXPLAIN,
    *,
    n_entries: int = 3,
    palette: style.Palette | None = None,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the most important entries of the cells' vectors for each class, as Fig. 4 of scGraPhT's paper, and whether they hold.

    On the left is the importance of the entries for each class, above for the graph and below for the classifier of the vectors. A dot
    marks the top 1 % of each class. On the right are the classes in the first two principal components of their importances, a point a
    training. Below are the rank correlations between the sides and between trainings beside the two controls. A point is a class, and the
    line is at the mean.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.explain` was called on with ``how="gradcam"`` and a pathway that vectors go into.
    key
        Name of the result.
    n_entries
        Entries of a class and side that are shown, the most important ones.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such explanation, or it is not of entries.

    Examples
    --------
    >>> sgt.tl.explain(adata, "partly", how="gradcam", pathway="P2", max_epochs=5, n_cells=5)
    >>> sgt.pl.explain_entries(adata)
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    integer("n_entries", n_entries)
    entries, names = _entries(adata, key)
    heats = {s: entries[s].dropna(axis=1, how="all") for s in SIDES}
    classes = [c for c in entries["graph"].columns if c in heats["graph"] or c in heats["vectors"]]
    colour = style.colours([names[c] for c in classes], palette)
    shown = _chosen(heats, classes, n_entries)
    heat_width = max(2.4, 0.17 * len(shown)) + 0.07 * max((min(len(names[c]), 24) for c in classes), default=0)
    size = figsize or (heat_width + 4.6, max(5.2, 2 * (0.24 * len(classes) + 1.1)))
    with canvas.panels(size) as figure:
        panels = figure.subplot_mosaic(  # type: ignore[call-overload]
            [["graph", "map"], ["vectors", "agreement"]], width_ratios=(heat_width, 4.2)
        )
        image = None
        for side in SIDES:
            image = _heat(panels[side], side, entries[side].loc[shown, classes], entries["top"], names)
        panels["vectors"].set_xlabel("entry of the vectors", fontsize=8.5)
        style.bar(image, panels["vectors"], "importance (dot: top 1 % of the class)", where="bottom", shrink=0.4)
        _map(panels["map"], entries["pca"], np.asarray(entries["pca_variance"]), names, colour)
        _agreement(panels["agreement"], entries["agreement"])
        method = style.text(held(adata, ExplainKeys(key).uns)["params"]["method"])
        figure.suptitle(f"{method}: entries of the cells' vectors", x=0.01, ha="left", fontsize=11, color=style.INK)
    return canvas.result()


def _entries(adata: "AnnData", key: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the entries of an explanation, and the names of the classes by column."""
    keys = ExplainKeys(key)
    entry = held(adata, keys.uns)
    shown = printable(repr(key))
    if "params" not in entry or "dimensions" not in entry:
        msg = f"uns[{shown}] holds no explanation. Run sgt.tl.explain(adata, how='gradcam', pathway='P2', key_added={shown}) first."
        raise MissingKeyError(msg)
    entries = entry.get("entries")
    if not isinstance(entries, Mapping) or not set(SIDES) <= set(entries):
        how = entry["params"].get("how")
        msg = (
            f"uns[{shown}] is of genes and of no entries (how={how!r}): vectors did not go into a graph. Run sgt.tl.explain with "
            "how='gradcam', pathway='P2' and scheme='embedding+logits'."
        )
        raise MissingKeyError(msg)
    columns = [str(c) for c in entry["dimensions"].columns]
    return dict(entries), dict(zip(columns, map(str, entry["classes"]), strict=True))


def _chosen(heats: dict[str, pd.DataFrame], classes: Sequence[str], n: int) -> list[str]:
    """Return the entries that are shown: of the first class those of both sides, then of the next."""
    best = [heats[s][c].nlargest(n).index for c in classes for s in SIDES if c in heats[s]]
    return list(dict.fromkeys(str(e) for index in best for e in index))


def _heat(ax: "Axes", side: str, table: pd.DataFrame, top: pd.DataFrame, names: dict[str, str]) -> Any:
    if table.isna().all(axis=None):
        _said(ax, "no entry counts here")
    image = ax.pcolormesh(
        np.ma.masked_invalid(table.to_numpy(dtype=float).T),
        cmap="RdBu_r", vmin=-1, vmax=1, edgecolors="white", linewidth=0.4,
    )  # fmt: skip
    ax.invert_yaxis()
    some = top[top["side"] == side]
    row, column = (
        table.columns.get_indexer(some["class"].astype(str)),
        table.index.get_indexer(some["entry"].astype(str)),
    )
    seen = (row >= 0) & (column >= 0)
    ax.scatter(column[seen] + 0.5, row[seen] + 0.5, s=9, color="white", edgecolor=style.INK, linewidth=0.6, zorder=3)
    ax.set_yticks(np.arange(len(table.columns)) + 0.5, [style.text(names[c], limit=24) for c in table.columns])
    ax.set_xticks(np.arange(len(table)) + 0.5, list(table.index), rotation=90)
    ax.tick_params(length=0, labelsize=8)
    ax.tick_params(axis="x", labelsize=6.5, pad=1)
    ax.spines[:].set_visible(False)
    ax.set_title(SIDES[side], **style.TITLE | {"fontsize": 10})
    return image


def _map(ax: "Axes", points: pd.DataFrame, variance: np.ndarray, names: dict[str, str], colour: dict[str, str]) -> None:
    for (name, side), some in points.groupby(["class", "side"], sort=False, observed=True):
        at, own = some[["PC1", "PC2"]].to_numpy(), colour[names[str(name)]]
        for x, y in at if len(at) > 1 else ():
            ax.plot([x, at[:, 0].mean()], [y, at[:, 1].mean()], color=own, lw=0.7, alpha=0.6, zorder=1)
        ax.scatter(
            at[:, 0], at[:, 1], s=30, marker=MARKERS[str(side)], color=own, edgecolor="white", linewidth=0.6, zorder=2
        )
    ax.set_xlabel(f"PC1 ({variance[0]:.0%})", fontsize=8.5)
    ax.set_ylabel(f"PC2 ({variance[1]:.0%})", fontsize=8.5)
    sides = [ax.scatter([], [], marker=m, s=30, color=style.QUIET, label=SIDES[s]) for s, m in MARKERS.items()]
    ax.add_artist(_legend(ax, sides, loc="lower left", bbox_to_anchor=(0, 1), ncols=2))
    style.legend_beside(ax, colour)
    ax.tick_params(length=0, labelsize=7.5)
    ax.locator_params(nbins=4)
    style.open_frame(ax)


def _agreement(ax: "Axes", table: pd.DataFrame) -> None:
    rows = list(dict.fromkeys(table["between"].astype(str)))
    handles = []
    for i, (column, label, colour, marker) in enumerate(MEASURES):
        if table[column].isna().all():
            continue
        for y, between in enumerate(rows):
            values = table.loc[table["between"] == between, column].dropna().to_numpy(dtype=float)
            at = y + 0.22 * (i - 1)
            if len(values) == 0:
                continue
            ax.scatter(values, np.full(len(values), at), s=16, marker=marker, color=colour, alpha=0.6, linewidth=0.8)
            ax.plot([values.mean()] * 2, [at - 0.1, at + 0.1], color=colour, lw=2)
        handles.append(ax.scatter([], [], s=22, marker=marker, color=colour, label=label))
    ax.axvline(0, color=style.PALE, lw=0.8, zorder=0)
    ax.set_yticks(range(len(rows)), [BETWEEN[r] for r in rows])
    ax.set_ylim(len(BETWEEN) - 0.4, -0.6)
    if len(rows) == 1:
        _said(ax, "one training:\nn_seeds=3 compares several")
    elif not handles:
        _said(ax, "nothing could be ranked")
    ax.set_xlabel("rank correlation over the entries", fontsize=8.5)
    ax.add_artist(_legend(ax, handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3))
    ax.tick_params(length=0, labelsize=8)
    style.open_frame(ax, left=False)


def _said(ax: "Axes", words: str) -> None:
    ax.text(0.5, 0.3, words, transform=ax.transAxes, ha="center", fontsize=8, color=style.QUIET)


def _legend(ax: "Axes", handles: list[Any], **where: Any) -> Any:
    return ax.legend(
        handles=handles, fontsize=8, frameon=False, handletextpad=0.1, columnspacing=1.0, labelcolor=style.INK, borderaxespad=0.1,
        **where,
    )  # fmt: skip
