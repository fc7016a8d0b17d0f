"""``pl.gene_classes``: how well vectors tell classes of genes apart: ROC curves and the areas under them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputTypeError
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#7b8794"


@documented
def gene_classes(
    evaluation: pd.DataFrame,
    *,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the ROC curve of each kind of vectors, and the area under it with the spread over the folds.

    Curves are means over the folds; of more than two classes they are means over the classes, one against the rest. Chance is dotted. The
    bars are standard deviations over the folds, of random vectors over their draws.

    Parameters
    ----------
    evaluation
        Table of :func:`scgnn_tools.tl.classify_genes`, as it was returned: the curves travel in its ``attrs``.
    {figure}

    {returns}

    Raises
    ------
    InputTypeError
        If it is another table, or one that lost its curves (in a file, or by joining tables).

    Examples
    --------
    >>> classes = {
    ...     "ribosomal": [g for g in adata.var_names if g.startswith("RPL")],
    ...     "mitochondrial": [g for g in adata.var_names if g.startswith(("NDUF", "ATP5", "COX"))],
    ... }
    >>> sgt.pl.gene_classes(sgt.tl.classify_genes(adata, classes, n_trees=10))
    <Figure size ...>
    """
    curves = _checked(evaluation)
    canvas = Canvas(ax=ax, show=show, save=save, return_fig=return_fig)
    with canvas.panels(figsize or (9.6, 4.2)) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.05))
        colours = [style.PALETTE[i % len(style.PALETTE)] for i in range(len(evaluation))]
        _curves(left, evaluation, curves, colours)
        _areas(right, evaluation, colours)
    return canvas.result()


def _checked(evaluation: pd.DataFrame) -> dict[str, Any]:
    """Return the curves of a table."""
    lacking = {"auc", "sd", "spread", "n_genes"} - set(getattr(evaluation, "columns", ()))
    if lacking:
        msg = f"evaluation is the table of sgt.tl.classify_genes; it lacks {', '.join(sorted(lacking))}."
        raise InputTypeError(msg)
    curves = evaluation.attrs.get("curves", {})
    if set(evaluation.index) - set(curves.get("tpr", ())):
        msg = "evaluation lost its curves (attrs['curves']). Pass the table as sgt.tl.classify_genes returned it."
        raise InputTypeError(msg)
    return dict(curves)


def _curves(ax: "Axes", table: pd.DataFrame, curves: dict[str, Any], colours: list[str]) -> None:
    ax.plot([0, 1], [0, 1], color=GREY, ls=":", lw=1)
    for i, name in reversed(list(enumerate(table.index))):  # the first one on top
        ax.plot(curves["fpr"], curves["tpr"][name], color=colours[i], lw=2.2 if i == 0 else 1.3)
    ax.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal", xlabel="false positives", ylabel="true positives")
    ax.set_title(f"{int(table['n_genes'].iloc[0]):,} genes", **style.TITLE)
    style.open_frame(ax)


def _areas(ax: "Axes", table: pd.DataFrame, colours: list[str]) -> None:
    at = np.arange(len(table))[::-1]
    spread = table["spread"].fillna(table["sd"]).to_numpy(dtype=float)
    ax.hlines(at, table["auc"] - spread, table["auc"] + spread, colors=colours, lw=2, alpha=0.5)
    ax.scatter(table["auc"], at, c=colours, s=42, edgecolor="white", linewidth=0.8, zorder=3)
    for y, value, wide in zip(at, table["auc"], spread, strict=True):
        ax.annotate(f"{value:.2f}", (value + wide, y), (5, 0), textcoords="offset points", va="center", fontsize=8)
    ax.axvline(0.5, color=GREY, ls=":", lw=1)
    ax.set_yticks(at, [style.text(n) for n in table.index], fontsize=8)
    ax.set(xlim=(min(0.4, float((table["auc"] - spread).min()) - 0.02), 1.1), ylim=(-0.6, len(table) - 0.4))
    ax.set_xticks([0.5, 0.75, 1.0])
    ax.set_xlabel("area under the curve")
    style.open_frame(ax)
