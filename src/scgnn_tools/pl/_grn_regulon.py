"""The regulon of one factor: its targets by score, what speaks for each, and what regulates the factor."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas
from scgnn_tools.pl._grn_legend import BROKEN, heading, legend

EVIDENCE = ("probability", "stability", "correlation", "cosine", "coexpressed")
"""Columns that are drawn beside the score, those that the network has."""

MOST_REGULATORS = 14

DIGITS = 0.37
"""Share of a panel that the digits of a number take."""


def draw(
    canvas: Canvas,
    every: pd.DataFrame,
    tf: str,
    n_edges: int,
    *,
    verdict: str,
    figsize: tuple[float, float] | None = None,
) -> None:
    """Draw one factor's targets, known ones first, each group by score."""
    edges = every[every["source"] == tf]
    known = edges[edges["known"]].head(n_edges)
    new = edges[~edges["known"]].head(max(0, n_edges - len(known)))
    edges = pd.concat([known, new]).reset_index(drop=True)
    regulators = every[every["target"] == tf].sort_values("known", ascending=False, kind="stable")
    columns = [c for c in EVIDENCE if c in edges and edges[c].notna().any()]
    y, share = _rows(len(known), len(new)), 0.055 + 0.075 * (len(columns) + 1)
    size = figsize or (9.6 + 0.35 * len(columns), max(4.2, 0.235 * len(edges) + 2.1))
    with canvas.panels(size, layout=None) as figure:
        height = figure.bbox.height / figure.dpi  # type: ignore[attr-defined]
        lower, upper = 0.55 / height, 1 - 1.0 / height
        net = figure.add_axes((0.01, lower, 0.97 - share, upper - lower))
        _fan(net, tf, edges, y, regulators.head(MOST_REGULATORS), len(regulators))
        step = (share - 0.01) / (len(columns) + 1)
        for i, name in enumerate(["score", *columns]):
            ax = figure.add_axes((0.985 - share + step * i, lower, step - 0.012, upper - lower))
            _column(ax, edges[name].to_numpy(dtype=float), y, edges["sign"].to_numpy(dtype=float), name)
        n_all = int((every["source"] == tf).sum())
        line = f"{len(edges):,} of {n_all:,} targets; {len(known):,} known, {len(new):,} new, best first; regulated by {len(regulators):,}"
        line += "; evidence: mean over groups" if "n_groups" in edges else ""
        heading(figure, f"Regulon of {tf}", line, verdict)
        legend(figure, edges)


def _rows(n_known: int, n_new: int) -> np.ndarray:
    """Return the height of each row, the first at the top, with a gap between known and new."""
    y = -np.arange(n_known + n_new, dtype=float)
    y[n_known:] -= 0.9 if n_known and n_new else 0.0
    return y


def _fan(ax: Axes, tf: str, edges: pd.DataFrame, y: np.ndarray, regulators: pd.DataFrame, n_regulators: int) -> None:
    middle = (y.max() + y.min()) / 2
    has = len(regulators) > 0
    x_tf = 0.46 if has else 0.24
    strength = _unit(edges["score"].to_numpy(dtype=float))
    for e, at, s in zip(edges.itertuples(), y, strength, strict=True):
        _edge(ax, (x_tf, middle), (0.82, at), sign=e.sign, known=bool(e.known), strength=s, shrink=16)
        ax.scatter(0.82, at, s=20, color=style.TARGET, edgecolor="white", linewidth=0.6, zorder=4)
        ax.text(
            0.84,
            at,
            style.text(e.target, limit=24) + (" ±" if getattr(e, "sign_conflict", False) else ""),
            fontsize=8.5,
            color=style.INK,
            va="center",
            fontweight="bold" if e.known else "normal",
        )
    if has:
        span = max(np.ptp(y), 1.0) * min(0.86, 0.12 * len(regulators))
        heights = middle + np.linspace(span / 2, -span / 2, len(regulators)) if len(regulators) > 1 else [middle]
        inward = _unit(regulators["score"].to_numpy(dtype=float))
        for e, at, s in zip(regulators.itertuples(), heights, inward, strict=True):
            _edge(ax, (0.15, at), (x_tf, middle), sign=e.sign, known=bool(e.known), strength=s, shrink=17)
            ax.scatter(0.15, at, s=46, color=style.TF, edgecolor="white", linewidth=0.8, zorder=4)
            ax.text(0.13, at, style.text(e.source, limit=24), fontsize=8, color=style.TF, va="center", ha="right")
        more = f" ({len(regulators)} of {n_regulators})" if n_regulators > len(regulators) else ""
        ax.text(
            0.15, max(heights) + 0.9, f"its regulators{more}", fontsize=8, color=style.QUIET, ha="center", va="bottom"
        )
    ax.scatter(x_tf, middle, s=760, color=style.TF, edgecolor="white", linewidth=2, zorder=5)
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    text = ax.annotate(
        style.text(tf, limit=24),
        (x_tf, middle),
        (0, -24),
        textcoords="offset points",
        ha="center",
        va="center",
        zorder=6,
        bbox=box,
    )
    text.set(fontsize=12, fontweight="bold", color=style.TF)
    ax.set(xlim=(0, 1.02), ylim=(y.min() - 0.8, y.max() + 1.6))
    ax.axis("off")


