"""The page of ``pl.grn(interactive=True)``: one HTML file with the network, its style and its script; it asks no server for anything."""

import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import InputValueError
from scgnn_tools._log import as_text, say, writable
from scgnn_tools._write import write_whole
from scgnn_tools.pl._layout import disk

START = 400
"""Edges that are shown at first; the slider shows the others."""

_NOT_IN_SCRIPT = re.compile("[<>&\u2028\u2029\ud800-\udfff]")

HIDDEN = {"source", "target", "group", "known", "sign"}
"""Columns that the page shows in its own way."""


class Page:
    """An HTML page; a notebook shows it, :meth:`save` writes it.

    Parameters
    ----------
    text
        The whole page.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all, and return its path."""
        path = Path(path)
        if not path.absolute().parent.is_dir():
            msg = f"There is no folder {path.absolute().parent}. Make it first, or pass another path."
            raise InputValueError(msg)
        write_whole(path, lambda part: part.write_text(self.text, encoding="utf-8"))
        say(f"grn: the page is {path}; any browser opens it, without a network")
        return path

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{html.escape(self.text)}" style="width:100%;height:640px;border:1px solid #e4e7eb"></iframe>'


def page(edges: pd.DataFrame, *, title: str, subtitle: str, verdict: str) -> Page:
    """Return the page of a network.

    Parameters
    ----------
    edges
        ``source``, ``target``, ``score``, ``known``, ``sign``, perhaps ``group``, best first; every other column is shown as evidence.
    title, subtitle, verdict
        Three lines above it.
    """
    folder = files("scgnn_tools.pl") / "page"
    parts = {name: (folder / f"grn.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
    content = payload(edges)
    content |= {"title": title, "subtitle": subtitle, "verdict": verdict}
    fill = {"title": html.escape(writable(title)), "css": parts["css"], "js": parts["js"], "data": embedded(content)}
    pieces = parts["html"].split("%")
    # the template's marks stand alone between two signs; what is filled in is never looked at again
    return Page("".join(fill.get(p, p) if i % 2 else p for i, p in enumerate(pieces)))


def embedded(content: Any) -> str:
    """Return JSON that can stand inside a ``script`` element whatever the names hold: no ``<``, no ``&``, no half of a character."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _NOT_IN_SCRIPT.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def payload(edges: pd.DataFrame) -> dict[str, Any]:
    """Return what the script reads: nodes with their places, edges by number, evidence by column."""
    source, target = as_text(edges["source"]), as_text(edges["target"])
    names, code = np.unique(np.concatenate([source, target]), return_inverse=True)
    s, t = code[: len(edges)], code[len(edges) :]
    n_out = np.bincount(s, minlength=len(names))
    factor = n_out > 0
    rank = edges.groupby(s, sort=False).cumcount().to_numpy()  # within the factor: the best edges shape the picture
    if "group" in edges:
        rank = edges.groupby([edges["group"].astype(str).to_numpy(), s], sort=False).cumcount().to_numpy()
    room = np.sqrt(0.45 / len(names)) if len(names) else 0.0
    x, y = disk(s, t, 1 / (1 + rank / 5), np.where(factor, min(1.6 * room, 0.05), min(0.7 * room, 0.02)))
    n_all = n_out + np.bincount(t, minlength=len(names))
    order = np.lexsort((-n_all, ~factor))
    groups = sorted(edges["group"].astype(str).unique()) if "group" in edges else []
    group = edges["group"].astype(str).map({g: i for i, g in enumerate(groups)}).tolist() if groups else []
    score = edges["score"].to_numpy(dtype=float)
    sign = np.nan_to_num(edges["sign"].to_numpy(dtype=float)).astype(int)
    return {
        "nodes": {"name": names.tolist(), "factor": factor.astype(int).tolist(), "x": _short(x), "y": _short(y)},
        "edges": {
            "source": s.tolist(), "target": t.tolist(), "score": _short(score), "known": edges["known"].astype(int).tolist(),
            "sign": sign.tolist(), "rank": rank.tolist(), "group": group,
        },
        "columns": [{"name": str(c).replace("_", " "), "values": _column(edges[c])} for c in edges if c not in HIDDEN],
        "groups": groups,
        "order": order.tolist(),
        "start": _start(rank),
    }  # fmt: skip


def _start(rank: np.ndarray) -> int:
    """Return how many targets of each factor make about ``START`` edges."""
    counts = np.cumsum(np.bincount(rank, minlength=1))
    return int(np.clip(np.searchsorted(counts, START, side="right"), 1, len(counts)))


def _column(values: pd.Series) -> list[Any]:
    if values.dtype.kind == "b":
        return ["yes" if v else "no" for v in values]
    if values.dtype.kind in "iuf":
        return _short(values.to_numpy(dtype=float))
    return ["" if pd.isna(v) else str(v) for v in values]


def _short(values: np.ndarray) -> list[float | None]:
    """Return floats with four digits, which a screen cannot tell from more, and None for what is not finite."""
    return [float(f"{v:.4g}") if np.isfinite(v) else None for v in values]
