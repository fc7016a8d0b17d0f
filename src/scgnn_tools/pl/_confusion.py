"""``pl.confusion``: which labels are taken for which."""

from typing import TYPE_CHECKING

import numpy as np

from scgnn_tools._keys import LABEL
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._label_result import result
from scgnn_tools.pl._style import Figure

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

MOST_NUMBERS = 30
"""Classes up to which the share is written into each field."""


def confusion(
    adata: "AnnData | MuData", key: str = LABEL, *, mod: str = RNA, figsize: tuple[float, float] | None = None
) -> Figure:
    """Draw predicted against true labels of the held-out cells, each row scaled to one; the number of cells beside its name.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.annotate` was called on.
    key
        Name of the result.
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
        If there is no such annotation, or no cell was held out.
    """
    entry = result(modality(adata, mod), key, needs="confusion")
    table = entry["confusion"]
    counts = table.to_numpy(dtype=float)
    total = counts.sum(axis=1)
    share = np.divide(counts, total[:, None], out=np.full_like(counts, np.nan), where=total[:, None] > 0)
    names = [style.text(n) for n in entry["classes"]]
    side = 0.42 * len(names)
    longest = max(map(len, names))
    figure = Figure(
        figsize=figsize or (side + 0.085 * longest + 2.6, side + 0.06 * longest + 1.5),
        facecolor="white",
        layout="constrained",
    )
    ax = figure.subplots()
    image = ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8.5)
    ax.set_yticks(range(len(names)), [f"{n}  ({int(t):,})" for n, t in zip(names, total, strict=True)], fontsize=8.5)
    ax.set_xlabel("predicted", color=style.INK)
    ax.set_ylabel("true", color=style.INK)
    if len(names) <= MOST_NUMBERS:
        for i, j in zip(*np.nonzero(np.nan_to_num(share) >= 0.005), strict=True):
            ax.text(
                j, i, f"{share[i, j]:.2f}".removeprefix("0"), ha="center", va="center", fontsize=7.5,
                color="white" if share[i, j] > 0.55 else style.INK,
            )  # fmt: skip
    ax.set_xticks(np.arange(-0.5, len(names)), minor=True)
    ax.set_yticks(np.arange(-0.5, len(names)), minor=True)
    ax.grid(which="minor", color="white", linewidth=1)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    method = entry["params"]["method"]
    score = entry["evaluation"].loc[method]
    figure.suptitle(
        f"{method}: accuracy {score['accuracy']:.3f}, macro-F1 {score['macro_f1']:.3f}\n{int(total.sum()):,} held-out labelled cells",
        fontsize=11,
        color=style.INK,
    )
    bar = figure.colorbar(image, ax=ax, shrink=0.6, aspect=18, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)
    bar.set_label("share of the row", fontsize=8.5, color=style.INK)
    return figure
