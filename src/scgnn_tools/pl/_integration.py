"""``pl.integration``: the scores of methods beside each other, and the cells by batch and by label."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn_tools._errors import MissingKeyError
from scgnn_tools._keys import INTEGRATED, IntegrationKeys
from scgnn_tools._log import as_text
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG, generator, seed
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._style import Figure

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
MOST_CELLS = 20_000
"""Cells that are drawn, at most."""


def integration(
    adata: "AnnData | MuData",
    key: str = INTEGRATED,
    *,
    rng: RNG = 0,
    mod: str = RNA,
    figsize: tuple[float, float] | None = None,
) -> Figure:
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
    mod
        Modality of a MuData.
    figsize
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingKeyError
        If there is no such integration, or it was not scored.
    """
    adata, keys = modality(adata, mod), IntegrationKeys(key)
    entry = adata.uns.get(keys.uns, {})
    if "evaluation" not in entry or keys.obsm not in adata.obsm:
        msg = f"uns[{key!r}] holds no scored integration. Run sgt.tl.integrate(adata, batch_key, key_added={key!r}) first."
        raise MissingKeyError(msg)
    table, params = entry["evaluation"], entry["params"]
    shown = [c for c in (params["batch_key"], params["labels_key"]) if c and c in adata.obs]
    height = 3.6 + 0.34 * len(table)
    figure = Figure(figsize=figsize or (10.5, height), facecolor="white", layout="constrained")
    top, below = np.atleast_1d(figure.subfigures(2, 1, height_ratios=[0.34 * len(table) + 0.7, 2.9]))  # type: ignore[arg-type]
    _scores(top.subplots(1, 2, width_ratios=[1, 1.4], sharey=True), table, params["row"])
    top.suptitle(_wrapped(entry["verdict"]), fontsize=9, color=style.INK, x=0.01, ha="left")
    cells = np.arange(adata.n_obs)
    if len(cells) > MOST_CELLS:
        cells = np.sort(generator(rng).choice(cells, MOST_CELLS, replace=False))
    flat = _umap(np.asarray(adata.obsm[keys.obsm])[cells], seed(rng))
    order = np.random.default_rng(0).permutation(len(cells))  # no batch lies on top
    for ax, column in zip(np.atleast_1d(below.subplots(1, max(1, len(shown)))), shown, strict=False):
        _cells(ax, flat[order], adata.obs[column].iloc[cells[order]], column)
    return figure


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
    bars.set_yticks(y, table.index, fontsize=8)
    for text, name, kind in zip(bars.get_yticklabels(), table.index, table["kind"], strict=True):
        text.set_color(style.PALE if kind == "control" else style.INK)
        text.set_fontweight("bold" if name == own else "normal")
    bars.set(xlim=(0, 1))
    bars.legend(fontsize=7, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    parts = [c for c in PARTS if c in table]
    squares.imshow(table[parts].to_numpy(dtype=float), cmap="Blues", vmin=0, vmax=1.2, aspect="auto", origin="lower")
    for i, j in np.ndindex(len(table), len(parts)):
        value = table[parts].iloc[i, j]
        if np.isfinite(value):
            squares.text(
                j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color="white" if value > 0.75 else style.INK
            )
    squares.set_xticks(range(len(parts)), [NAMES.get(p, p) for p in parts], fontsize=8)
    squares.xaxis.tick_top()
    for ax in axes:
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)


def _cells(ax: "Axes", flat: np.ndarray, values: pd.Series, title: str) -> None:
    text = as_text(values.astype(object).where(values.notna(), ""))
    names = [n for n in pd.unique(np.sort(text)) if n]
    for i, name in enumerate(["", *names]):
        own = text == name
        colour = style.PALETTE[(i - 1) % len(style.PALETTE)] if name else style.UNKNOWN
        ax.scatter(
            flat[own, 0],
            flat[own, 1],
            s=max(1, 4000 / len(flat)),
            color=colour,
            linewidths=0,
            zorder=i + 1,
            rasterized=True,
        )
    shown = names[: len(style.PALETTE)]
    handles = [ax.scatter([], [], s=16, color=style.PALETTE[i], label=n) for i, n in enumerate(shown)]
    ax.legend(handles=handles, fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    ax.set_title(title, fontsize=9, color=style.INK, loc="left")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _umap(vectors: np.ndarray, number: int) -> np.ndarray:
    """Return two dimensions, float32 (n_cells, 2)."""
    import warnings

    import anndata as ad
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap's, of its own threads
        cells = ad.AnnData(np.asarray(vectors, dtype=np.float32))
        sc.pp.neighbors(cells, n_neighbors=min(15, len(vectors) - 1), use_rep="X", random_state=number)
        sc.tl.umap(cells, random_state=number, key_added="flat")
    return np.asarray(cells.obsm["flat"])


def _wrapped(text: str, width: int = 130) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))