def _edge(ax: Axes, a: tuple, b: tuple, *, sign: float, known: bool, strength: float, shrink: float) -> None:
    colour = style.UP if sign > 0 else style.DOWN if sign < 0 else style.OPEN
    head = "|-|,widthA=0,widthB=3.2" if sign < 0 else "-|>,head_length=4,head_width=2.2"
    bend = f"arc3,rad={np.clip((b[1] - a[1]) * 0.006, -0.12, 0.12):.3f}"
    ax.add_patch(
        FancyArrowPatch(
            a, b, arrowstyle=head, connectionstyle=bend, color=colour, linewidth=(1.4 if known else 0.8) + 1.2 * strength, mutation_scale=1,
            linestyle="-" if known else BROKEN, alpha=0.95 if known else 0.45 + 0.4 * strength, shrinkA=shrink if a[0] > 0.2 else 5,
            shrinkB=shrink if b[0] < 0.6 else 5, zorder=3 if known else 2,
        )
    )  # fmt: skip


def _unit(values: np.ndarray) -> np.ndarray:
    spread = np.ptp(values) if len(values) else 0.0
    return (values - values.min()) / spread if spread > 0 else np.ones(len(values))


def _place(value: float, low: float, high: float) -> tuple[float, str, bool]:
    """Return where the digits of a bar from 0 to ``value`` stand, how they are aligned, and whether that is on the bar.

    They stand at the end of a bar that holds them, else on the side of the panel that it leaves free.
    """
    needed = DIGITS * (high - low)
    if abs(value) >= needed:
        return value, "right" if value > 0 else "left", True
    return (high, "right", False) if high - max(value, 0.0) >= 0.85 * needed else (low, "left", False)


def _column(ax: Axes, values: np.ndarray, y: np.ndarray, sign: np.ndarray, name: str) -> None:
    """Draw one number of every edge as a bar; what can be negative grows from the middle."""
    there = np.isfinite(values)
    low = min(0.0, float(np.min(values[there], initial=0.0)))
    high = max(1e-9, float(np.max(values[there], initial=0.0)))
    if name in ("probability", "stability", "coexpressed"):
        high = 1.0
    colour = np.where(values < 0, style.DOWN, style.UP) if name == "correlation" else style.TARGET
    if name == "score":
        colour = np.select([sign > 0, sign < 0], [style.UP, style.DOWN], style.OPEN)
    ax.barh(y, np.where(there, values, 0), height=0.62, color=colour, linewidth=0, zorder=2)
    ax.barh(y, high - low, left=low, height=0.62, color=style.GRID, alpha=0.55, linewidth=0, zorder=1)
    if low < 0:
        ax.plot([0, 0], [y.min() - 0.4, y.max() + 0.4], color=style.PALE, linewidth=0.7, zorder=3)
    for v, at in zip(values, y, strict=True):
        at_x, side, within = _place(v if np.isfinite(v) else 0.0, low, high)
        text, shade = f"{v:.2f}" if np.isfinite(v) else "–", "white" if within else style.INK
        ax.text(at_x, at, text, fontsize=6.5, color=shade, ha=side, va="center", zorder=4)
    ax.set(xlim=(low, high), ylim=(y.min() - 0.8, y.max() + 1.6))
    ax.text((low + high) / 2, y.max() + 0.75, name, fontsize=7.5, color=style.INK, ha="center", va="bottom")
    ax.axis("off")
