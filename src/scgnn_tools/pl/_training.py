"""``pl.training``: the losses of a training."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, documented

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = (("loss", style.TARGET, "training"), ("validation", style.UP, "held back"))
PARTS = {"q": "gene-level network (q)", "p": "cell-level network (p)"}
"""The two networks of an EM loop, by the first letter of its steps."""


@documented
def training(
    history: "pd.DataFrame",
    *,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the loss on the cells of training and on those that were held back.

    The history of an EM loop, as that of ``sgt.models.ScBiGNN``, gets a panel a network, with its steps one after the other.

    Parameters
    ----------
    history
        ``history`` of a model class of ``sgt.models``, or ``pandas.read_csv("…/history.csv")`` of ``sgt pretrain``.
    {figure}

    {returns}

    Raises
    ------
    InputValueError
        If there is nothing to draw.

    Examples
    --------
    >>> sgt.models.ScGraPhT.setup_anndata(adata, labels_key="cell_type")
    >>> model = sgt.models.ScGraPhT(adata).train(max_epochs=20)
    >>> sgt.pl.training(model.history)
    <Figure size ...>
    """
    canvas = Canvas(ax=ax, show=show, save=save, return_fig=return_fig)
    if not len(history) or not {"loss", "validation"} <= set(history.columns):
        msg = "history wants the columns loss and validation and at least a row. Train first."
        raise InputValueError(msg)
    words = [c for c, _, _ in LINES if not pd.api.types.is_numeric_dtype(history[c])]
    if words:
        msg = f"The columns loss and validation of history are numbers; {words[0]} holds {history[words[0]].dtype}."
        raise InputTypeError(msg)
    if "step" in history and not pd.api.types.is_numeric_dtype(history["step"]):
        parts = dict(list(history.groupby(history["step"].astype(str).str[0], sort=False)))
        with canvas.panels(figsize or (5.0 * len(parts), 3.6)) as figure:
            for panel, (letter, part) in zip(np.atleast_1d(figure.subplots(1, len(parts))), parts.items(), strict=True):
                _steps(panel, part.reset_index(drop=True))
                panel.set_title(PARTS.get(letter, style.text(letter)), **style.TITLE)
        return canvas.result()
    with canvas.axes(figsize or (5.2, 3.4)) as panel:
        by_step = "step" in history
        _curves(panel, (history["step"] if by_step else history.index).to_numpy(), history)
        panel.set_xlabel("step" if by_step else "epoch")
    return canvas.result()


def _steps(ax: "Axes", part: pd.DataFrame) -> None:
    """Draw the steps of one network side by side: each begins anew, from the weights of the one before."""
    steps = part["step"].astype(str)
    _curves(ax, np.arange(len(part)), part, breaks=np.flatnonzero((steps != steps.shift()).to_numpy())[1:])
    for start in np.flatnonzero((steps != steps.shift()).to_numpy()):
        if start:
            ax.axvline(start - 0.5, color=style.PALE, lw=0.9, ls=(0, (3, 3)), zorder=0)
        at = (max(start - 0.5, 0), 1)
        name = f" {style.text(steps[start])}"
        ax.annotate(name, at, xycoords=("data", "axes fraction"), va="top", fontsize=8.5, color=style.OPEN)
    ax.set_xlabel("epoch, step after step")


def _curves(ax: "Axes", x: np.ndarray, history: pd.DataFrame, breaks: "np.ndarray | tuple" = ()) -> None:
    """Draw both losses, broken where a step ends, with their names at the end of the lines."""
    ends = []
    for column, colour, _ in LINES:
        values = history[column].to_numpy(dtype=float)
        for at, y in zip(np.split(x, breaks), np.split(values, breaks), strict=True):
            ax.plot(at, y, color=colour, lw=1.8, marker="o" if len(history) < 15 else None, ms=3.5)
        last = np.flatnonzero(np.isfinite(values))
        ends.append((x[last[-1]], values[last[-1]]) if len(last) else (x[-1], np.nan))
    if history["loss"].min() > 0 and history["loss"].max() > 8 * history["loss"].min():
        ax.set_yscale("log")
    style.open_frame(ax)
    ax.set_ylabel("loss")
    ax.margins(x=0.02)
    place = ax.transData.inverted()
    pixels = np.array([ax.transData.transform(end)[1] if np.isfinite(end[1]) else np.nan for end in ends])
    there = np.flatnonzero(np.isfinite(pixels))
    height = 12 * ax.get_figure(root=True).dpi / 72  # type: ignore[union-attr] # of a line of text
    for i, y in zip(there, style.apart(pixels[there], height), strict=True):
        at = place.transform((ax.transData.transform(ends[i])[0], y))
        ax.annotate(
            f" {LINES[i][2]}", (ends[i][0], at[1]), color=LINES[i][1], va="center", fontsize=9, annotation_clip=False
        )
