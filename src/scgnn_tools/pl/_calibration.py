"""``pl.calibration``: is a confidence of 0.9 right nine times in ten?"""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._columns import column_of
from scgnn_tools._errors import MissingKeyError
from scgnn_tools._keys import LABEL, LabelKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools.metrics import expected_calibration_error, reliability
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented
from scgnn_tools.pl._label_result import labelled, result

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

FULL = 25
"""Cells of a bin from which on its interval is narrow enough to be read alone."""

SEEN = 0.01
"""Difference of confidence that can be seen in the figure."""


@documented
def calibration(
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
    """Draw how often labels of each confidence are right: a reliability diagram.

    Bins hold equally many cells, 25 or more where there are enough cells; bins of the same confidence, to 0.01, are one. The bars are
    95 % intervals of the accuracy (Wilson). On the diagonal a confidence of 0.9 is right nine times in ten; below it labels are less sure
    than they say.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.annotate` was called on.
    key
        Name of the result.
    labels_key
        Column of ``obs`` with true labels: the labelled cells of this object are judged, without those called "Unknown". None judges
        the held-out cells of the evaluation.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError
        If there is no such annotation or column, or no cell was held out.

    Examples
    --------
    >>> sgt.pl.calibration(adata, labels_key="cell_type")
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    entry = result(adata, key, needs=None if labels_key else "calibration")
    method = entry["params"]["method"]
    if labels_key is None:
        bins, ece, cells = (
            _merged(entry["calibration"]),
            float(entry["evaluation"].loc[method, "ece"]),
            "held-out labelled cells",
        )
    else:
        bins, ece = _of_query(adata, key, labels_key)
        cells = f"cells labelled in {style.text(labels_key, limit=30)}"
    bins = _told_apart(bins)
    with canvas.axes(figsize or (4.8, 5.0)) as panel:
        _draw(panel, bins)
        panel.set_title(f"{style.text(method)}: calibration error {ece:.3f}", **style.TITLE)
        at_one = int((bins["confidence"].round(2) >= 1).sum())  # these lie on one another
        where = f", {at_one} of them at 1.00" if at_one > 1 else ""
        panel.set_xlabel(f"confidence\n{int(bins['n'].sum()):,} {cells} in {len(bins)} bins{where}")
    return canvas.result()


def _draw(ax: "Axes", bins: pd.DataFrame) -> None:
    n, x, y = (bins[c].to_numpy(dtype=float) for c in ("n", "confidence", "accuracy"))
    low, high = _wilson(y, n)
    ax.plot([0, 1], [0, 1], color=style.OPEN, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    ax.vlines(x, low, high, color=style.UP, linewidth=1.8, alpha=0.45, zorder=2)
    ax.scatter(x, y, s=42, color=style.UP, edgecolor="white", linewidth=0.8, zorder=3)
    start = max(0.0, min(x.min(), low.min()) - 0.04)
    ax.set(xlim=(start, 1.015), ylim=(start, 1.015), aspect="equal")
    ax.set_ylabel("share of right labels")
    style.open_frame(ax)


def _of_query(adata: "AnnData", key: str, labels_key: str) -> tuple[pd.DataFrame, float]:
    keys = LabelKeys(key)
    known, said = style.named(column_of(adata.obs, labels_key, "labels_key")), style.named(adata.obs[keys.obs])
    judged = labelled(adata, key, labels_key)
    if not judged.any():
        msg = f"No cell has both a label in obs[{labels_key!r}] and one in obs[{key!r}]. Pass another labels_key=."
        raise MissingKeyError(msg)
    hit, proba = (known == said)[judged], adata.obs[keys.confidence].to_numpy(dtype=float)[judged]
    return reliability(hit, proba, n_bins=_bins(len(hit))), expected_calibration_error(hit, proba)


def _bins(n: int) -> int:
    """Return how many bins so many cells fill."""
    return int(np.clip(n // FULL, min(n, 4), 20))


def _merged(bins: pd.DataFrame) -> pd.DataFrame:
    """Join neighbouring bins of few cells, so that each holds enough to be read."""
    wanted = _bins(int(bins["n"].sum()))
    if len(bins) <= wanted:
        return bins
    return _joined([bins.iloc[part] for part in np.array_split(np.arange(len(bins)), wanted)])


def _told_apart(bins: pd.DataFrame) -> pd.DataFrame:
    """Join neighbouring bins whose points would lie upon each other: as many are drawn as the figure says."""
    starts = [0]
    for i, confidence in enumerate(bins["confidence"]):
        if confidence - bins["confidence"].iloc[starts[-1]] > SEEN:
            starts.append(i)
    return _joined([bins.iloc[a:b] for a, b in pairwise([*starts, len(bins)])])


def _joined(parts: "list[pd.DataFrame]") -> pd.DataFrame:
    rows = [
        (np.average(p["confidence"], weights=p["n"]), np.average(p["accuracy"], weights=p["n"]), p["n"].sum())
        for p in parts
    ]
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "n"])


def _wilson(share: np.ndarray, n: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of a share of ``n``."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return middle - half, middle + half
