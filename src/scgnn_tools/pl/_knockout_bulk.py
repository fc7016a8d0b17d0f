"""``pl.knockout_bulk``: the scores of methods beside the ceiling, which classes are taken for which, and whether probabilities are true."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._keys import KNOCKOUT
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented
from scgnn_tools.pl._perturbation_result import bars, result

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData


@documented
def knockout_bulk(
    adata: "AnnData | MuData",
    key: str = KNOCKOUT,
    *,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw how well a method and its baselines find the changed genes of knock-outs that were held out.

    Left: the area under the precision-recall curve, with 95 % intervals over targets. The dashed line is a replicate of the same
    knock-out, the dotted one a method that calls genes at random. Middle: the true classes and what the method called them, each row
    scaled to one. Right: how often genes of each probability did change.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.knockout_bulk` was called on.
    key
        Name of the result.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such result, or it was not scored.

    Examples
    --------
    >>> sgt.tl.knockout_bulk(bulk)
    >>> sgt.pl.knockout_bulk(bulk)
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    needs = {"evaluation": "auprc", "confusion": "by_row", "calibration": "predicted"}
    entry = result(adata, key, needs, "scored knock-outs in bulk", "sgt.tl.knockout_bulk(adata")
    table, own = entry["evaluation"], entry["params"]["method"]
    with canvas.panels(figsize or (12.0, 3.9)) as figure:
        scores, classes, sure = figure.subplots(1, 3, width_ratios=[1.5, 1.1, 1])  # type: ignore[call-overload]
        _scores(scores, table, own)
        _classes(classes, entry["confusion"], own)
        _sure(sure, entry["calibration"])
    return canvas.result()


def _scores(ax: "Axes", table: pd.DataFrame, own: str) -> None:
    base = float(table["auprc_base"].iloc[0])
    table, ceiling = bars(ax, table, "auprc", own)
    for at, name, line in ((base, "chance", ":"), *((c, "a replicate", "--") for c in ceiling)):
        ax.axvline(at, color=style.INK, lw=1, ls=line)
        ax.text(
            at, 1.01, name, fontsize=8, ha="center", va="bottom", color=style.INK, transform=ax.get_xaxis_transform()
        )
    if not np.isfinite(table["auprc"]).any():
        ax.text(0.5, 0.5, "no gene changed", ha="center", color=style.QUIET, transform=ax.transAxes)
    ax.set_yticks(np.arange(len(table)), [style.text(n) for n in table.index], fontsize=8.5)
    for text, name in zip(ax.get_yticklabels(), table.index, strict=True):
        text.set_fontweight("bold" if name == own else "normal")
    ax.set_xlabel(f"AUPRC of changed genes, {int(table['n_targets'].iloc[0]):,} targets held out")
    ax.set(ylim=(-0.6, len(table) - 0.4), xlim=(0, None))
    style.open_frame(ax)


def _classes(ax: "Axes", confusion: dict[str, pd.DataFrame], own: str) -> None:
    share, n = confusion["by_row"], confusion["absolute"].sum(axis=1)
    values = share.to_numpy(dtype=float)
    image = ax.imshow(values, cmap="Blues", vmin=0, vmax=1)
    shade = image.to_rgba(values)
    for i, j in np.ndindex(values.shape):
        ax.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=8, color=style.on(shade[i, j]))
    names = [str(c).replace(" ", "\n") for c in share.columns]
    ax.set_xticks(range(len(names)), names, fontsize=8)
    ax.set_yticks(range(len(names)), [f"{c}\n{int(k):,}" for c, k in zip(share.index, n, strict=True)], fontsize=8)
    ax.set(xlabel="predicted", ylabel="true, number of genes")
    ax.set_title(style.text(own), **style.TITLE)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _sure(ax: "Axes", bins: pd.DataFrame) -> None:
    bins = bins[bins["n"] > 0]
    ax.plot([0, 1], [0, 1], color=style.OPEN, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    size = 14 + 14 * np.log10(bins["n"].to_numpy(dtype=float))
    ax.scatter(bins["predicted"], bins["observed"], s=size, color=style.UP, edgecolor="white", linewidth=0.8, zorder=3)
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    ax.set(xlabel="probability of a change", ylabel="share of genes that changed")
    style.open_frame(ax)
