"""``pl.grn``: a network as two rings, factors inside, targets outside."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._keys import GRN, GrnKeys
from scgnn_tools._log import printable
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._layout import choose_edges, rings
from scgnn_tools.pl._style import Figure

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

INNER, OUTER = 0.52, 1.0


def grn(
    adata: "AnnData",
    key: str = GRN,
    *,
    n_edges: int = 60,
    tfs: Sequence[str] | None = None,
    figsize: tuple[float, float] = (8.5, 9.2),
) -> Figure:
    """Draw the best known and new edges of a gene regulatory network.

    Factors stand on an inner ring, sized by their edges; targets around them, each near its factors. A known edge is drawn full, a new one
    broken; its width follows its score, its colour its sign.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.infer_grn` was called on.
    key
        Name of the result.
    n_edges
        Most edges that are drawn; known ones take up to half, and no single gene takes many.
    tfs
        Draw these factors only.
    figsize
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingKeyError
        If there is no such network.
    InputValueError
        If none of ``tfs`` has an edge, or there is no edge at all.
    """
    entry = adata.uns.get(GrnKeys(key).uns)
    if entry is None or "edges" not in entry:
        msg = f"uns[{key!r}] holds no network. Run sgt.tl.infer_grn(adata, key_added={key!r}) first."
        raise MissingKeyError(msg)
    every = entry["edges"]
    edges = every if tfs is None else every[every["source"].isin(list(tfs))]
    if n_edges < 1 or edges.empty:
        some = ", ".join(map(printable, every["source"].unique()[:5])) or "none"
        msg = f"There is no edge to draw (n_edges={n_edges}, tfs={tfs}); factors of the network are {some}, …"
        raise InputValueError(msg)
    edges = choose_edges(edges, n_edges)
    figure = Figure(figsize=figsize, facecolor="white", layout=None)
    ax = figure.add_axes((0.02, 0.07, 0.96, 0.84))
    _draw(ax, edges)
    n_tfs = edges["source"].nunique()
    figure.text(0.03, 0.965, "Gene regulatory network", fontsize=15, fontweight="bold", color=style.INK, va="center")
    shown = f"{len(edges)} of {len(every):,} edges, {n_tfs} transcription factor{'s' * (n_tfs > 1)}"
    figure.text(0.03, 0.938, shown, fontsize=9.5, color=style.INK, va="center")
    verdict = entry.get("evaluation", {}).get("verdict", "")
    figure.text(
        0.03,
        0.916,
        f"{verdict} (split {entry['evaluation']['split']})" if verdict else "",
        fontsize=8.5,
        color=style.OPEN,
        va="center",
    )
    _legend(figure, edges)
    return figure


def _draw(ax: "Axes", edges: pd.DataFrame) -> None:
    tf_angle, target_angle = rings(edges)
    inner = INNER if len(tf_angle) > 1 else 0.0  # a single factor stands in the middle
    place = {g: (inner * np.cos(a), inner * np.sin(a)) for g, a in tf_angle.items()}
    place |= {g: (OUTER * np.cos(a), OUTER * np.sin(a)) for g, a in target_angle.items()}
    score = edges["score"].to_numpy(dtype=float)
    spread = np.ptp(score)
    strength = (score - score.min()) / spread if spread > 0 else np.ones(len(score))
    for e, s in sorted(zip(edges.itertuples(), strength, strict=True), key=lambda pair: pair[1]):
        _edge(ax, place[e.source], place[e.target], sign=e.sign, known=bool(e.known), strength=float(s))
    degree = edges["source"].value_counts()
    for gene, angle in tf_angle.items():
        x, y = place[gene]
        size = (120 + 420 * degree[gene] / degree.max()) * min(1.0, 14 / len(tf_angle)) ** 0.5
        ax.scatter(x, y, s=size, color=style.TF, edgecolor="white", linewidth=1.5, zorder=4)
        # the label stands inwards of its node, where only a few edges pass
        inward = inner - 0.055 - 0.0016 * size**0.5
        ax.text(
            inward * np.cos(angle),
            inward * np.sin(angle),
            gene,
            fontsize=float(np.clip(200 / len(tf_angle), 6.0, 10.0)),
            fontweight="bold",
            color=style.TF,
            zorder=6,
            bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
            **_outward(angle, inward=True),
        )
    n = max(len(target_angle), 1)
    fontsize = float(np.clip(440 / n, 4.5, 9.0))
    for gene, angle in target_angle.items():
        ax.scatter(*place[gene], s=min(26.0, 1600 / n), color=style.TARGET, edgecolor="white", linewidth=0.6, zorder=4)
        x, y = (OUTER + 0.03) * np.cos(angle), (OUTER + 0.03) * np.sin(angle)
        ax.text(x, y, gene, fontsize=fontsize, color=style.INK, zorder=5, **_outward(angle, inward=False))
    ax.set(xlim=(-1.34, 1.34), ylim=(-1.28, 1.34), aspect="equal")
    ax.axis("off")


def _outward(angle: float, *, inward: bool) -> dict:
    """Return how a label that begins at the ring and runs along the radius is turned, never upside down."""
    degrees = np.degrees(angle) % 360
    left = 90 < degrees < 270
    rotation = degrees - 180 if left else degrees
    starts = left if inward else not left
    return {"rotation": rotation, "rotation_mode": "anchor", "ha": "left" if starts else "right", "va": "center"}


def _edge(ax: "Axes", a: tuple, b: tuple, *, sign: float, known: bool, strength: float) -> None:
    middle = ((a[0] + b[0]) * 0.42, (a[1] + b[1]) * 0.42)  # bent towards the centre, the more the farther apart
    curve = Path([a, middle, b], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
    colour = style.UP if sign > 0 else style.DOWN if sign < 0 else style.OPEN
    patch = PathPatch(
        curve, facecolor="none", edgecolor=colour, linewidth=(1.6 if known else 0.7) + 1.3 * strength, capstyle="round",
        alpha=0.95 if known else 0.35 + 0.35 * strength, linestyle="-" if known else (0, (4, 2.2)), zorder=3 if known else 2,
    )  # fmt: skip
    ax.add_patch(patch)


def _legend(figure: Figure, edges: pd.DataFrame) -> None:
    handles = [
        Line2D([], [], color=style.INK, linewidth=2.4, label=f"known, in the prior ({int(edges['known'].sum())})"),
        Line2D(
            [],
            [],
            color=style.INK,
            linewidth=1.4,
            linestyle=(0, (4, 2.2)),
            label=f"new ({int((~edges['known']).sum())})",
        ),
    ]
    for colour, label, there in (
        (style.UP, "activates, or rises together", edges["sign"] > 0),
        (style.DOWN, "represses, or runs opposite", edges["sign"] < 0),
        (style.OPEN, "sign not known", edges["sign"].isna()),
    ):
        if there.any():
            handles.append(Line2D([], [], color=colour, linewidth=3, label=label))
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=8.5,
        handlelength=2.4,
        columnspacing=1.6,
    )
