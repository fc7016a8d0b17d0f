"""``pl.training``: the losses of a training."""

from typing import TYPE_CHECKING

from scgnn_tools._errors import InputValueError
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._style import Figure

if TYPE_CHECKING:
    import pandas as pd


def training(history: "pd.DataFrame", *, figsize: tuple[float, float] = (5.2, 3.4)) -> Figure:
    """Draw the loss on the cells of training and on those that were held back.

    Parameters
    ----------
    history
        ``sgt.models.CGC.history``, ``sgt.models.FineTuner.history`` or ``pandas.read_csv("…/history.csv")`` of ``sgt pretrain``.
    figsize
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputValueError
        If there is nothing to draw.
    """
    if not len(history) or not {"loss", "validation"} <= set(history.columns):
        msg = "history wants the columns loss and validation and at least a row. Train first."
        raise InputValueError(msg)
    by_step = "step" in history
    x = history["step"] if by_step else history.index
    figure = Figure(figsize=figsize, facecolor="white", layout="constrained")
    ax = figure.subplots()
    for column, colour, name in (("loss", style.TARGET, "training"), ("validation", style.UP, "held back")):
        ax.plot(x, history[column], color=colour, lw=1.8, marker="o" if len(history) < 15 else None, ms=3.5)
        last = history[column].dropna()
        if len(last):
            ax.annotate(
                f" {name}",
                (x[last.index[-1]], last.iloc[-1]),
                color=colour,
                va="center",
                fontsize=9,
                annotation_clip=False,
            )
    if history["loss"].min() > 0 and history["loss"].max() > 8 * history["loss"].min():
        ax.set_yscale("log")
    ax.set_xlabel("step" if by_step else "epoch")
    ax.set_ylabel("loss")
    ax.grid(color=style.GRID, lw=0.8)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return figure
