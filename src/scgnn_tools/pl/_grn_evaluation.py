"""``pl.grn_evaluation``: precision, recall and the ranking within factors, with the baselines drawn in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import listed, sequence
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._keys import GRN
from scgnn_tools._log import printable
from scgnn_tools._modality import RNA, modality
from scgnn_tools.grn.evaluate import short
from scgnn_tools.grn.judge import GrnEvaluation
from scgnn_tools.grn.table import network
from scgnn_tools.metrics import curves, per_tf
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

OWN = (style.UP, style.DOWN, *style.PALETTE)
BASELINES = {"degree": "#3e4c59", "collaborative": "#7b8794", "pcc": "#b0b8c1"}
DASHES = {"degree": "-", "collaborative": (0, (5, 2)), "pcc": (0, (1.2, 1.4))}


@documented
def grn_evaluation(
    evaluation: "GrnEvaluation | AnnData | MuData",
    key: str = GRN,
    *,
    mod: str = RNA,
    rows: Sequence[str] | None = None,
    palette: style.Palette | None = None,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw precision over recall, the ROC curve, and the AUROC within each transcription factor; the baselines in grey, chance dotted.

    Parameters
    ----------
    evaluation
        Of :func:`scgnn_tools.tl.evaluate_grn`; or an object that :func:`scgnn_tools.tl.infer_grn` was called on, whose own evaluation
        is drawn: a bar a method with its 95 % interval over transcription factors, without the curves, which need the scores of the pairs.
    key
        Name of the network in an object.
    rows
        Rows of its table; None takes all that have a score.
    palette
        Colours of the methods by row: a dict, a list, or the name of a matplotlib colour map. Baselines are grey unless a dict names them.
    {figure}

    {returns}

    Raises
    ------
    InputValueError
        If there is no such row.
    MissingKeyError
        If the object has no such network, or an imported one that nobody evaluated.

    Examples
    --------
    >>> judged = sgt.tl.evaluate_grn(adata, exclude_known=False, bootstrap=0)
    >>> sgt.pl.grn_evaluation(judged)
    <Figure size ...>
    """
    canvas = Canvas(ax=ax, show=show, save=save, return_fig=return_fig)
    judged = evaluation if isinstance(evaluation, GrnEvaluation) else None
    table = _table_of(evaluation, key, mod) if judged is None else judged.table
    rows = None if rows is None else sequence("rows", rows)
    unknown = [r for r in rows or [] if r not in table.index]
    if unknown:
        msg = f"The evaluation has no row {unknown[0]!r}; its rows are: {listed(table.index)}."
        raise InputValueError(msg)
    names = [n for n in (table.index if rows is None else rows) if np.isfinite(table.loc[n, "auprc"])]
    if not names:
        asked = "Of the rows that were asked for none" if len(table) else "No method"
        msg = f"{asked} has a score to draw; rows with one are: {listed(table.index[np.isfinite(table['auprc'])])}."
        raise InputValueError(msg)
    own = [n for n in names if table.loc[n, "kind"] != "baseline"]
    colour = {n: BASELINES.get(n, style.PALE) for n in names}
    colour |= style.colours(own, palette, dict(zip(own, OWN, strict=False)))
    if isinstance(palette, Mapping):
        colour |= style.colours([n for n in names if n in palette], palette)
    if judged is None:
        _bars(canvas, table, names, colour, figsize)
        return canvas.result()
    with canvas.panels(figsize or (13.0, max(4.2, 0.34 * len(names) + 2.2))) as figure:
        curve, roc, within = figure.subplots(1, 3, width_ratios=[1, 1, 1.15])
        _curves(curve, roc, judged, names, colour)
        _within(within, judged, names, colour)
        for panel in (curve, roc, within):
            style.open_frame(panel, grid=panel is not within, left=panel is not within)
            panel.tick_params(labelsize=9)
    return canvas.result()


def _table_of(adata: Any, key: str, mod: str) -> pd.DataFrame:
    """Return the evaluation that infer_grn wrote, a row a method."""
    wanted = "what sgt.tl.evaluate_grn returned, an AnnData or a MuData"
    found = network(modality(adata, mod, name="evaluation", wanted=wanted), key).get("evaluation", {}).get("table")
    if found is None:
        name = printable(repr(key))
        msg = f"The network {name} was not evaluated. Pass what sgt.tl.evaluate_grn(adata, key={name}) returns."
        raise MissingKeyError(msg)
    return found.dropna(subset=["auprc"])


def _bars(
    canvas: Canvas,
    table: pd.DataFrame,
    names: list[str],
    colour: dict[str, str],
    figsize: tuple[float, float] | None,
) -> None:
    """Draw the areas of each method as bars, what is to beat in grey, chance dotted."""
    y = np.arange(len(names))[::-1]
    chance = {"auprc": float(table["density"].iloc[0]) if len(table) else 0.5, "auroc": 0.5, "auroc_per_tf": 0.5}
    titles = {"auprc": "AUPRC", "auroc": "AUROC", "auroc_per_tf": "AUROC within factors"}
    with canvas.panels(figsize or (11.0, 1.5 + 0.34 * max(len(names), 3))) as figure:
        panels = figure.subplots(1, len(titles), sharey=True)
        for ax, (column, title) in zip(panels, titles.items(), strict=True):
            values = table.loc[names, column].to_numpy(dtype=float)
            ax.barh(y, np.nan_to_num(values), color=[colour[n] for n in names], height=0.62)
            low, high = (_end(table, names, f"{column}_{side}", values) for side in ("low", "high"))
            ax.hlines(y, low, high, color="white", lw=3.2)  # seen on a dark bar
            ax.hlines(y, low, high, color=style.INK, lw=1.4)
            for at, value, end in zip(y, values, high, strict=True):
                ax.text(np.nan_to_num(end) + 0.012, at, short(value), va="center", fontsize=8.5, color=style.INK)
            ax.axvline(chance[column], color=style.INK, ls=":", lw=1.2)
            ax.set(xlim=(0, 1), xlabel=f"chance {short(chance[column])}")
            ax.set_title(title, **style.TITLE)
            style.open_frame(ax, grid=False, left=False)
            ax.tick_params(labelsize=9, left=False)
        panels[0].set_yticks(y, [style.text(n) for n in names])


