"""``pl.grn_difference``: what two networks share, and which factors and edges differ, with intervals."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._errors import InputTypeError
from scgnn_tools.grn.compare import GrnComparison
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@documented
def grn_difference(
    comparison: GrnComparison,
    *,
    n_shown: int = 20,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw what two networks share, and the transcription factors and edges that differ most, with 95 % intervals.

    Two networks of the same cells have no interval. For these the figure shows how far the targets of each
    transcription factor overlap, and the ranks of the shared edges.

    Parameters
    ----------
    comparison
        Of :func:`scgnn_tools.tl.compare_grn`.
    n_shown
        Transcription factors and edges that are drawn, at most.
    {figure}

    {returns}

    Examples
    --------
    >>> sgt.pl.grn_difference(sgt.tl.compare_grn(adata, "CD14+ monocyte", "B cell"))
    <Figure size ...>
    """
    if not isinstance(comparison, GrnComparison):
        msg = f"comparison is what sgt.tl.compare_grn returned; got {type(comparison).__name__}. Pass sgt.tl.compare_grn(adata, a, b)."
        raise InputTypeError(msg)
    canvas, n_shown = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), integer("n_shown", n_shown)
    a, b = (style.text(n, limit=24) for n in comparison.names)
    with canvas.panels(figsize or (13.0, 1.9 + 0.2 * n_shown)) as figure:
        found, left, right = figure.subplots(1, 3, width_ratios=[0.75, 1.15, 1.3])
        _found(found, comparison, a, b)
        if len(comparison.control):
            edges, factors = comparison.edges, comparison.factors
            of_factors, of_edges = (_differing(comparison.control[c]) for c in ("factors", "edges"))
            _intervals(left, factors, factors["source"], n_shown, f"transcription factors: {of_factors}")
            _intervals(right, edges, edges["source"] + " → " + edges["target"], n_shown, f"edges: {of_edges}")
            left.set_xlabel(f"activity, {a} − {b} (standard deviations)")
            right.set_xlabel(f"correlation, {a} − {b} (Fisher's z)")
        else:
            _jaccard(left, comparison.factors, n_shown)
            _ranks(right, comparison.edges, a, b)
        for ax in (found, left, right):
            ax.spines[["top", "right"]].set_visible(False)
            ax.tick_params(labelsize=8.5)
        title = style.text(comparison.verdict.split("\n", 1)[0], limit=240).replace("; ", ";\n")
        figure.suptitle(title, fontsize=10, color=style.INK, x=0.01, ha="left")
    return canvas.result()


def _differing(n: pd.Series) -> str:
    """Say how many differ, and below it how many do in random groups."""
    return f"{n['groups']:,} differ\nrandom groups: median {n['random groups']:,}, at most {n['random groups, most']:,}"


def _found(ax: "Axes", comparison: "GrnComparison", a: str, b: str) -> None:
    counts = comparison.found
    colours = [style.TF, style.UP, style.DOWN]
    y = np.arange(len(counts))[::-1]
    ax.barh(y, counts["n"], color=colours, height=0.62)
    if "n_true" in counts:
        ax.barh(y, counts["n_true"], color="white", alpha=0.8, height=0.2)
    for at, row in zip(y, counts.itertuples(), strict=True):
        known = f", {row.n_true:,} known" if "n_true" in counts else ""
        ax.text(row.n, at, f" {row.n:,}{known}", va="center", fontsize=8.5, color=style.INK)
    ax.set_yticks(y, ["both", f"{a}\nalone", f"{b}\nalone"])
    ax.set(xlim=(0, max(1.0, 1.5 * counts["n"].max())), xlabel="edges")
    _title(ax, "found by")


def _intervals(ax: "Axes", table: pd.DataFrame, names: pd.Series, n_shown: int, title: str) -> None:
    """Draw the first of the table that have an interval, sorted; those that are no discovery in grey."""
    some = table.assign(name=names)[np.isfinite(table["p"])].head(n_shown).sort_values("difference")
    for y, row in enumerate(some.itertuples()):
        colour = style.PALE if not row.differs else style.UP if row.difference > 0 else style.DOWN
        ax.plot([row.low, row.high], [y, y], color=colour, lw=2, solid_capstyle="butt")
        ax.plot([row.difference], [y], marker="o", ms=5, color=colour)
    ax.axvline(0, color=style.PALE, lw=0.9, ls=":")
    ax.set_yticks(range(len(some)), [style.text(n, limit=30) for n in some["name"]])
    ax.set_ylim(-0.8, max(len(some), 1) - 0.2)
    _title(ax, title)


def _jaccard(ax: "Axes", factors: pd.DataFrame, n_shown: int) -> None:
    large = factors.assign(n=factors[["n_a", "n_b"]].max(axis=1)).sort_values(["n", "source"], ascending=[False, True])
    some = large.head(n_shown).sort_values("jaccard")
    ax.barh(range(len(some)), some["jaccard"], color=style.TARGET, height=0.62)
    ax.set_yticks(range(len(some)), [style.text(n, limit=24) for n in some["source"]])
    ax.set(xlim=(0, 1), xlabel="targets in both / in either")
    _title(ax, "overlap of the largest regulons")


def _ranks(ax: "Axes", edges: pd.DataFrame, a: str, b: str) -> None:
    shared = edges[edges["found"] == "both"]
    size = float(np.clip(4000 / max(len(shared), 1), 2, 18))
    ax.scatter(shared["rank_a"], shared["rank_b"], s=size, color=style.TF, alpha=0.4, linewidths=0)
    ax.plot([0, 1], [0, 1], color=style.PALE, lw=0.9, ls=":")
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"rank in {a} (0 is best)", ylabel=f"rank in {b}")
    _title(ax, f"{len(shared):,} shared edges")


def _title(ax: "Axes", text: str) -> None:
    ax.set_title(text, fontsize=10, fontweight="bold", color=style.INK, loc="left")
