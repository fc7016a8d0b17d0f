"""``pl.calibration``: is a confidence of 0.9 right nine times in ten?"""

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


def calibration(
    adata: "AnnData | MuData", key: str = LABEL, *, mod: str = RNA, figsize: tuple[float, float] | None = None
) -> Figure:
    """Draw how often labels of each confidence are right, on the held-out labelled cells: a reliability diagram.

    Bins hold equally many cells; the bars on them are 95 % intervals of the accuracy (Wilson).

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
    entry = result(modality(adata, mod), key, needs="calibration")
    bins, method = entry["calibration"], entry["params"]["method"]
    n, x, y = (bins[c].to_numpy(dtype=float) for c in ("n", "confidence", "accuracy"))
    low, high = _wilson(y, n)
    figure = Figure(figsize=figsize or (5.2, 5.4), facecolor="white", layout="constrained")
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color=style.PALE, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.vlines(x, low, high, color=style.TARGET, linewidth=1.6, alpha=0.7, zorder=2)
    ax.scatter(x, y, s=40, color=style.UP, edgecolor="white", linewidth=0.8, zorder=3)
    start = max(0.0, min(x.min(), low.min()) - 0.04)
    ax.set(xlim=(start, 1.015), ylim=(start, 1.015), aspect="equal")
    ax.set_xlabel("confidence", color=style.INK)
    ax.set_ylabel("share of right labels", color=style.INK)
    ece = float(entry["evaluation"].loc[method, "ece"])
    figure.suptitle(
        f"{method}: calibration error {ece:.3f}\n{int(n.sum()):,} held-out labelled cells in {len(bins)} bins",
        fontsize=11,
        color=style.INK,
    )
    ax.grid(color=style.GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _wilson(share: np.ndarray, n: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of a share of ``n``."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half
