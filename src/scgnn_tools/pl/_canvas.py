"""One figure, whoever draws it: made or borrowed, saved, shown, handed back. Every function of ``pl`` goes through :class:`Canvas`."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from matplotlib import colors, figure

from scgnn_tools._choices import number, sequence
from scgnn_tools._doors import door
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools._log import printable
from scgnn_tools._write import as_path, check_folder_of, write_whole
from scgnn_tools.pl import _style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

F = TypeVar("F", bound=Callable[..., Any])

DPI = 150
MOST_INCHES = 400
"""Of a side of a figure: 60,000 pixels, near what its drawing can hold."""
LIVE = ("ipympl", "widget", "nbagg")
"""Backends of notebooks that have shown a figure as soon as it was made."""

PARAMETERS = {
    "ax": "Axes to draw into, of a figure of yours; None makes a figure. Where there are several panels they share the place of ``ax``.",
    "palette": (
        'Colours of the names: a dict, a list, or the name of a matplotlib colour map. None takes ``uns[f"{column}_colors"]``, as '
        "scanpy writes it, and else colours of the package."
    ),
    "mod": "Modality of a MuData.",
    "figsize": "Width and height in inches; None goes by what there is to draw.",
    "show": (
        "True shows the figure now and returns None. False returns the axes. None returns the figure, which a notebook shows once and "
        "``plt.show()`` in a script."
    ),
    "save": "File to write the figure to, in the format of its ending.",
    "return_fig": "Return the figure whatever ``show`` and ``ax`` say.",
}
"""What the arguments mean that the figures share; ``{figure}`` in a docstring stands for those that the function has, in its order."""

RETURNS = """Returns
-------
matplotlib.figure.Figure
    With ``show=False`` or ``ax=`` the axes that were drawn into, one or a list; with ``show=True`` None."""


def documented(function: F) -> F:
    """Fill ``{figure}`` and ``{returns}`` of the docstring in, in the words that all figures share."""
    import inspect

    doc = inspect.cleandoc(function.__doc__ or "")
    shared = [
        name for name in inspect.signature(function).parameters if name in PARAMETERS and f"\n{name}\n" not in doc
    ]
    words = "\n".join(f"{name}\n    {PARAMETERS[name]}" for name in shared)
    function.__doc__ = doc.replace("{figure}", words).replace("{returns}", RETURNS)
    return door(function)


class Figure(figure.Figure):
    """A figure that a notebook shows once, whether pyplot knows of it or not."""

    def _ipython_display_(self) -> None:
        import matplotlib as mpl
        from matplotlib import pyplot as plt

        known = getattr(self, "number", None) in plt.get_fignums()
        if known and any(word in mpl.get_backend() for word in LIVE):
            return
        # IPython calls this, so that it is there
        sys.modules["IPython.display"].display({"image/png": self._repr_png_()}, raw=True)
        if known and "inline" in mpl.get_backend():
            plt.close(self)  # else the end of the cell shows it once more

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", bbox_inches="tight")
        return out.getvalue()


class Canvas:
    """What a figure is drawn on, and what becomes of it.

    Parameters
    ----------
    ax, show, save, return_fig
        As in every function of ``pl``; wrong ones are an error here, before anything is drawn.
    """

    def __init__(
        self,
        *,
        ax: "Axes | None" = None,
        show: bool | None = None,
        save: str | Path | None = None,
        return_fig: bool = False,
    ) -> None:
        self.borrowed, self.show, self.return_fig = _checked_axes(ax), show, return_fig
        self.save = None if save is None else check_save(save)
        self.drawn: list[Axes] = []
        self.root: Any = None

    @contextmanager
    def axes(self, figsize: tuple[float, float]) -> "Iterator[Axes]":
        """Give one axes to draw into: that of the user, or that of a new figure."""
        if self.borrowed is not None:
            self.root = self.borrowed.get_figure(root=True)
            yield self.borrowed
            self._finish([self.borrowed])
            return
        with self.panels(figsize) as new:
            yield new.subplots()

    @contextmanager
    def panels(self, figsize: tuple[float, float], *, layout: str | None = "constrained") -> "Iterator[FigureBase]":
        """Give a figure to make panels in: a new one, or the place of the user's axes."""
        place = self._make(check_figsize(figsize), layout) if self.borrowed is None else _place_of(self.borrowed)
        self.root = place.figure if self.borrowed is None else self.borrowed.get_figure(root=True)
        try:
            yield place
        except BaseException:
            self._forget()
            raise
        self._finish(_axes_of(place))

    def result(self) -> Any:
        """Write and show what was drawn, as asked, and return what the caller gives back."""
        if self.save is not None:
            write_whole(self.save, lambda part: self.root.savefig(part, dpi=DPI, bbox_inches="tight"))
        if self.show:
            from matplotlib import pyplot as plt

            plt.show()
        elif self.save is not None:
            self._forget()  # a loop that saves figures does not keep them
        if self.return_fig:
            return self.root
        if self.show:
            return None
        if self.borrowed is None and self.show is None:
            return self.root
        return self.drawn[0] if len(self.drawn) == 1 else self.drawn

    def _make(self, figsize: tuple[float, float], layout: str | None) -> "FigureBase":
        from matplotlib import pyplot as plt

        return plt.figure(FigureClass=Figure, figsize=figsize, facecolor="white", layout=layout)  # type: ignore[arg-type]

    def _forget(self) -> None:
        if self.borrowed is None:
            from matplotlib import pyplot as plt

            plt.close(self.root)

    def _finish(self, drawn: "list[Axes]") -> None:
        self.drawn = drawn
        for ax in drawn if self.borrowed is not None else self.root.axes:  # with the colour bars
            style.ink(ax)
        if self.borrowed is None:
            for ax in drawn:  # a dark style of the user's would leave dark panels on the white paper
                ax.set_facecolor("white")


