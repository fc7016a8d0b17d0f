"""Colours and type of the figures, in one place; and the figures themselves."""

import io

from matplotlib import figure

from scgnn_tools._log import printable

INK, PALE, GRID = "#1f2933", "#9aa5b1", "#e4e7eb"
TF, TARGET = "#243b53", "#829ab1"
UP, DOWN, OPEN = "#0b8f8a", "#d1495b", "#8d99a6"

# twenty colours that stay apart on white, in an order that puts the most distinct first
PALETTE = (
    "#3366aa", "#e07b39", "#3f9b5b", "#c44e6a", "#7b5aa6", "#12a0b0", "#b58b1b", "#8c564b", "#e377c2", "#5f6b7a",
    "#86a8e7", "#f2b38a", "#92d3a1", "#eaa3b4", "#c0a9de", "#84d3dc", "#e2c66b", "#c49c94", "#f4bfe0", "#b3bcc7",
)  # fmt: skip
UNKNOWN = "#d5d9de"


def text(name: object, *, limit: int = 60) -> str:
    """Return a name of the user's as matplotlib draws it: on one line, no formula, no character that no font has.

    Two dollar signs would make a formula of what is between them, and an underscore in front hides a line from the legend.
    """
    shown = printable(name, limit=limit).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


class Figure(figure.Figure):
    """A figure that a notebook shows even if pyplot, which would see to that, has not been used in it."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", bbox_inches="tight")
        return out.getvalue()
