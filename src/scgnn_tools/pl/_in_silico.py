"""``pl.in_silico``: how far genes move the cells of a model, beside what their rank and genes of like expression say."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._keys import IN_SILICO
from scgnn_tools._log import counted
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented
from scgnn_tools.pl._perturbation_result import result

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

FDR = 0.05
LEGEND: dict[str, Any] = {
    "fontsize": 8,
    "frameon": False,
    "ncols": 3,
    "loc": "lower left",
    "bbox_to_anchor": (0, 1),
    "borderaxespad": 0,
    "labelcolor": style.INK,
    "handletextpad": 0.3,
    "columnspacing": 1.2,
}
"""Above the panel."""


@documented
def in_silico(
    adata: "AnnData | MuData",
    n_genes: int = 12,
    key: str = IN_SILICO,
    *,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw how far each gene moves the cells of a model, and whether that is more than its rank and genes like it would.

    Left: the shift against the mean rank of the gene in its cells. Most of a shift is often the rank. Right: the genes that were
    most moved, each beside the mean of genes of like expression (open) and the same change in principal components (line).

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.in_silico` was called on.
    n_genes
        Genes that are named, those that move the cells most.
    key
        Name of the result.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such result, or no gene was perturbed.

    Examples
    --------
    >>> sgt.tl.in_silico(adata)
    >>> sgt.pl.in_silico(adata)
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    n_genes = integer("n_genes", n_genes)
    entry = result(adata, key, {"genes": "mean_rank"}, "genes perturbed in a model", "sgt.tl.in_silico(adata")
    table = entry["genes"]
    measure = next(c for c in ("shift", "shift_goal") if c in table)
    table = table[np.isfinite(table[measure].to_numpy(dtype=float))]
    if not len(table):
        msg = (
            f"No gene of uns[{key!r}] was perturbed in any cell. Name genes that the cells express in sgt.tl.in_silico."
        )
        raise MissingKeyError(msg)
    params, shown = entry["params"], table.iloc[:n_genes]
    what = "deleted" if params["kind"] == "delete" else "overexpressed"
    with canvas.panels(figsize or (10.5, max(3.6, 1.3 + 0.24 * len(shown)))) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
        _ranks(left, table, shown.index, measure)
        share = params["explained_by_rank"]
        explained = f"; rank explains {share:.0%}" if np.isfinite(share) else ""
        done = f"{counted(len(table), 'gene')} {what}"
        done = f"genes {what} together" if params.get("together") else done
        left.set_title(f"{style.text(params['model'])}, {done}{explained}", **style.TITLE, pad=20)
        _beside(right, shown, measure, str(params["goal"]))
    return canvas.result()


def _ranks(ax: "Axes", table: pd.DataFrame, named: pd.Index, measure: str) -> None:
    x, y = table["mean_rank"].to_numpy(dtype=float), table[measure].to_numpy(dtype=float)
    first, sure = table.index.isin(named), table["fdr"].to_numpy(dtype=float) < FDR
    for own, name, colour, size in (
        (~first & ~sure, f"FDR {FDR:g} or more", style.UNKNOWN, 9),
        (~first & sure, f"FDR below {FDR:g}", style.TARGET, 9),
        (first, "named on the right", style.UP, 20),
    ):
        if own.any():
            ax.scatter(x[own], y[own], s=size, color=colour, linewidths=0, label=name)
    ax.set(xscale="log", xlabel="mean rank in the cells that express it (1: highest)", ylabel=_words(measure))
    for axis in (ax.xaxis.set_major_formatter, ax.xaxis.set_minor_formatter):
        axis(lambda value, _: f"{value:,.0f}" if f"{value:.0e}"[0] in "125" else "")
    ax.legend(**LEGEND)
    style.open_frame(ax)


def _beside(ax: "Axes", table: pd.DataFrame, measure: str, goal: str) -> None:
    y = np.arange(len(table))[::-1]
    values = {c: table[c].to_numpy(dtype=float) for c in (measure, "like_genes", "pca")}
    ax.hlines(y, values["like_genes"], values[measure], color=style.UP, lw=2, alpha=0.35)
    ax.scatter(values[measure], y, s=38, color=style.UP, zorder=3, label="this gene")
    ax.scatter(values["like_genes"], y, s=34, facecolor="white", edgecolor=style.TF, zorder=3, label="genes like it")
    ax.scatter(values["pca"], y, s=46, marker="|", color=style.INK, zorder=3, label="in components")
    ax.set_yticks(y, [style.text(g, limit=20) for g in table.index], fontsize=8.5)
    ax.set(ylim=(-0.7, len(table) - 0.3), xlabel=_words(measure, goal))
    ax.locator_params(axis="x", nbins=5)  # small numbers are long ones
    ax.legend(**LEGEND)
    style.open_frame(ax)


def _words(measure: str, goal: str = "") -> str:
    if measure == "shift":
        return "shift of the cells, 1 − cosine"
    return f"shift towards {style.text(goal, limit=24)}" if goal else "shift towards the goal"