def check_figsize(figsize: Any) -> tuple[float, float]:
    """Return width and height of a figure, in inches."""
    sides = sequence("figsize", figsize)
    if len(sides) != 2:
        msg = f"figsize is width and height in inches, for example (6, 4); got {printable(repr(figsize))}."
        raise InputValueError(msg)
    width, height = (number("figsize", side, above=0, most=MOST_INCHES) for side in sides)
    return width, height


def check_save(save: str | Path, formats: tuple[str, ...] | None = None) -> Path:
    """Return where a figure goes, if it can be written there in the format of its ending."""
    if not isinstance(save, str | Path) or not str(save):
        msg = f"save is the path of a file, for example 'figure.png'; got {save!r}."
        raise InputTypeError(msg)
    path = as_path("save", save)
    known = formats or tuple(sorted(figure.Figure().canvas.get_supported_filetypes()))
    if path.suffix[1:].lower() not in known:
        msg = f"save={str(path)!r} has to end in one of {', '.join('.' + k for k in known)}."
        raise InputValueError(msg)
    check_folder_of(path)
    return path


def _checked_axes(ax: Any) -> Any:
    from matplotlib.axes import Axes

    if ax is not None and not isinstance(ax, Axes):
        hint = " Pass one of them." if hasattr(ax, "__len__") else ""
        msg = f"ax is a matplotlib Axes, as plt.subplots() gives; got {type(ax).__name__}.{hint}"
        raise InputTypeError(msg)
    if ax is not None and ax.name != "rectilinear":
        msg = f"ax is flat, with an x and a y axis, as plt.subplots() gives; got one with projection={ax.name!r}."
        raise InputTypeError(msg)
    return ax


def _place_of(ax: "Axes") -> "FigureBase":
    """Return a figure inside the user's figure, in the place of ``ax``."""
    spec, whole = ax.get_subplotspec(), ax.get_figure(root=True)
    if spec is None:
        msg = "This figure has several panels and takes the place of an axes of plt.subplots(); ax was put in by hand. Pass one of a grid."
        raise InputValueError(msg)
    if whole.get_layout_engine() is None:  # type: ignore[union-attr]
        whole.set_layout_engine("constrained")  # type: ignore[union-attr] # else titles and legends of panels lie on each other
    ax.set_axis_off()
    place = ax.get_figure(root=False).add_subfigure(spec)  # type: ignore[union-attr]
    place.set_facecolor((*colors.to_rgb("white"), 0.0))
    return place


def _axes_of(place: "FigureBase") -> "list[Axes]":
    """Return the axes of a figure and of the figures in it, without the colour bars."""
    inner = [ax for part in place.subfigs for ax in _axes_of(part)]
    own: list[Axes] = list(place.axes)  # type: ignore[call-overload]
    return [*(ax for ax in own if ax not in inner and ax.get_label() != "<colorbar>"), *inner]
