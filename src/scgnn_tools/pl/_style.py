"""Colours and type of the figures, in one place."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colors

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._keys import UNKNOWN as UNKNOWN_LABEL
from scgnn_tools._log import printable

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes

Palette = Mapping[str, Any] | Sequence[Any] | str

INK, PALE, GRID = "#1f2933", "#9aa5b1", "#e4e7eb"
TF, TARGET = "#243b53", "#829ab1"
UP, DOWN, OPEN = "#0b8f8a", "#d1495b", "#8d99a6"
QUIET = "#52606d"
"""Of text that is second."""

BASELINE = "#f0b67f"
"""Of what a method has to beat."""

# twenty colours that stay apart on white, in an order that puts the most distinct first; none is grey, which is Unknown
PALETTE = (
    "#3366aa", "#e07b39", "#3f9b5b", "#c44e6a", "#7b5aa6", "#12a0b0", "#b58b1b", "#8c564b", "#e377c2", "#6f8f1f",
    "#86a8e7", "#f2b38a", "#92d3a1", "#eaa3b4", "#c0a9de", "#84d3dc", "#e2c66b", "#c49c94", "#f4bfe0", "#c3d585",
)  # fmt: skip
UNKNOWN = "#c9ced5"

TITLE: dict[str, Any] = {"fontsize": 11, "fontweight": "bold", "color": INK, "loc": "left"}
"""Of a panel."""


def text(name: object, *, limit: int = 60) -> str:
    """Return a name of the user's as matplotlib draws it: on one line, no formula, no character that no font has.

    Two dollar signs would make a formula of what is between them, and an underscore in front hides a line from the legend.
    """
    shown = printable(name, limit=limit).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def contrast(a: Any, b: Any) -> float:
    """Return the contrast of two colours as WCAG 2 has it, from 1 to 21; text wants 4.5."""
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def on(colour: Any) -> str:
    """Return black or white, whichever is easier to read on a colour; one of them always has a contrast of 4.5."""
    return max(("black", "white"), key=lambda text: contrast(text, colour))


def _luminance(colour: Any) -> float:
    parts = np.array(colors.to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def ink(ax: "Axes") -> None:
    """Give ticks, labels and the legend the colour of the text, whatever style the user has set: the paper is white."""
    ax.tick_params(colors=INK, which="both")
    legend = ax.get_legend()
    for part in (ax.xaxis.label, ax.yaxis.label, *(legend.get_texts() if legend else ())):
        part.set_color(INK)
    for side in ax.spines.values():
        if side.get_visible() and colors.to_rgb(side.get_edgecolor()) in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
            side.set_color(PALE)


def open_frame(ax: "Axes", *, grid: bool = True, left: bool = True) -> None:
    """Leave the lower and the left edge of the frame, and draw a pale grid under what is drawn."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(PALE)
    ax.spines["left"].set_visible(left)
    if grid:
        ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)


def map_frame(ax: "Axes") -> None:
    """Take the numbers away from a map of cells: only neighbourhood means something there."""
    ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_color(GRID)


def of_column(adata: "AnnData", column: str | None) -> dict[str, str]:
    """Return the colours that scanpy keeps of a column, by name; none where there are none that fit."""
    if column is None or column not in adata.obs or adata.obs[column].dtype.name != "category":
        return {}
    names, kept = adata.obs[column].cat.categories, adata.uns.get(f"{column}_colors", ())
    if isinstance(kept, str) or len(kept) < len(names) or not all(colors.is_color_like(c) for c in kept):
        return {}
    return {str(n): colors.to_hex(c, keep_alpha=False) for n, c in zip(names, kept, strict=False)}


