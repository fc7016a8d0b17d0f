"""The three lines above a network, and its legend: what is known, what is new, what the colours say."""

import textwrap
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scgnn_tools.pl import _style as style

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

BROKEN = (0, (4, 2.2))

PER_INCH = 16
"""Characters of the verdict that an inch holds, at most."""


def legend(figure: "FigureBase", edges: pd.DataFrame, *, bands: bool = False) -> None:
    """Put the legend below the figure; with ``bands`` known and new are told by depth of colour, else by the line."""
    n_known = int(edges["known"].sum())
    known, new = f"known, in the prior ({n_known:,})", f"new ({len(edges) - n_known:,})"
    if bands:
        handles: list = [Patch(color=style.INK, alpha=0.9, label=known), Patch(color=style.INK, alpha=0.3, label=new)]
    else:
        handles = [
            Line2D([], [], color=style.INK, linewidth=2.4, label=known),
            Line2D([], [], color=style.INK, linewidth=1.4, linestyle=BROKEN, label=new),
        ]
    for colour, label, there in (
        (style.UP, "activates, or rises together", edges["sign"] > 0),
        (style.DOWN, "represses, or runs opposite", edges["sign"] < 0),
        (style.OPEN, "sign not known", edges["sign"].isna()),
    ):
        if there.any():
            handles.append(Line2D([], [], color=colour, linewidth=3, label=label))
    width = figure.bbox.width / figure.dpi  # type: ignore[attr-defined]
    columns = len(handles) if width > 7.6 else 3 if width > 6.2 else 2
    figure.legend(
        handles=handles, loc="lower center", ncols=columns, frameon=False, fontsize=8.5, handlelength=2.2, columnspacing=1.5,
        labelcolor=style.INK,
    )  # fmt: skip


def heading(figure: "FigureBase", title: str, subtitle: str, verdict: str) -> None:
    """Put title, subtitle and verdict at the top left; a verdict that is wider than the figure goes on in a second line."""
    width, height = figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi  # type: ignore[attr-defined]
    said = textwrap.wrap(style.text(verdict, limit=400), max(40, int(PER_INCH * (width - 0.5))), max_lines=2)
    lines = [
        (title, 15, "bold", style.INK, 0.32),
        (subtitle, 9.5, "normal", style.INK, 0.57),
        *((line, 8.5, "normal", style.TF, 0.77 + 0.15 * i) for i, line in enumerate(said)),
    ]
    for text, size, weight, colour, down in lines:
        at = (0.3 / width, 1 - down / height)
        figure.text(*at, style.text(text, limit=200), fontsize=size, fontweight=weight, color=colour, va="center")
