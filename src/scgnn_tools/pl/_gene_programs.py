"""``pl.gene_programs``: how much each cell, or each group of cells, expresses each program."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import integer
from scgnn_tools._columns import groups_column
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._keys import ProgramKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools.metrics import eta2
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

MOST_CELLS = 400
"""Cells that are drawn one by one, at most."""


@documented
def gene_programs(
    adata: "AnnData | MuData",
    key: str = "sgt_programs",
    *,
    groupby: str | None = None,
    n_programs: int = 25,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the programs that differ most: a row a program, scaled along the row, with its most expressed genes.

    Columns are groups of cells, and programs of one group stand together. The bars beside the rows say how much of
    the variance lies between the groups. Without groups, columns are up to 400 cells, sorted so that like cells stand
    together. The bars then say how alike the genes of a program are.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.gene_programs` was called on.
    key
        Name of the result.
    groupby
        Column of ``obs`` with the groups. None takes that of the result, if it has one.
    n_programs
        Programs that are drawn.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there are no programs, or no such column.

    Examples
    --------
    >>> sgt.tl.gene_programs(adata, groupby="cell_type")
    >>> sgt.pl.gene_programs(adata, n_programs=10)
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    integer("n_programs", n_programs)
    entry, scores = _found(adata, key)
    if groupby is None and "scores" not in entry:
        drawn = _by_cell(scores, entry["separation"], n_programs)
    else:
        drawn = _by_group(adata, entry, scores, groupby, n_programs)
    n_columns = len(drawn.columns) if drawn.columns else 16
    size = (
        5.0 + 0.42 * max(n_columns, 4),
        0.27 * len(drawn.rows) + 1.7 + 0.055 * max(map(len, drawn.columns), default=4),
    )
    with canvas.panels(figsize or size) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[max(n_columns, 4) * 0.42, 1.1], sharey=True)
        _heat(left, drawn)
        _bars(right, drawn)
    return canvas.result()


@dataclass
class _Drawn:
    """What is drawn: values from 0 to 1 (n_rows, n_columns), bars (n_rows,), perhaps those of random genes."""

    values: np.ndarray
    rows: list[str]
    columns: list[str]
    bars: np.ndarray
    random: np.ndarray | None
    what: str
    along: str


def _found(adata: "AnnData", key: str) -> tuple[dict[str, Any], pd.DataFrame]:
    keys = ProgramKeys(key)
    if keys.uns not in adata.uns or keys.obsm not in adata.obsm:
        msg = f"uns[{key!r}] holds no programs. Run sgt.tl.gene_programs(adata, key_added={key!r}) first."
        raise MissingKeyError(msg)
    return adata.uns[keys.uns], adata.obsm[keys.obsm]


def _by_group(adata: "AnnData", entry: dict[str, Any], scores: pd.DataFrame, groupby: str | None, n: int) -> _Drawn:
    table, random = entry["separation"], None
    if groupby is None or groupby == entry["params"]["groupby"]:
        means, between, random = entry["scores"], table["eta2"], table["eta2_random"]
    else:
        groups = groups_column(adata.obs, groupby, "groupby").astype("category").cat.remove_unused_categories()
        means = scores.groupby(groups.to_numpy(), observed=True).mean()
        between = pd.Series(eta2(scores.to_numpy(), groups.cat.codes.to_numpy()), index=scores.columns)
    best = between.sort_values(ascending=False, kind="stable").index[:n]
    values = _scaled(means[best].to_numpy(dtype=float).T)
    order = np.lexsort((-values.max(axis=1), values.argmax(axis=1)))  # programs of one group stand together
    best = best[order]
    return _Drawn(
        values[order], _names(table, best), [style.text(g, limit=34) for g in means.index], between[best].to_numpy(),
        None if random is None else random[best].to_numpy(), "variance\nbetween groups", "mean score, from the lowest to the highest group",
    )  # fmt: skip


def _by_cell(scores: pd.DataFrame, table: pd.DataFrame, n: int) -> _Drawn:
    from scipy.cluster.hierarchy import leaves_list, linkage

    best = scores.std().sort_values(ascending=False, kind="stable").index[:n]
    chosen = np.sort(np.random.default_rng(0).permutation(len(scores))[:MOST_CELLS])
    values = scores[best].to_numpy(dtype=float)[chosen].T
    low, high = np.quantile(values, (0.02, 0.98), axis=1)[..., None]
    values = np.clip((values - low) / np.maximum(high - low, 1e-12), 0, 1)
    rows, cells = (leaves_list(linkage(v, "ward")) if len(v) > 2 else np.arange(len(v)) for v in (values, values.T))
    best = best[rows]
    n_all = f" of {len(scores):,}" if len(chosen) < len(scores) else ""
    along = f"score, low to high, in {len(chosen):,}{n_all} cells"
    return _Drawn(
        values[rows][:, cells], _names(table, best), [], table.loc[best, "cohesion"].to_numpy(), None, "likeness of\nits genes", along
    )  # fmt: skip


def _scaled(values: np.ndarray) -> np.ndarray:
    return (values - values.min(axis=1, keepdims=True)) / np.maximum(np.ptp(values, axis=1, keepdims=True), 1e-12)


def _names(table: pd.DataFrame, programs: pd.Index) -> list[str]:
    """Return a line a program: its name, its genes, how many more."""
    out = []
    for name in programs:
        first, n = str(table.loc[name, "top_genes"]), int(table.loc[name, "n_genes"])
        more = n - len(first.split(", "))
        out.append(style.text(f"{name}  {first}") + (f", +{more}" if more > 0 else ""))
    return out


def _heat(ax: "Axes", drawn: _Drawn) -> None:
    image = ax.imshow(drawn.values, aspect="auto", cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    if drawn.columns:
        ax.set_xticks(
            range(len(drawn.columns)), drawn.columns, rotation=45, ha="right", fontsize=8.5, rotation_mode="anchor"
        )
    else:
        ax.set(xticks=[])
        ax.set_xlabel("cells, those that are alike together", fontsize=8.5)
    ax.set_yticks(range(len(drawn.rows)), drawn.rows, fontsize=8.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    style.bar(image, ax, drawn.along, where="top", shrink=0.7)


def _bars(ax: "Axes", drawn: _Drawn) -> None:
    at = np.arange(len(drawn.rows))
    ax.barh(at, drawn.bars, color=style.UP, height=0.62, label="program")
    if drawn.random is not None:
        ax.plot(drawn.random, at, "|", color=style.INK, ms=9, label="random genes")
        ax.legend(fontsize=7.5, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), labelcolor=style.INK)
    ax.set_xlabel(drawn.what, fontsize=8.5)
    ax.set_xlim(left=0)
    ax.tick_params(length=0, labelleft=False, labelsize=8)
    ax.locator_params(axis="x", nbins=3)
    style.open_frame(ax, grid=False, left=False)