def _end(table: pd.DataFrame, names: list[str], column: str, values: np.ndarray) -> np.ndarray:
    """Return one end of the interval of each value, the value itself where there is none."""
    end = table.loc[names, column].to_numpy(dtype=float) if column in table else np.full(len(names), np.nan)
    return np.where(np.isfinite(end), end, values)


def _curves(curve: "Axes", roc: "Axes", evaluation: "GrnEvaluation", names: list[str], colour: dict[str, str]) -> None:
    """Draw precision over recall and the ROC curve, with the areas in the legends."""
    table, pairs = evaluation.table, evaluation.pairs
    label = pairs["label"].to_numpy()
    for name in reversed(names):  # the edges lie above the baselines
        recall, precision, fall_out = curves(label, pairs[name].to_numpy())
        baseline = table.loc[name, "kind"] == "baseline"
        look: dict[str, Any] = {
            "color": colour[name],
            "ls": DASHES.get(name, "-") if baseline else "-",
            "lw": 1.5 if baseline else 2.2,
        }
        curve.plot(recall, precision, label=f"{style.text(name)}  {short(table.loc[name, 'auprc'])}", **look)
        roc.plot(fall_out, recall, label=f"{style.text(name)}  {table.loc[name, 'auroc']:.3f}", **look)
    density = float(label.mean())
    curve.axhline(density, color=style.PALE, ls=":", lw=1.2)
    roc.plot([0, 1], [0, 1], color=style.PALE, ls=":", lw=1.2)
    top = max(0.05, *(float(np.asarray(line.get_ydata())[5:].max(initial=0)) for line in curve.lines[:-1]))
    below = density > 0.1 * top  # under the line, unless the numbers of the axis are there
    curve.annotate(
        f"chance {short(density)}", (1, density), xytext=(0, -4 if below else 4), textcoords="offset points", ha="right",
        va="top" if below else "bottom", fontsize=8.5, color=style.INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
    )  # fmt: skip
    curve.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, min(1.02, 1.15 * top)))
    roc.set(xlabel="false positive rate", ylabel="recall", xlim=(0, 1), ylim=(0, 1))
    for panel, title, corner in ((curve, "AUPRC", "upper right"), (roc, "AUROC", "lower right")):
        handles, texts = panel.get_legend_handles_labels()
        look = {"frameon": False, "fontsize": 8.5, "loc": corner, "handlelength": 2.2, "labelcolor": style.INK}
        panel.legend(handles[::-1], texts[::-1], **look)
        panel.set_title(title, **style.TITLE)


def _within(ax: "Axes", evaluation: "GrnEvaluation", names: list[str], colour: dict[str, str]) -> None:
    """Draw the AUROC of each factor as a point, a row a method, with the mean and its interval."""
    pairs = evaluation.pairs
    code = np.unique(pairs["tf"].to_numpy(dtype=str), return_inverse=True)[1]
    rng = np.random.default_rng(0)
    ax.axvline(0.5, color=style.PALE, ls=":", lw=1.2)
    for y, name in enumerate(reversed(names)):
        score = pairs[name].to_numpy(dtype=float)
        there = np.isfinite(score)
        values = per_tf(pairs["label"].to_numpy()[there], score[there], code[there], code.max() + 1)[0]
        values = values[np.isfinite(values)]
        spread = rng.uniform(-0.26, 0.26, len(values))
        size = float(np.clip(900 / max(len(values), 1), 4, 18))
        ax.scatter(values, y + spread, s=size, color=colour[name], alpha=0.35, linewidths=0)
        row = evaluation.table.loc[name]
        mean = row["auroc_per_tf"]
        if not np.isfinite(mean):
            continue
        if np.isfinite(row.get("auroc_per_tf_low", np.nan)):
            ax.plot(
                [row["auroc_per_tf_low"], row["auroc_per_tf_high"]],
                [y, y],
                color=style.INK,
                lw=2,
                solid_capstyle="butt",
            )
        ax.plot([mean], [y], marker="D", ms=6, color=colour[name], mec=style.INK, mew=1.1)
        ax.text(1.015, y, f"{mean:.3f}", va="center", fontsize=8.5, color=style.INK, transform=ax.get_yaxis_transform())
    ax.set_yticks(range(len(names)), [style.text(n) for n in names[::-1]])
    ax.set(xlim=(0, 1), ylim=(-0.6, len(names) - 0.4), xlabel="AUROC within one transcription factor")
    n_tfs = int(evaluation.table.loc[names, "n_tfs"].max()) if names else 0
    n, n_positive = len(pairs), int(pairs["label"].sum())
    ax.set_title(
        f"{n_tfs:,} transcription factors: {n_positive:,} edges among {n:,} pairs",
        **style.TITLE,
    )
    ax.tick_params(axis="y", length=0)
