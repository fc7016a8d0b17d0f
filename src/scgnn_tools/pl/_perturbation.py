"""``pl.perturbation``: the most changed genes of a held-out perturbation and what each method said of them, beside the scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice, listed
from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import PERTURB, PerturbationKeys
from scgnn_tools._log import printable
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented
from scgnn_tools.pl._perturbation_result import bars, result

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

ABOUT = ("condition", "gene", "change", "error")
LEGEND_ROOM = 0.14
"""Share of the height above what is drawn, for the legend."""

MARKERS = "osDv^<>PX*"


@documented
def perturbation(
    adata: "AnnData | MuData",
    condition: str | None = None,
    key: str = PERTURB,
    *,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the true change of the 20 most changed genes of a condition that was held out, with what each method predicted, and the scores.

    Bars are 95 % intervals of the true mean change. Marks are the methods, none of which had seen the condition. The
    scores are the correlation of predicted and true change over the conditions with a signal, or over all if none or
    every one has a signal. Their intervals are over conditions. The line is what one half of the cells says of the
    other.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.perturb` was called on.
    condition
        "A" or "A+B"; None takes the one with the largest energy distance.
    key
        Name of the result.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such result, or it was not scored.
    InputValueError
        If the condition was not held out.

    Examples
    --------
    >>> sgt.tl.perturb(adata, "guide", n_genes=200, n_halves=1)
    >>> sgt.pl.perturbation(adata, "LYZ")
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    entry = result(adata, key, {"top": "condition"}, "scored perturbations", "sgt.tl.perturb(adata, perturbation_key")
    names = list(pd.unique(entry["top"]["condition"]))
    if condition is not None and condition not in names and condition in entry["predictions"].index:
        msg = (
            f"{printable(condition)!r} was predicted and never measured in these cells, so there is no truth to draw. Its change is in "
            f"varm[{PerturbationKeys(key).varm!r}]; held out, and drawn, are {listed(names)}."
        )
        raise InputValueError(msg)
    shown = entry["signal"]["e_distance"].idxmax() if condition is None else choice("condition", condition, names)
    with canvas.panels(figsize or (10.5, 4.8)) as figure:
        genes, scores = figure.subplots(1, 2, width_ratios=[2.4, 1])  # type: ignore[call-overload]
        _genes(genes, entry["top"], str(shown), entry["params"]["method"])
        _scores(scores, entry.get("evaluation_signal", entry["evaluation"]), entry["params"]["method"])
    return canvas.result()


def _genes(ax: "Axes", top: pd.DataFrame, condition: str, own: str) -> None:
    table = top[top["condition"] == condition].sort_values("change")
    x = np.arange(len(table))
    ax.axhline(0, color=style.PALE, lw=0.8, zorder=0)
    ax.errorbar(
        x,
        table["change"],
        yerr=1.96 * table["error"],
        fmt="_",
        color=style.INK,
        ms=14,
        lw=6,
        alpha=0.35,
        label="true change, 95 %",
    )
    methods = [c for c in table.columns if c not in ABOUT and c != "no_change"]
    methods = [own, *(m for m in methods if m != own)] if own in methods else methods
    for i, method in enumerate(methods):
        first = method == own
        ax.scatter(
            x + 0.12 * (i - len(methods) / 2),
            table[method],
            s=34 if first else 16,
            marker=MARKERS[i % len(MARKERS)],
            color=style.UP if first else style.PALETTE[i % len(style.PALETTE)],
            alpha=1 if first else 0.7,
            linewidths=0,
            label=method,
            zorder=4 if first else 3,
        )
    ax.set_xticks(x, [style.text(g, limit=18) for g in table["gene"]], rotation=90, fontsize=7)
    ax.set_ylabel("change of the mean log value", fontsize=8)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + LEGEND_ROOM * (high - low))
    named = style.text(condition, limit=40)
    ax.set_title(f"{named}, held out: its most changed genes", fontsize=9, loc="left", color=style.INK)
    ax.legend(fontsize=7, frameon=False, ncols=3, loc="upper left")
    ax.tick_params(axis="y", labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)


def _scores(ax: "Axes", table: pd.DataFrame, own: str) -> None:
    table, ceiling = bars(ax, table, "pearson_delta", own)
    for at in ceiling:
        ax.axvline(at, color=style.INK, lw=1, ls="--")
        ax.text(at, len(table) - 0.4, "ceiling", fontsize=7, ha="right", va="bottom", color=style.INK)
    ax.set_yticks(np.arange(len(table)), table.index, fontsize=8)
    ax.set_xlabel(f"Pearson Δ, {int(table['n'].iloc[0])} conditions", fontsize=8)
    ax.set_ylim(-0.6, len(table) + 0.4)
    ax.tick_params(axis="x", labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)
