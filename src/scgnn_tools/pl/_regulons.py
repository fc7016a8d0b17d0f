"""``pl.regulon_heatmap`` and ``pl.regulon_specificity``: which factors are at work in which group of cells."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import did_you_mean, integer, listed, sequence
from scgnn_tools._columns import groups_column, without_value
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools._keys import ACTIVITY, GRN, ActivityKeys
from scgnn_tools._log import counted, printable
from scgnn_tools._modality import RNA, modality
from scgnn_tools.grn.names import shown_names
from scgnn_tools.grn.table import network
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._canvas import Canvas, check_figsize, documented

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData


@documented
def regulon_heatmap(
    adata: "AnnData | MuData",
    groupby: str,
    *,
    key: str = ACTIVITY,
    tfs: Sequence[str] | None = None,
    n_tfs: int = 5,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw the mean activity of transcription factors in groups of cells, in standard deviations of all cells.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.tf_activity` was called on.
    groupby
        Column of ``obs``.
    key
        Name of the activities.
    tfs
        Transcription factors; None takes those that stand out most in each group.
    n_tfs
        How many of each group, without ``tfs``.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError, InputValueError
        If there are no activities, groups or transcription factors of that name.

    Examples
    --------
    >>> sgt.tl.tf_activity(adata)
    >>> sgt.pl.regulon_heatmap(adata, "cell_type", n_tfs=3)
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    integer("n_tfs", n_tfs)
    keys = ActivityKeys(key)
    if keys.obsm not in adata.obsm or not isinstance(adata.obsm[keys.obsm], pd.DataFrame):
        msg = f"obsm[{printable(repr(key))}] holds no activities. Run sgt.tl.tf_activity(adata, key_added={printable(repr(key))}) first."
        raise MissingKeyError(msg)
    table = adata.obsm[keys.obsm]
    names = adata.uns.get(keys.uns, {}).get("factors", table.columns)
    values = table.set_axis([str(n) for n in names], axis=1).astype(float)
    label = groups_column(adata.obs, groupby, "groupby")
    some, spread = ~without_value(label), values.std()
    standard = (values - values.mean()) / spread.where(spread > 0)
    groups = label[some].astype("category").cat.remove_unused_categories()  # in the order of the categories
    means = standard[some].groupby(groups.array, observed=True).mean().dropna(axis=1)
    if len(means) < 2:
        msg = f"obs[{groupby!r}] has {counted(len(means), 'group')}; two at least are compared."
        raise InputValueError(msg)
    if tfs is None:
        chosen = list(dict.fromkeys(t for g in means.index for t in means.loc[g].nlargest(n_tfs).index))
    else:
        chosen = sequence("tfs", tfs)
        lacking = [t for t in chosen if t not in means]
        if lacking or not chosen:
            asked = (
                f"There is no activity of {listed(lacking[:5])}" if lacking else "tfs= names no transcription factor"
            )
            msg = f"{asked}; there is of {listed(means.columns[:5])}, ….{did_you_mean(lacking[0], means.columns) if lacking else ''}"
            raise InputValueError(msg)
    width, height = check_figsize(figsize or (2.8 + 0.42 * len(means), 1.6 + 0.2 * len(chosen)))
    with canvas.axes((width, height)) as panel:
        shown = means[chosen].to_numpy().T
        most = max(1e-9, float(np.quantile(np.abs(shown), 0.95)))  # one group far away must not pale all others
        image = panel.pcolormesh(shown, cmap="RdBu_r", vmin=-most, vmax=most, edgecolors="white", linewidth=0.6)
        panel.invert_yaxis()
        panel.set_xticks(
            np.arange(len(means)) + 0.5, [style.text(g, limit=24) for g in means.index], rotation=60, ha="right"
        )
        panel.set_yticks(np.arange(len(chosen)) + 0.5, [style.text(t, limit=24) for t in chosen])
        panel.tick_params(length=0, labelsize=9)
        panel.spines[:].set_visible(False)
        bar = panel.figure.colorbar(image, ax=panel, shrink=min(1.0, 2.2 / height), aspect=12, extend="both")
        bar.set_label("mean activity (standard deviations)", fontsize=8)
        bar.outline.set_visible(False)
        panel.set_title(
            "Activity of transcription factors", fontsize=11, fontweight="bold", color=style.INK, loc="left"
        )
    return canvas.result()


@documented
def regulon_specificity(
    adata: "AnnData | MuData",
    key: str = GRN,
    *,
    groups: Sequence[str] | None = None,
    n_tfs: int = 8,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw transcription factors whose targets are most above other cells in each group, beside their own expression.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.infer_grn` was called on with ``groupby``.
    key
        Name of the network.
    groups
        These groups; None takes all.
    n_tfs
        Transcription factors of each group.
    {figure}

    {returns}

    Raises
    ------
    MissingKeyError, InputValueError
        If there is no such network or group, or it was inferred without groups.

    Examples
    --------
    >>> sgt.pl.regulon_specificity(adata, groups=["B cell", "CD14+ monocyte"])
    <Figure size ...>
    """
    canvas, adata = Canvas(ax=ax, show=show, save=save, return_fig=return_fig), modality(adata, mod)
    integer("n_tfs", n_tfs)
    entry = network(adata, key)
    table = entry.get("regulons")
    if not isinstance(table, pd.DataFrame) or table.empty:
        msg = (
            f"uns[{printable(repr(key))}] holds no specificity of regulons; sgt.tl.infer_grn writes it with groupby= and a method that is "
            "trained once, such as 'sgt'."
        )
        raise MissingKeyError(msg)
    there = list(dict.fromkeys(table["group"].astype(str)))
    chosen = there if groups is None else [groups] if isinstance(groups, str) else list(map(str, groups))
    lacking = [g for g in chosen if g not in there]
    if lacking or not chosen:
        msg = f"The network has no group {listed(lacking[:3])}; there is: {listed(there)}."
        raise InputValueError(msg)
    called = shown_names(adata, entry.get("params", {}))
    n_columns = min(4, len(chosen))
    n_rows = -(-len(chosen) // n_columns)
    size = figsize or (3.1 * n_columns + 0.4, (0.9 + 0.23 * n_tfs) * n_rows + 0.7)
    with canvas.panels(size) as figure:
        axes = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True).ravel()  # one scale: groups are compared
        for panel, group in zip(axes, chosen, strict=False):
            some = table[(table["group"].astype(str) == group) & table["specificity"].notna()]
            some = some.nlargest(n_tfs, "specificity")[::-1]
            y = np.arange(len(some))
            panel.barh(y, some["specificity"], color=style.TARGET, height=0.62)
            panel.scatter(
                some["expression"], y, marker="D", s=22, color=style.DOWN, edgecolor="white", linewidth=0.5, zorder=3
            )
            panel.set_yticks(y, [style.text(called.get(t, t), limit=20) for t in some["source"].astype(str)])
            panel.axvline(0, color=style.PALE, lw=0.8)
            panel.spines[["top", "right", "left"]].set_visible(False)
            panel.tick_params(labelsize=8, length=0, labelbottom=True)
            panel.set_title(style.text(group, limit=30), fontsize=10, fontweight="bold", color=style.INK, loc="left")
        for panel in axes[len(chosen) :]:
            panel.axis("off")
        figure.supxlabel(
            "above other cells, in standard deviations   ▮ its targets   ◆ the transcription factor itself",
            fontsize=9,
            color=style.INK,
        )
    return canvas.result()
