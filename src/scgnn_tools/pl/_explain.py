"""``pl.explain``: the genes that each class rests on, and the parts of the method where they disagree."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._fields import held
from scgnn_tools._keys import EXPLAIN, ExplainKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

COLUMNS = 4

MEASURES = {
    "occlusion": "fall of the log-probability without the gene",
    "gradcam": "Grad-CAM of the graph, scaled",
    "integrated_gradients": "integrated gradient",
}
"""What the bars are, by way of asking."""


@documented
def explain(
    adata: "AnnData | MuData",
    key: str = EXPLAIN,
    *,
    n_genes: int = 8,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the most important genes of each class, and beside them how often each part of the method is right.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.explain` was called on.
    key
        Name of the result.
    n_genes
        Genes of a class.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such explanation, or it is not of genes (:func:`scgnn_tools.pl.explain_entries` draws those of entries).

    Examples
    --------
    >>> sgt.tl.explain(adata, "partly", method="logreg_pca", n_cells=5, n_genes=20)
    >>> sgt.pl.explain(adata, n_genes=5)
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    integer("n_genes", n_genes)
    keys = ExplainKeys(key)
    entry = held(adata, keys.uns)
    if "genes" not in entry:
        msg = f"uns[{key!r}] holds no explanation. Run sgt.tl.explain(adata, key_added={key!r}) first."
        if "entries" in entry:
            msg = f"uns[{key!r}] is of the entries of vectors: its pathway has no nodes of genes. Draw it with sgt.pl.explain_entries."
        raise MissingKeyError(msg)
    names = entry.get("classes", entry["genes"].columns)
    genes = entry["genes"].set_axis(list(names), axis=1).dropna(axis=1, how="all")
    panels = len(genes.columns) + ("parts" in entry and len(entry["parts"]) > 0)
    columns = min(COLUMNS, panels)
    rows = -(-panels // columns)
    size = figsize or (2.9 * columns, rows * (0.21 * n_genes + 0.85) + 0.5)
    with canvas.panels(size) as figure:
        axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
        for panel, (name, values) in zip(axes, genes.items(), strict=False):
            _bars(panel, style.text(name, limit=30), values.sort_values(ascending=False, kind="stable").head(n_genes))
        for panel in axes[panels:]:
            panel.axis("off")
        if panels > len(genes.columns):
            _parts(axes[panels - 1], entry["parts"])
        method, what = style.text(entry["params"]["method"]), MEASURES[entry["params"]["how"]]
        figure.suptitle(f"{method}: {what}", x=0.01, ha="left", fontsize=11, color=style.INK)
    return canvas.result()


def _bars(ax: "Axes", title: str, values: pd.Series) -> None:
    y = np.arange(len(values))[::-1]
    ax.barh(y, values.to_numpy(), color=style.UP, height=0.68)
    ax.set_yticks(y, [style.text(g, limit=24) for g in values.index], fontsize=8.5)
    ax.set_title(title, **style.TITLE | {"fontsize": 10})
    ax.set_xlim(min(0.0, float(values.min())), max(float(values.max()) * 1.05, 1e-9))
    ax.tick_params(length=0, labelsize=8)
    ax.locator_params(axis="x", nbins=3)
    style.open_frame(ax, grid=False, left=False)


def _parts(ax: "Axes", table: pd.DataFrame) -> None:
    y = np.arange(len(table))[::-1].astype(float)
    for offset, column, colour in ((0.19, "accuracy", style.TF), (-0.19, "accuracy_where_they_disagree", style.DOWN)):
        values = table[column].to_numpy(dtype=float)
        ax.barh(y + offset, np.nan_to_num(values), height=0.34, color=colour)
        for at, v in zip(y, values, strict=True):
            if np.isfinite(v):
                ax.text(min(v + 0.02, 1.02), at + offset, f"{v:.2f}", va="center", fontsize=8, color=style.INK)
    n, differ = (int(table[c].iloc[0]) for c in ("n", "n_disagree"))
    ax.set_yticks(y, table.index, fontsize=8.5)
    ax.set(xlim=(0, 1.2), xticks=[0, 0.5, 1])
    ax.set_title("accuracy of the parts", **style.TITLE | {"fontsize": 10})
    ax.set_xlabel(
        f"dark: all {n:,} held-out cells\nred: the {differ:,} where they disagree", fontsize=8, color=style.INK
    )
    ax.tick_params(length=0, labelsize=8)
    style.open_frame(ax, grid=False, left=False)
