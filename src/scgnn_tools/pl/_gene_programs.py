"""``pl.gene_programs``: how much each group of cells expresses each program."""

from typing import TYPE_CHECKING

import numpy as np

from scgnn_tools._errors import MissingKeyError
from scgnn_tools._keys import ProgramKeys
from scgnn_tools._modality import RNA, modality
from scgnn_tools.pl import _style as style
from scgnn_tools.pl._style import Figure

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def gene_programs(
    adata: "AnnData | MuData",
    key: str = "sgt_programs",
    *,
    n_programs: int = 25,
    mod: str = RNA,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the programs that differ most between the groups: a row a program, a column a group, scaled along each row.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.gene_programs` was called on with ``groupby=``.
    key
        Name of the result.
    n_programs
        Programs that are drawn, those with the largest ``eta2``.
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
        If there are no programs, or they were made without ``groupby``.
    """
    adata = modality(adata, mod)
    keys = ProgramKeys(key)
    if keys.uns not in adata.uns or "scores" not in adata.uns[keys.uns]:
        msg = f"uns[{key!r}] holds no programs of groups. Run sgt.tl.gene_programs(adata, groupby='cell_type', key_added={key!r}) first."
        raise MissingKeyError(msg)
    scores, separation = adata.uns[keys.uns]["scores"], adata.uns[keys.uns]["separation"]
    best = separation["eta2"].sort_values(ascending=False, kind="stable").index[:n_programs]
    z = scores[best].to_numpy().T
    z = (z - z.min(axis=1, keepdims=True)) / np.maximum(np.ptp(z, axis=1, keepdims=True), 1e-12)
    order = np.lexsort((-z.max(axis=1), z.argmax(axis=1)))  # programs of one group stand together
    rows = []
    for name in best[order]:
        first, n = separation.loc[name, "top_genes"], int(separation.loc[name, "n_genes"])
        more = n - len(first.split(", "))
        rows.append(style.text(f"{name}  {first}") + (f", +{more}" if more > 0 else ""))
    height = 0.27 * len(rows) + 1.8
    figure = Figure(figsize=figsize or (4.6 + 0.42 * len(scores), height), facecolor="white", layout="constrained")
    ax, right = figure.subplots(1, 2, width_ratios=[max(len(scores) * 0.42, 1.5), 1.1], sharey=True)
    image = ax.imshow(z[order], aspect="auto", cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks(
        range(len(scores)),
        [style.text(g, limit=34) for g in scores.index],
        rotation=45,
        ha="right",
        fontsize=8,
        rotation_mode="anchor",
    )
    ax.set_yticks(range(len(rows)), rows, fontsize=8)
    ax.tick_params(length=0)
    at = np.arange(len(rows))
    right.barh(at, separation.loc[best[order], "eta2"], color=style.UP, height=0.62, label="program")
    right.plot(separation.loc[best[order], "eta2_random"], at, "|", color=style.INK, ms=9, label="random genes")
    right.set_xlabel("variance\nbetween groups", fontsize=8)
    right.tick_params(length=0, labelleft=False, labelsize=8)
    right.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)
        right.spines[side].set_visible(side == "bottom")
    bar = figure.colorbar(image, ax=ax, location="top", shrink=0.5, aspect=24, pad=0.02)
    bar.set_label("mean score, from the lowest to the highest group", fontsize=8)
    bar.ax.tick_params(labelsize=7, length=0)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure
