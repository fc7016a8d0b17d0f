"""``pl.lambda_curve``: how much the graph is worth beside the experts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = (("accuracy", style.TARGET), ("macro_f1", style.UP))
NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


@documented
def lambda_curve(
    curve: "pd.DataFrame",
    *,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the scores of scGraPhT's fusion for each weight λ of the graph: 0 is the experts alone, 1 the graph alone.

    Parameters
    ----------
    curve
        Of ``sgt.models.ScGraPhT.lambda_curve()``; columns ``lam``, ``accuracy``, ``macro_f1``, and ``chosen`` for the λ that is marked.
    {figure}

    {returns}

    Raises
    ------
    InputValueError
        If there is nothing to draw.

    Examples
    --------
    >>> sgt.models.ScGraPhT.setup_anndata(adata, labels_key="cell_type")
    >>> model = sgt.models.ScGraPhT(adata).train(max_epochs=20)
    >>> sgt.pl.lambda_curve(model.lambda_curve())
    <Figure size ...>
    """
    canvas = Canvas(ax=ax, show=show, save=save, return_fig=return_fig)
    if not len(curve) or not {"lam", *NAMES} <= set(curve.columns):
        msg = f"curve wants the columns lam, {', '.join(NAMES)} and at least a row, as ScGraPhT.lambda_curve() gives."
        raise InputValueError(msg)
    with canvas.axes(figsize or (5.2, 3.6)) as panel:
        for column, colour in LINES:
            panel.plot(curve["lam"], curve[column], color=colour, lw=2, marker="o", ms=3.5, label=NAMES[column])
        if "chosen" in curve and curve["chosen"].any():
            lam = float(curve.loc[curve["chosen"], "lam"].iloc[0])
            panel.axvline(lam, color=style.OPEN, lw=1.2, ls=(0, (4, 3)), zorder=0)
            left = lam < 0.8
            at = (lam, 0.02)
            panel.annotate(
                f" λ = {lam:.2f} ",
                at,
                xycoords=("data", "axes fraction"),
                ha="left" if left else "right",
                fontsize=9,
                color=style.OPEN,
            )
        values = curve[list(NAMES)].to_numpy(dtype=float)
        low, high = np.nanmin(values), np.nanmax(values)
        panel.set_ylim(low - 0.15 * (high - low) - 0.005, high + 0.08 * (high - low) + 0.005)
        panel.set(xlabel="weight λ of the graph\n0: experts alone, 1: graph alone", ylabel="score")
        panel.legend(frameon=False, loc="best", fontsize=9)
        style.open_frame(panel)
    return canvas.result()
