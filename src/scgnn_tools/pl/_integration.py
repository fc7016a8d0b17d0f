"""``pl.integration``: the scores of methods beside each other, and the cells by batch and by label."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import MissingKeyError
from scgnn_tools._fields import held
from scgnn_tools._keys import INTEGRATED, IntegrationKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented
from scgnn_tools.pl._umap import map_of

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

AGGREGATES = ("total", "bio", "batch")
PARTS = ("nmi_kmeans", "ari_kmeans", "asw_label", "clisi", "bras", "ilisi", "graph_connectivity", "pcr")
NAMES = {
    "nmi_kmeans": "NMI",
    "ari_kmeans": "ARI",
    "asw_label": "ASW",
    "clisi": "cLISI",
    "bras": "BRAS",
    "ilisi": "iLISI",
    "pcr": "PCR",
}
NAMES |= {"graph_connectivity": "graph"}


@documented
def integration(
    adata: "AnnData | MuData",
    key: str = INTEGRATED,
    *,
    rng: RNG = 0,
    mod: str = RNA,
    palette: style.Palette | None = None,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the scores of a method, its baselines and the controls, and two UMAPs of its vectors: by batch and by label.

    Bars are the aggregates, with their standard errors; squares the scores that they are means of, from white (0) to dark (1).

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.integrate` was called on.
    key
        Name of the result.
    rng
        Seed of the UMAP, and of the cells where there are more than 20,000.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such integration, or it was not scored.

    Examples
    --------
    >>> sgt.tl.integrate(adata, "batch", labels_key="cell_type", method="center")
    >>> sgt.pl.integration(adata)
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    keys = IntegrationKeys(key)
    entry = held(adata, keys.uns)
    if "evaluation" not in entry or keys.obsm not in adata.obsm:
        msg = f"uns[{key!r}] holds no scored integration. Run sgt.tl.integrate(adata, batch_key, key_added={key!r}) first."
        raise MissingKeyError(msg)
    table, params = entry["evaluation"], entry["params"]
    shown = [c for c in (params["batch_key"], params["labels_key"]) if c and c in adata.obs]
    cells, flat = map_of(adata, None, keys.obsm, rng)
    of = {column: style.named(adata.obs[column].iloc[cells]) for column in shown}
    colour = {column: style.colours_of(adata, column, palette) for column in shown}
    verdict = textwrap.wrap(entry["verdict"], 145)
    heights = [0.34 * len(table) + 0.75 + 0.16 * len(verdict), 3.6]
    with canvas.panels(figsize or (10.5, sum(heights))) as figure:
        top, below = np.atleast_1d(figure.subfigures(2, 1, height_ratios=heights))  # type: ignore[arg-type]
        _scores(top.subplots(1, 2, width_ratios=[1, 1.4], sharey=True), table, params["row"])
        top.suptitle("\n".join(verdict), fontsize=9, color=style.INK, x=0.01, ha="left")
        panels = below.subplots(1, 2)
        for panel in panels[len(shown) :]:  # one map is not stretched over the place of two
            panel.set_axis_off()
        for panel, column in zip(panels, shown, strict=False):
            style.draw_map(panel, flat, of[column], colour[column])
            panel.set_title(style.text(column), **style.TITLE)
            style.legend_beside(panel, colour[column])
    return canvas.result()


def _scores(axes: "np.ndarray", table: pd.DataFrame, own: str) -> None:
    """Draw bars of the aggregates and squares of their parts, a row a method, the best total on top and controls below."""
    bars, squares = axes
    measures = [c for c in AGGREGATES if c in table] or [c for c in ("ilisi", "paper_asw") if c in table]
    rank = table[measures[0]].to_numpy() - 10 * (table["kind"] == "control").to_numpy()
    table = table.iloc[np.argsort(rank, kind="stable")]
    y, thick = np.arange(len(table)), 0.8 / len(measures)
    for i, (measure, colour) in enumerate(zip(measures, (style.TF, style.UP, style.TARGET), strict=False)):
        errors = table[f"{measure}_se"].fillna(0) if f"{measure}_se" in table else None
        at = y + thick * (len(measures) / 2 - i - 0.5)
        bars.barh(
            at,
            table[measure],
            thick,
            xerr=errors,
            color=colour,
            label=NAMES.get(measure, measure),
            error_kw={"lw": 0.8},
        )
    bars.set_yticks(y, [style.text(n, limit=24) for n in table.index], fontsize=8.5)
    for text, name, kind in zip(bars.get_yticklabels(), table.index, table["kind"], strict=True):
        text.set_color(style.QUIET if kind == "control" else style.INK)
        text.set_fontweight("bold" if name == own else "normal")
    bars.set(xlim=(0, 1))
    bars.legend(fontsize=8, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), labelcolor=style.INK)
    parts = [c for c in PARTS if c in table]
    image = squares.imshow(
        table[parts].to_numpy(dtype=float), cmap="Blues", vmin=0, vmax=1.2, aspect="auto", origin="lower"
    )
    for i, j in np.ndindex(len(table), len(parts)):
        value = table[parts].iloc[i, j]
        if np.isfinite(value):
            squares.text(
                j,
                i,
                f"{round(value, 2) + 0.0:.2f}",
                ha="center",
                va="center",
                fontsize=7,
                color=style.on(image.to_rgba(value)),
            )
    squares.set_xticks(range(len(parts)), [NAMES.get(p, p) for p in parts], fontsize=8)
    squares.xaxis.tick_top()
    for ax in axes:
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
