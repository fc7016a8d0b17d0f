"""A network of up to a hundred or so edges: factors on an inner ring, targets around them."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from scgnn_tools.pl import _style as style
from scgnn_tools.pl._layout import rings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INNER, OUTER = 0.52, 1.0

PER_POINT = 0.62
"""Width of a letter, in units of the size of the font."""


def draw(ax: "Axes", edges: pd.DataFrame) -> None:
    """Draw the edges into the axes."""
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
    part = ax.bbox.height / ax.get_figure(root=True).dpi / 7.3  # type: ignore[union-attr] # of the room of a whole figure
    part = float(np.clip(part, 0.5, 1.0))
    for gene, angle in tf_angle.items():
        x, y = place[gene]
        size = (120 + 420 * degree[gene] / degree.max()) * min(1.0, 14 / len(tf_angle)) ** 0.5 * part**2
        ax.scatter(x, y, s=size, color=style.TF, edgecolor="white", linewidth=1.5, zorder=4)
        # the label stands inwards of its node, where only a few edges pass
        inward = inner - 0.055 - 0.0016 * size**0.5 / part
        ax.text(
            inward * np.cos(angle),
            inward * np.sin(angle),
            style.text(gene, limit=24),
            fontsize=part * float(np.clip(200 / len(tf_angle), 6.0, 10.0)),
            fontweight="bold",
            color=style.TF,
            zorder=6,
            bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.9},
            **_outward(angle, inward=True),
        )
    n = max(len(target_angle), 1)
    fontsize = max(part, 0.7) * float(np.clip(440 / n, 4.5, 9.0))
    for gene, angle in target_angle.items():
        ax.scatter(*place[gene], s=min(26.0, 1600 / n), color=style.TARGET, edgecolor="white", linewidth=0.6, zorder=4)
        x, y = (OUTER + 0.03) * np.cos(angle), (OUTER + 0.03) * np.sin(angle)
        ax.text(
            x,
            y,
            style.text(gene, limit=24),
            fontsize=fontsize,
            color=style.INK,
            zorder=5,
            **_outward(angle, inward=False),
        )
    names = [style.text(gene, limit=24) for gene in target_angle]
    longest = PER_POINT * fontsize * max(map(len, names), default=0) / 72 / (7.3 * part)  # of the room
    reach = float(np.clip((OUTER + 0.03) / max(1 - 2 * longest, 0.1), 1.29, 1.45))
    ax.set(xlim=(-reach - 0.01, reach + 0.01), ylim=(-reach, reach), aspect="equal")
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
