"""``pl.grn_evaluation``: precision, recall and the ranking within factors, with the baselines drawn in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scgnn_tools._choices import listed
from scgnn_tools._errors import InputValueError
from scgnn_tools.grn.evaluate import short
from scgnn_tools.metrics import curves, per_tf
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._style import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scgnn_tools.grn.judge import GrnEvaluation

OWN = (style.UP, style.DOWN, *style.PALETTE)
BASELINES = {"degree": "#3e4c59", "collaborative": "#7b8794", "pcc": "#b0b8c1"}
DASHES = {"degree": "-", "collaborative": (0, (5, 2)), "pcc": (0, (1.2, 1.4))}


def grn_evaluation(
    evaluation: "GrnEvaluation",
    *,
    rows: Sequence[str] | None = None,
    figsize: tuple[float, float] = (13.0, 4.2),
) -> Figure:
    """Draw precision over recall, the ROC curve, and the AUROC within each factor; the baselines in grey, chance dotted.

    Parameters
    ----------
    evaluation
        Of :func:`scgnn_tools.tl.evaluate_grn`.
    rows
        Rows of its table; None takes all that have a score.
    figsize
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputValueError
        If there is no such row.
    """
    table, pairs = evaluation.table, evaluation.pairs
    unknown = [r for r in rows or [] if r not in table.index]
    if unknown:
        msg = f"The evaluation has no row {unknown[0]!r}; its rows are: {listed(table.index)}."
        raise InputValueError(msg)
    names = [n for n in (table.index if rows is None else rows) if np.isfinite(table.loc[n, "auprc"])]
    colour, line, own = {}, {}, 0
    for name in names:
        if table.loc[name, "kind"] == "baseline":
            colour[name], line[name] = BASELINES.get(name, style.PALE), DASHES.get(name, "-")
        else:
            colour[name], line[name], own = OWN[own % len(OWN)], "-", own + 1
    figure = Figure(figsize=figsize, facecolor="white", layout="constrained")
    precision_recall, roc, within = figure.subplots(1, 3, width_ratios=[1, 1, 1.15])
    label = pairs["label"].to_numpy()
    for name in reversed(names):  # the edges lie above the baselines
        recall, precision, fall_out = curves(label, pairs[name].to_numpy())
        look = {"color": colour[name], "ls": line[name], "lw": 2.2 if table.loc[name, "kind"] != "baseline" else 1.5}
        precision_recall.plot(recall, precision, label=f"{style.text(name)}  {short(table.loc[name, 'auprc'])}", **look)
        roc.plot(fall_out, recall, label=f"{style.text(name)}  {table.loc[name, 'auroc']:.3f}", **look)
    density = float(label.mean())
    precision_recall.axhline(density, color=style.PALE, ls=":", lw=1.2)
    precision_recall.annotate(
        f"chance {short(density)}", (1, density), xytext=(0, -4), textcoords="offset points", ha="right", va="top", fontsize=8.5,
        color=style.OPEN, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
    )  # fmt: skip
    roc.plot([0, 1], [0, 1], color=style.PALE, ls=":", lw=1.2)
    _within(within, evaluation, names, colour)
    top = max(0.05, *(float(line.get_ydata()[5:].max(initial=0)) for line in precision_recall.lines[:-1]))
    precision_recall.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, min(1.02, 1.15 * top)))
    roc.set(xlabel="false positive rate", ylabel="recall", xlim=(0, 1), ylim=(0, 1))
    for ax, title, corner in ((precision_recall, "AUPRC", "upper right"), (roc, "AUROC", "lower right")):
        handles, texts = ax.get_legend_handles_labels()
        ax.legend(handles[::-1], texts[::-1], frameon=False, fontsize=8.5, loc=corner, handlelength=2.2)
        ax.set_title(title, fontsize=11, fontweight="bold", color=style.INK, loc="left")
        ax.grid(color=style.GRID, lw=0.8)
        ax.set_axisbelow(True)
    for ax in (precision_recall, roc, within):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=9)
    return figure


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
    ax.set(xlim=(0, 1), ylim=(-0.6, len(names) - 0.4), xlabel="AUROC within one factor")
    n_tfs = int(evaluation.table.loc[names, "n_tfs"].max()) if names else 0
    n, n_positive = len(pairs), int(pairs["label"].sum())
    ax.set_title(
        f"{n_tfs:,} factors: {n_positive:,} edges among {n:,} pairs",
        fontsize=11,
        fontweight="bold",
        color=style.INK,
        loc="left",
    )
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
