"""``pl.confusion``: which labels are taken for which."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._columns import column_of
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._keys import LABEL, UNKNOWN, LabelKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools.metrics import annotation as scores
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented
from scgnn_tools.pl._label_result import labelled, result

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

MOST_NUMBERS = 30
"""Classes up to which the share is written into each field."""

FEW = 10
"""Cells below which a row is marked: one cell is then a tenth of it or more."""


@documented
def confusion(
    adata: "AnnData | MuData",
    key: str = LABEL,
    *,
    labels_key: str | None = None,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw predicted against true labels, each row scaled to one; the number of cells beside its name.

    Rows of fewer than ten cells are pale and have a star: their shares are those of a handful of cells.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.annotate` was called on.
    key
        Name of the result.
    labels_key
        Column of ``obs`` with true labels of these cells, for example of a query that was labelled with a reference. Its names may
        differ from the predicted ones. None takes the held-out cells of the evaluation.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such annotation or column, or no cell was held out.

    Examples
    --------
    >>> sgt.pl.confusion(adata, labels_key="cell_type")
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    entry = result(adata, key, needs=None if labels_key else "confusion")
    if labels_key is None:
        table = entry["confusion"].set_axis(list(entry["classes"]), axis=0).set_axis(list(entry["classes"]), axis=1)
        score, cells = entry["evaluation"].loc[entry["params"]["method"]], "held-out labelled cells"
    else:
        table, score = _of_query(adata, key, labels_key)
        cells = f"cells labelled in {style.text(labels_key, limit=30)}"
    rows, columns = ([style.text(n, limit=34) for n in names] for names in (table.index, table.columns))
    longest = max(map(len, [*rows, *columns]))
    size = (0.44 * len(columns) + 0.085 * longest + 2.4, 0.4 * len(rows) + 0.06 * longest + 1.6)
    with canvas.axes(figsize or size) as panel:
        _draw(panel, table.to_numpy(dtype=float), rows, columns)
        right = f": accuracy {score['accuracy']:.3f}, macro-F1 {score['macro_f1']:.3f}" if score is not None else ""
        head = f"{style.text(entry['params']['method'])}{right}\n{int(table.to_numpy().sum()):,} {cells}"
        panel.set_title(head, **style.TITLE)
    return canvas.result()


def _of_query(adata: "AnnData", key: str, labels_key: str) -> tuple[pd.DataFrame, dict[str, float] | None]:
    """Return the cells by true and predicted label, "Unknown" last, and the scores where a name is on both sides."""
    known = style.named(column_of(adata.obs, labels_key, "labels_key"))
    said = style.named(adata.obs[LabelKeys(key).obs])
    there = labelled(adata, key, labels_key, rejected=True)
    if not there.any():
        msg = f"No cell has a label in obs[{labels_key!r}]. Pass another labels_key=."
        raise MissingKeyError(msg)
    table = pd.crosstab(known[there], said[there])
    shared = [n for n in table.index if n in table.columns]
    rest = table.loc[
        [n for n in table.index if n not in shared], [n for n in table.columns if n not in (*shared, UNKNOWN)]
    ]
    rest = rest.iloc[:, _along(rest.to_numpy(dtype=float))]
    table = table.loc[[*shared, *rest.index], [*shared, *rest.columns, *([UNKNOWN] if UNKNOWN in table else [])]]
    return table, scores(known[there], said[there]) if shared else None


def _along(counts: np.ndarray) -> np.ndarray:
    """Order columns so that each stands where most of its cells are: near the diagonal."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.argsort(share.argmax(axis=0) if len(counts) else np.arange(counts.shape[1]), kind="stable")


def _draw(ax: "Axes", counts: np.ndarray, rows: list[str], columns: list[str]) -> None:
    total = counts.sum(axis=1)
    share = np.divide(counts, total[:, None], out=np.full_like(counts, np.nan), where=total[:, None] > 0)
    few = total < FEW
    strength = np.where(few, 0.45, 1.0)[:, None] * np.ones_like(share)
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1, alpha=strength)
    ax.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=8.5)
    names = [f"{n}  ({int(t):,}){' *' if f else ''}" for n, t, f in zip(rows, total, few, strict=True)]
    ax.set_yticks(range(len(rows)), names, fontsize=8.5)
    ax.set_xlabel("predicted" + (f"\n* fewer than {FEW} cells" if few.any() else ""))
    ax.set_ylabel("true")
    if max(share.shape) <= MOST_NUMBERS:
        for i, j in zip(*np.nonzero(np.nan_to_num(share) >= 0.005), strict=True):
            ax.text(
                j, i, f"{share[i, j]:.2f}".removeprefix("0"), ha="center", va="center", fontsize=7.5,
                color="black" if few[i] else style.on(image.to_rgba(share[i, j], alpha=1.0)),
            )  # fmt: skip
    ax.set_xticks(np.arange(-0.5, len(columns)), minor=True)
    ax.set_yticks(np.arange(-0.5, len(rows)), minor=True)
    ax.grid(which="minor", color="white", linewidth=1)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    style.bar(image, ax, "share of the row")