def colours(
    names: Iterable[str], palette: Palette | None = None, known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return a colour for each name, the same for the same names; "Unknown" is grey.

    Parameters
    ----------
    names
        In the order in which they get colours.
    palette
        As the user gave it.
    known
        Colours that some names have anyway; a palette goes before them.
    """
    names = list(dict.fromkeys(map(str, names)))
    given = _given(palette, names)
    out = {**({} if palette is not None else dict(known or {})), **given}
    taken = {out[n].lower() for n in names if n in out}
    free = (c for c in _endless() if c not in taken)
    return {n: out[n] if n in out else UNKNOWN if n == UNKNOWN_LABEL else next(free) for n in names}


def colours_of(adata: "AnnData", column: str, palette: Palette | None) -> dict[str, str]:
    """Return the colours of a column of ``obs``: of the palette, of scanpy, or of the package."""
    return colours(sorted(set(named(adata.obs[column]))), palette, of_column(adata, column))


def _given(palette: Palette | None, names: list[str]) -> dict[str, str]:
    """Return the colours of a palette by name."""
    if palette is None:
        return {}
    if isinstance(palette, Mapping):
        return {str(n): _hex(c) for n, c in palette.items()}
    own = [n for n in names if n != UNKNOWN_LABEL]
    if isinstance(palette, str):
        return dict(zip(own, _of_map(palette, len(own)), strict=True))
    if isinstance(palette, Sequence | np.ndarray) and len(palette):
        return {n: _hex(palette[i % len(palette)]) for i, n in enumerate(own)}
    msg = f"palette is a dict of colours by name, a list of colours, or the name of a colour map; got {type(palette).__name__}."
    raise InputTypeError(msg)


def _of_map(name: str, n: int) -> list[str]:
    import matplotlib as mpl

    if name not in mpl.colormaps:
        msg = f"palette={printable(name)!r} is no colour map of matplotlib. Pass for example 'tab20', a dict or a list of colours."
        raise InputValueError(msg)
    found = mpl.colormaps[name]
    own = getattr(found, "colors", None) if found.N <= 20 else None  # tab10 and the like are lists, not ramps
    picked = [own[i % len(own)] for i in range(n)] if own else found(np.linspace(0, 1, max(n, 1)))[:n]
    return [_hex(c) for c in picked]


def _hex(colour: Any) -> str:
    if not colors.is_color_like(colour):
        msg = (
            f"{printable(repr(colour))} is no colour that matplotlib knows; write for example '#3366aa' or 'tab:blue'."
        )
        raise InputValueError(msg)
    return colors.to_hex(colour)


def _endless() -> Iterable[str]:
    """Yield the palette, then darker, then paler turns of it."""
    yield from PALETTE
    for towards, share in (("black", 0.38), ("white", 0.45), ("black", 0.6)):
        end = np.array(colors.to_rgb(towards))
        for colour in PALETTE:
            yield colors.to_hex(tuple((1 - share) * np.array(colors.to_rgb(colour)) + share * end))
    while True:
        yield from PALETTE


def legend_columns(names: Sequence[str], width: float, *, least: int = 1) -> int:
    """Return the columns of a legend of names below a figure of so many inches."""
    longest = max((len(text(n)) for n in names), default=1)
    return int(np.clip(width * 12 // (longest + 5), least, max(len(names), 1)))


def legend_rows(names: Sequence[str], width: float) -> int:
    """Return the rows that such a legend has."""
    return -(-len(names) // legend_columns(names, width))


def dot(n_cells: int) -> float:
    """Return the area of a cell on a map, in square points."""
    return float(np.clip(9000 / max(n_cells, 1), 1.5, 22))


def draw_map(ax: "Axes", xy: np.ndarray, labels: np.ndarray, colour: Mapping[str, str]) -> None:
    """Draw cells in the colours of their names, in an order in which none covers another, "Unknown" below all."""
    order = np.random.default_rng(0).permutation(len(xy))
    order = order[np.argsort(labels[order] != UNKNOWN_LABEL, kind="stable")]
    ax.scatter(
        xy[order, 0], xy[order, 1], s=dot(len(xy)), c=[colour.get(v, UNKNOWN) for v in labels[order]],
        linewidths=0, alpha=0.9, rasterized=True,
    )  # fmt: skip
    map_frame(ax)


def named(labels: "pd.Series", missing: str = UNKNOWN_LABEL) -> np.ndarray:
    """Return labels as text, one name for those that are missing."""
    from scgnn_tools._log import as_text

    return as_text(labels.astype(object).where(labels.notna(), missing))


def apart(wanted: np.ndarray, gap: float, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """Return places as near as possible to those that are wanted, in order, ``gap`` apart, from ``low`` to ``high``, (n,)."""
    from scipy.optimize import isotonic_regression

    if len(wanted) == 0:
        return np.zeros(0)
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    out = np.empty(len(wanted))
    out[order] = np.clip(isotonic_regression(wanted[order] - steps).x, low, max(low, high - steps[-1])) + steps
    return out


def bar(image: Any, ax: "Axes", label: str, *, where: str = "right", shrink: float = 0.6) -> None:
    """Put a thin colour bar beside an image."""
    place = ax.get_figure(root=False).colorbar(image, ax=ax, location=where, shrink=shrink, aspect=22, pad=0.02)  # type: ignore[union-attr]
    place.outline.set_visible(False)  # type: ignore[operator]
    place.ax.tick_params(length=0, labelsize=8, colors=INK)
    place.set_label(label, fontsize=8.5, color=INK)


MOST_NAMES = 20
"""Names of a legend; of more it says how many."""


def bar_below(image: Any, ax: "Axes") -> None:
    """Put a thin colour bar below a map and its line of text, where other maps have their legend."""
    place = ax.inset_axes((0.05, -0.19, 0.9, 0.035))
    bar = ax.get_figure(root=False).colorbar(image, cax=place, orientation="horizontal")  # type: ignore[union-attr]
    bar.outline.set_visible(False)  # type: ignore[operator]
    place.tick_params(length=0, labelsize=8, colors=INK)


def legend_beside(ax: "Axes", colour: Mapping[str, str]) -> None:
    """Put the names to the right of a map."""
    ax.legend(**_names_of(ax, colour), loc="center left", bbox_to_anchor=(1, 0.5))


def legend_below(ax: "Axes", colour: Mapping[str, str], width: float) -> None:
    """Put the names below a map of so many inches and its line of text."""
    columns = legend_columns([n[:30] for n in list(colour)[:MOST_NAMES]], width)
    ax.legend(**_names_of(ax, colour), loc="upper center", bbox_to_anchor=(0.5, -0.09), columnspacing=1, ncols=columns)


def _names_of(ax: "Axes", colour: Mapping[str, str]) -> dict[str, Any]:
    handles = [ax.scatter([], [], s=26, color=c, label=text(n, limit=30)) for n, c in list(colour.items())[:MOST_NAMES]]
    if len(colour) > MOST_NAMES:
        handles.append(ax.scatter([], [], s=0, label=f"and {len(colour) - MOST_NAMES:,} more"))
    return {"handles": handles, "fontsize": 8, "frameon": False, "handletextpad": 0.2, "labelcolor": INK}
