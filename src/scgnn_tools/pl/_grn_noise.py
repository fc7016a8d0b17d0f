"""``pl.grn_noise``: what methods still learn from a prior of which a share is wrong."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = {"auprc": "AUPRC", "auroc_per_tf": "AUROC within transcription factors"}


@documented
def grn_noise(
    evaluation: pd.DataFrame,
    *,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw how methods fall as more labels are turned; chance dotted, bars are standard deviations over draws.

    Parameters
    ----------
    evaluation
        Of :func:`scgnn_tools.tl.noise_study`.
    {figure}

    {returns}

    Examples
    --------
    >>> study = sgt.tl.noise_study(adata, methods="degree", shares=[0, 0.5], n_draws=1)
    >>> sgt.pl.grn_noise(study)
    <Figure size ...>
    """
    lacking = {"method", "share", "chance", "sd_auprc", *PANELS} - set(getattr(evaluation, "columns", ()))
    if lacking:
        msg = f"evaluation is the table of sgt.tl.noise_study; it lacks {', '.join(sorted(lacking))}."
        raise InputTypeError(msg)
    if not len(evaluation):
        msg = "evaluation has no rows; pass the table of sgt.tl.noise_study as it is."
        raise InputValueError(msg)
    canvas = Canvas(ax=ax, show=show, save=save, return_fig=return_fig)
    with canvas.panels(figsize or (9.0, 3.4)) as figure:
        for axes, (column, title) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            for number, (name, part) in enumerate(evaluation.groupby("method", sort=False)):
                spread = part["sd_auprc"].fillna(0) if column == "auprc" else None
                colour = style.PALETTE[number % len(style.PALETTE)]
                axes.errorbar(
                    100 * part["share"],
                    part[column],
                    yerr=spread,
                    color=colour,
                    marker="o",
                    ms=4,
                    lw=1.5,
                    label=style.text(name),
                )
            axes.axhline(evaluation["chance"].iloc[0] if column == "auprc" else 0.5, color="#7b8794", ls=":", lw=1)
            axes.set_xlabel("labels turned (%)")
            axes.set_title(title, fontsize=10)
            axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    return canvas.result()
