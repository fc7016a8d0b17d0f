"""``pl.embedding_report``: what an embedding is worth, on one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools import _choices as choices
from scgnn_tools._columns import column_of
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._fields import root
from scgnn_tools._keys import IN_ROOT, UNKNOWN, EmbeddingKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG
from scgnn_tools.data import open_expression
from scgnn_tools.graph import knn
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented
from scgnn_tools.pl._umap import some_cells, umap

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from mudata import MuData

NEIGHBOURS, WIDTH = 15, 3.9
"""Of a cell, and inches of a panel."""

WHAT = {"labels_key": "label", "batch_key": "batch"}
KINDS = {
    "exact": "same name",
    "case": "same but for case",
    "alias": "by an older name",
    "symbol": "by symbol",
    "ensembl": "by Ensembl id",
    "version": "Ensembl id with a version",
    "date": "name that a spreadsheet made a date",
    "ortholog": "by orthologue",
    "other": "in another way",
    "lost": "not known to the model",
}
"""How a gene of the data was found among those of the model."""


@documented
def embedding_report(
    adata: "AnnData | MuData",
    key: str | None = None,
    *,
    labels_key: str | None = None,
    batch_key: str | None = None,
    basis: str | None = None,
    rng: RNG = 0,
    mod: str = RNA,
    palette: style.Palette | None = None,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw an embedding on one page: its cells by label, by batch and by depth, and how its genes were matched.

    Below each map stands what the vectors say over the 15 nearest neighbours of each cell. It is how often a
    neighbour has the label or the batch of the cell, beside how often that is so by chance. For the depth it is how
    much of it the neighbours tell.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.embed` was called on.
    key
        Name of the embedding; None takes the last one.
    labels_key
        Column of ``obs`` with cell types or clusters. None leaves that map out.
    batch_key
        Column of ``obs`` with batches or donors. None leaves that map out.
    basis
        Key of ``obsm`` with a map. None makes a UMAP of the vectors, of at most 20,000 cells.
    rng
        Seed of the UMAP, and of the cells where there are more than 20,000.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such embedding, map or column.

    Examples
    --------
    >>> sgt.pl.embedding_report(adata, labels_key="cell_type", batch_key="batch", basis="X_umap")
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    key, entry = _found(adata, key)
    columns = {
        n: column_of(adata.obs, c, n)
        for n, c in (("labels_key", labels_key), ("batch_key", batch_key))
        if c is not None
    }
    if basis is not None:
        choices.key("basis", basis, adata.obsm, "obsm")
    cells = some_cells(adata.n_obs, rng)
    vectors = np.asarray(adata.obsm[EmbeddingKeys(key).obsm])[cells]
    flat = umap(vectors, rng) if basis is None else np.asarray(adata.obsm[basis])[cells, :2]
    near = knn(vectors, min(NEIGHBOURS, len(cells) - 1)).indices.reshape(len(cells), -1)
    named = {n: style.named(values.iloc[cells]) for n, values in columns.items()}
    colour = {n: style.colours_of(adata, str(values.name), palette) for n, values in columns.items()}
    rows = max([2, *(style.legend_rows(list(c)[: style.MOST_NAMES], WIDTH) for c in colour.values())])
    panels = len(columns) + 2
    with canvas.panels(figsize or (WIDTH * panels + 0.3, WIDTH + 0.75 + 0.19 * rows)) as figure:
        axes = figure.subplots(1, panels, width_ratios=[1.0] * (panels - 1) + [0.85])
        for panel, n in zip(axes, columns, strict=False):
            _by_name(panel, flat, near, named[n], WHAT[n], colour[n])
            panel.set_title(style.text(columns[n].name), **style.TITLE)
        _by_depth(axes[-2], flat, near, _depth(adata, entry["params"]["matrix"])[cells])
        _genes(axes[-1], entry["genes"])
        _head(figure, key, entry, adata.n_obs, vectors.shape[1], len(entry.get("empty_cells", ())))
    return canvas.result()


def _found(adata: "AnnData", key: str | None) -> tuple[str, dict[str, Any]]:
    there = {k: v for k, v in root(adata).items() if k not in IN_ROOT and EmbeddingKeys(k).obsm in adata.obsm}
    if key is None and there:
        key = list(there)[-1]
    if key not in there:
        asked = "" if key is None else f" called {key!r}"
        msg = f"The object holds no embedding{asked}; there is: {choices.listed(there)}. Run sgt.tl.embed(adata) first."
        raise MissingKeyError(msg)
    return str(key), there[key]


def _by_name(
    ax: "Axes", flat: np.ndarray, near: np.ndarray, names: np.ndarray, what: str, colour: dict[str, str]
) -> None:
    """Draw the cells by name, and below how often neighbours have the same one."""
    style.draw_map(ax, flat, names, colour)
    ax.set_box_aspect(1)
    there, code = names != UNKNOWN, np.unique(names, return_inverse=True)[1]
    both = there[:, None] & there[near]
    same = float((code[:, None] == code[near])[both].mean()) if both.any() else np.nan
    chance = float(((np.bincount(code[there]) / max(there.sum(), 1)) ** 2).sum())
    ax.set_xlabel(f"neighbours share the {what}: {same:.0%} (by chance {chance:.0%})", fontsize=9)
    style.legend_below(ax, colour, WIDTH)


def _by_depth(ax: "Axes", flat: np.ndarray, near: np.ndarray, depth: np.ndarray) -> None:
    """Draw the cells by the number of genes that they express, and below how much of it neighbours tell."""
    order, log = np.random.default_rng(0).permutation(len(flat)), np.log1p(depth)
    image = ax.scatter(
        flat[order, 0],
        flat[order, 1],
        c=depth[order],
        s=style.dot(len(flat)),
        cmap="viridis",
        linewidths=0,
        rasterized=True,
    )
    style.map_frame(ax)
    ax.set_box_aspect(1)
    ax.set_title("genes expressed", **style.TITLE)
    mean = log[near].mean(axis=1)
    told = float(np.corrcoef(mean, log)[0, 1] ** 2) if np.ptp(log) > 0 and np.ptp(mean) > 0 else 0.0
    ax.set_xlabel(f"share of the depth that neighbours tell: {told:.0%}", fontsize=9)
    style.bar_below(image, ax)


def _depth(adata: "AnnData", matrix: str) -> np.ndarray:
    """Return the number of expressed genes of each cell, int64 (n_obs,)."""
    expression = open_expression(adata, layer=matrix)
    return np.concatenate([np.diff(block.indptr) for _, block in expression.rows()])


def _genes(ax: "Axes", report: dict[str, Any]) -> None:
    """Draw how many genes of the data were found among those of the model, and how."""
    counts = {words: int(report[f"n_{kind}"]) for kind, words in KINDS.items() if report.get(f"n_{kind}", 0)}
    y = np.arange(len(counts))[::-1]
    lost = KINDS["lost"]
    ax.barh(y, list(counts.values()), color=[style.DOWN if n == lost else style.UP for n in counts], height=0.5)
    for at, (name, n) in zip(y, counts.items(), strict=True):
        ax.text(0, at + 0.36, f"{name}: {n:,}", va="center", fontsize=9, color=style.INK)
    ax.set(yticks=[], ylim=(-0.5, max(len(counts), 4) - 0.4))
    ax.set_title(f"genes matched: {report['n_matched']:,} of {report['n_genes']:,}", **style.TITLE)
    ax.locator_params(axis="x", nbins=4)
    ax.tick_params(labelsize=8.5)
    style.open_frame(ax, grid=False, left=False)


def _head(figure: "FigureBase", key: str, entry: dict[str, Any], n_obs: int, dimension: int, n_empty: int) -> None:
    params = entry["params"]
    empty = f"; {n_empty:,} without a gene of the model" if n_empty else ""
    adapted = ", adapted to these cells" if params.get("adapted") else ""
    line = f"{style.text(key)}: {n_obs:,} cells{empty}, {dimension} dimensions{adapted}"
    figure.suptitle(
        f"{line}; read from {params['matrix']} ({params['matrix_holds']})",
        x=0.01,
        ha="left",
        fontsize=11,
        color=style.INK,
    )
