"""``pl.annotation``: the labels on a map of the cells, and the method beside its baselines."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn_tools import _choices as choices
from scgnn_tools import fm
from scgnn_tools._columns import column_of
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._keys import LABEL, UNKNOWN, EmbeddingKeys, LabelKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented
from scgnn_tools.pl._label_result import result
from scgnn_tools.pl._umap import map_of

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from mudata import MuData

MAP, BARS = 4.6, 3.2
"""Inches of a map, and of the scores with their names."""

MAP_KEY = "X_umap"
TODO = "Run sc.pp.neighbors(adata, use_rep=…) and sc.tl.umap(adata), or leave basis out."


@documented
def annotation(
    adata: "AnnData | MuData",
    key: str = LABEL,
    *,
    basis: str | None = None,
    labels_key: str | None = None,
    rng: RNG = 0,
    mod: str = RNA,
    palette: style.Palette | None = None,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the predicted labels on a map of the cells, beside the scores of the method and its baselines.

    A name has one colour in all maps. Cells without a label are grey, lie below the others, and are in the legend.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.annotate` was called on.
    key
        Name of the result.
    basis
        Key of ``obsm`` with the map; its first two columns are drawn. None takes "X_umap", and where there is none a UMAP of the vectors
        that the annotation used, of at most 20,000 cells.
    labels_key
        Column of ``obs`` with the true labels, drawn as another map if given.
    rng
        Seed of the UMAP, and of the cells where there are more than 20,000.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such annotation, map or column.
    InputValueError, InputTypeError
        If the palette, ``ax`` or ``save`` cannot be used.

    Examples
    --------
    >>> sgt.pl.annotation(adata, labels_key="cell_type", save="labels.png")
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    keys = LabelKeys(key)
    entry = result(adata, key)
    basis, rep = _place(adata, basis, str(entry["params"].get("vectors", "")))
    maps = [(f"predicted: {style.text(entry['params']['method'])}", style.named(adata.obs[keys.obs]))]
    if labels_key is not None:
        known = style.named(column_of(adata.obs, labels_key, "labels_key"))
        maps.insert(0, (f"known: {style.text(labels_key)}", known))
    names = sorted({v for _, labels in maps for v in labels}, key=lambda n: (n == UNKNOWN, n))
    colour = style.colours(names, palette, style.of_column(adata, labels_key) or style.of_column(adata, keys.obs))
    cells, xy = map_of(adata, basis, rep, rng)
    size = figsize or (MAP * len(maps) + BARS, MAP + 0.24 * style.legend_rows(names, MAP * len(maps) + BARS))
    with canvas.panels(size) as figure:
        axes = np.atleast_1d(figure.subplots(1, len(maps) + 1, width_ratios=[1.0] * len(maps) + [0.5]))
        for panel, (title, labels) in zip(axes, maps, strict=False):
            style.draw_map(panel, xy, labels[cells], colour)
            panel.set_title(title, **style.TITLE)
            panel.set_box_aspect(1)
        _scores(axes[-1], entry["evaluation"], entry["params"]["method"])
        _legend(figure, colour, size[0])
    return canvas.result()


def _place(adata: "AnnData", basis: str | None, vectors: str) -> tuple[str | None, str]:
    """Return the key of the map, None to make one, and of the vectors that it is then made of: those that ``params`` names."""
    if basis is not None:
        return choices.key("basis", basis, adata.obsm, "obsm", todo=TODO), ""
    if MAP_KEY in adata.obsm:
        return MAP_KEY, ""
    own = EmbeddingKeys(fm.best_bundled()).obsm
    named = [
        k for k in adata.obsm if vectors in (k, f"obsm['{k}']")
    ]  # else it embedded by itself, and wrote no vectors
    if not named and own not in adata.obsm:
        msg = f"There is no map of the cells in obsm, and no vectors {own!r} to make one of. Run sgt.tl.embed(adata) first, or pass basis=."
        raise MissingKeyError(msg)
    return None, named[0] if named else own


def _legend(figure: "FigureBase", colour: dict[str, str], width: float) -> None:
    first: Axes = figure.axes[0]  # type: ignore[index]
    handles = [first.scatter([], [], s=34, color=c, label=style.text(n)) for n, c in colour.items()]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=style.legend_columns(list(colour), width), frameon=False, fontsize=9,
        handletextpad=0.2, labelcolor=style.INK,
    )  # fmt: skip


def _scores(ax: "Axes", evaluation: "pd.DataFrame", own: str) -> None:
    """Draw accuracy and macro-F1 of the method and its baselines, the method on top."""
    rows = evaluation.iloc[np.argsort(evaluation.index != own, kind="stable")[::-1]]
    y = np.arange(len(rows), dtype=float)
    for offset, column, alpha in ((0.2, "accuracy", 1.0), (-0.2, "macro_f1", 0.55)):
        values = rows[column].to_numpy(dtype=float)
        colours = [style.UP if name == own else style.BASELINE for name in rows.index]
        ax.barh(y + offset, np.nan_to_num(values), height=0.36, color=colours, alpha=alpha)
        for at, v in zip(y + offset, values, strict=True):
            name = column.replace("_f1", "-F1")
            shown = f"{name} {v:.3f}" if np.isfinite(v) else f"{name}: not scored"
            ax.text(0.02, at, shown, va="center", fontsize=8.5, color=style.INK)
    ax.set_yticks(y, [style.text(n) for n in rows.index], fontsize=9.5)
    ax.set(xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4), xticks=[0, 0.5, 1])
    n = int(rows["n"].max())
    ax.set_title(f"{n:,} held-out cells", **style.TITLE)
    ax.tick_params(length=0)
    style.open_frame(ax, grid=False, left=False)
