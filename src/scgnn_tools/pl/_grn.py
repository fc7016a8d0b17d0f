"""``pl.grn``: a network as two rings, as factors and modules of targets, as one regulon, or as a page to look around in."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scgnn_tools._choices import did_you_mean, integer, listed, sequence
from scgnn_tools._deprecated import renamed
from scgnn_tools._errors import InputValueError
from scgnn_tools._keys import GRN
from scgnn_tools._modality import RNA, modality
from scgnn_tools.grn.table import edges_of, network, pooled
from scgnn_tools.pl import _grn_modules, _grn_regulon, _grn_rings
from scgnn_tools.pl._canvas import Canvas, check_save, documented
from scgnn_tools.pl._grn_legend import heading, legend
from scgnn_tools.pl._grn_page import page
from scgnn_tools.pl._layout import best_of_each, choose_edges

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData

RINGS, REGULON, PAGE = 60, 40, 8000
"""Edges that are drawn if the user does not say how many."""

MOST_IN_RINGS = 130
"""With more edges than that, targets are drawn as modules: their names would not be legible."""


@renamed(path=lambda path: {"save": path})
@documented
def grn(
    adata: "AnnData | MuData",
    key: str = GRN,
    *,
    n_edges: int | None = None,
    tfs: Sequence[str] | None = None,
    tf: str | None = None,
    group: str | None = None,
    interactive: bool = False,
    mod: str = RNA,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    save: str | Path | None = None,
    return_fig: bool = False,
) -> Any:
    """Draw a gene regulatory network.

    A known edge is drawn full, a new one broken or pale; its colour is its sign, its width its score. Up to 130 edges are drawn one by one:
    transcription factors on an inner ring, targets around them, each near its regulators. Of more, targets with like regulators are
    gathered into modules, and bands from the transcription factors to the modules hold the edges.

    Parameters
    ----------
    adata
        Object that :func:`scgnn_tools.tl.infer_grn` was called on.
    key
        Name of the network.
    n_edges
        Most edges that are drawn. Known ones take up to half, and no single gene takes many; of one transcription factor all
        that are known come first; on the page the best of each transcription factor. None takes 60, of one transcription factor
        40, of the page 8,000.
    tfs
        Draw these transcription factors only.
    tf
        Draw the regulon of this one transcription factor: its targets with the evidence of each, and its own regulators. Without
        ``group`` the evidence of an edge is the mean over the groups that have it; "±" marks a sign that the prior and the cells tell
        differently.
    group
        Network of one group of cells; None takes all, and of an edge in several groups the best.
    interactive
        Make a page instead: search, a click that shows a gene's edges and what speaks for them, filters, zoom. One file that any browser
        opens without a network.
    {figure}

    Returns
    -------
    matplotlib.figure.Figure
        With ``show=False`` or ``ax=`` the axes that were drawn into; with ``show=True`` None; with ``interactive=True`` a page, which a
        notebook shows and ``save=`` or ``page.save(path)`` writes.

    Raises
    ------
    MissingKeyError
        If there is no such network.
    InputValueError
        If there is no such group or transcription factor, or no edge to draw.

    Examples
    --------
    >>> sgt.pl.grn(adata, n_edges=40)
    <Figure size ...>
    >>> sgt.pl.grn(adata, tf="JUN", group="CD14+ monocyte", save="jun.pdf")
    <Figure size ...>
    >>> page = sgt.pl.grn(adata, interactive=True, save="network.html")
    """
    if interactive:
        _no_figure(ax, save, return_fig=return_fig)
    canvas = Canvas(ax=ax, show=show, save=None if interactive else save, return_fig=return_fig)
    adata = modality(adata, mod)
    entry = network(adata, key)
    every = edges_of(adata, key, group=group, merge=not interactive, named=True)
    if tf is not None and tfs is not None:
        msg = "tf= draws one regulon, tfs= a network of some transcription factors. Pass one of them."
        raise InputValueError(msg)
    integer("n_edges", n_edges, or_none=True)
    wanted = [tf] if tf is not None else None if tfs is None else sequence("tfs", tfs)
    edges = every if wanted is None else every[every["source"].isin(wanted)]
    there = every["source"].unique().tolist()
    lacking = [t for t in wanted or [] if t not in there]
    if lacking or edges.empty:
        asked = "" if wanted is None else f" from {listed(lacking)}"
        near = "".join(did_you_mean(name, there) for name in lacking[:1])
        msg = f"There is no edge to draw{asked}; transcription factors of the network are {listed(there[:5])}, ….{near}"
        raise InputValueError(msg)
    evaluation = entry.get("evaluation", {})
    verdict = str(evaluation.get("verdict", ""))
    title = "Gene regulatory network" + (f" of {group}" if group is not None else "")
    if interactive:
        shown = best_of_each(edges, n_edges or PAGE)
        made = page(shown, title=title, subtitle=_counted(shown, every), verdict=verdict)
        if save is not None:
            made.save(save)
        return made
    if tf is not None:
        if (
            group is None and "group" in every
        ):  # what one group says of an edge, often the first by name, is not what all say
            every = pooled(edges_of(adata, key, merge=False, named=True))
        _grn_regulon.draw(canvas, every, tf, n_edges or REGULON, verdict=verdict, figsize=figsize)
    else:
        _network(canvas, edges, every, n_edges or RINGS, title, verdict, figsize)
    return canvas.result()


def _no_figure(ax: "Axes | None", save: str | Path | None, *, return_fig: bool) -> None:
    """Refuse what a page cannot do."""
    if ax is not None or return_fig:
        msg = "interactive=True makes a page, which is no matplotlib figure. Leave out ax= and return_fig=."
        raise InputValueError(msg)
    if save is not None:
        check_save(save, ("html", "htm"))


def _network(
    canvas: Canvas,
    edges: pd.DataFrame,
    every: pd.DataFrame,
    n_edges: int,
    title: str,
    verdict: str,
    figsize: tuple[float, float] | None,
) -> None:
    many = n_edges > MOST_IN_RINGS and len(edges) > MOST_IN_RINGS
    shown = choose_edges(edges, n_edges)
    with canvas.panels(figsize or ((11.0, 8.6) if many else (8.5, 9.0)), layout=None) as figure:
        height = figure.bbox.height / figure.dpi  # type: ignore[attr-defined]
        below, above = (0.6 / height, 1.05 / height)
        panel = figure.add_axes((0.0, below, 1.0, 1 - below - above))
        (_grn_modules if many else _grn_rings).draw(panel, shown)
        heading(figure, title, _counted(shown, every), verdict)
        legend(figure, shown, bands=many)


def _counted(shown: pd.DataFrame, every: pd.DataFrame) -> str:
    n = shown["source"].nunique()
    multiplied = "group" in every and every.duplicated(["source", "target"]).any()
    what = "edges (pair × group)" if multiplied else "pairs" if "group" in every else "edges"
    return f"{len(shown):,} of {len(every):,} {what}, {n:,} transcription factor{'s' * (n > 1)}, {shown['target'].nunique():,} targets"
