"""The page of ``pl.grn(interactive=True)``: one HTML file with the network, its style and its script; it asks no server for anything."""

import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._log import as_text, say, writable
from scgnn_tools._write import check_folder_of, write_whole
from scgnn_tools.pl._layout import flowers

START = 400
"""Edges that are shown at first; the slider shows the others."""

_NOT_IN_SCRIPT = re.compile("[<>&\u2028\u2029\ud800-\udfff]")

EXPLAINED = {
    "score": "What edges are ranked by: the probability of the edge, or what the method makes.",
    "known": "The prior has this edge.",
    "new": "The prior does not have this edge: it is a prediction.",
    "is_tf": "Yes if the source is on the list of transcription factors and their cofactors; a source of the prior may not be.",
    "probability": "How likely an edge is that scores like this one, by known edges that were held out.",
    "prior_score": "What the method says from known edges alone, without these cells.",
    "data_score": "What these cells say alone: how the two genes go together, against permuted cells, shrunk by its reliability.",
    "log_ratio": "What the cells add: 0 adds nothing, 0.7 makes the edge twice as likely, −0.7 half.",
    "z": "The correlation in standard deviations of permuted cells, before it is shrunk; beyond 3 it tells a sign.",
    "own_score": "What the cells of this group say alone.",
    "contrast": "How much more of both genes there is in this group than in other cells, in standard deviations.",
    "specificity": "Share of the group's cells that express both genes, less the mean of the other groups.",
    "coexpressed": "Share of the cells that express both genes.",
    "correlation": "Pearson correlation over the cells, of the group if there are groups.",
    "cosine": "How alike the vectors of the two genes are.",
    "coherence": "How well the target goes with the factor's other known targets.",
    "stability": "Share of the trainings that have the edge among the best of the factor.",
    "sign_from": "Who tells the sign: the prior, or the cells where they are sure.",
    "sign_conflict": "The prior tells one sign and the cells, for sure, the other.",
    "degree": "What the number of known edges of both genes says (log-odds).",
    "collaboration": "What factors with shared targets say.",
    "base": "Where the method begins, before it knows anything of the two genes (log-odds, as are the parts below).",
    "similar_tfs": "What factors with like vectors say: do they have this target?",
    "similar_targets": "What genes that are like the target say: does the factor regulate them?",
    "coexpression": "What the expression of the two genes in other data says.",
    "vectors": "What the vectors of the two genes say together.",
}
"""What the columns of a network mean, for who reads the page."""

SPECIFIC = ("contrast", "specificity")
"""Columns, the first that there is, by which edges of one group are told from those of all."""

HIDDEN = {"source", "target", "group", "score", "known", "sign"}
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
        check_folder_of(path)
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
    rank, of_pair = _ranks(edges, s, t)
    x, y, home = flowers(s, t, 1 / (1 + of_pair / 5), len(names))
    n_all = n_out + np.bincount(t, minlength=len(names))
    order = np.lexsort((-n_all, ~factor))
    groups = sorted(edges["group"].astype(str).unique()) if "group" in edges else []
    group = edges["group"].astype(str).map({g: i for i, g in enumerate(groups)}).tolist() if groups else []
    columns = [c for c in edges if c not in HIDDEN]
    specific = next((c for c in SPECIFIC if c in columns and edges[c].notna().any()), None)
    score = edges["score"].to_numpy(dtype=float)
    sign = np.nan_to_num(edges["sign"].to_numpy(dtype=float)).astype(int)
    return {
        "nodes": {"name": names.tolist(), "factor": factor.astype(int).tolist(), "x": _short(x), "y": _short(y), "home": home.tolist()},
        "edges": {
            "source": s.tolist(), "target": t.tolist(), "score": _short(score), "known": edges["known"].astype(int).tolist(),
            "sign": sign.tolist(), "rank": rank.tolist(), "pair": of_pair.tolist(), "group": group,
        },
        "columns": [
            {"name": str(c).replace("_", " "), "values": _column(edges[c]), "help": EXPLAINED.get(str(c), "")} for c in columns
        ],
        "specificity": columns.index(specific) if groups and specific is not None else -1,
        "words": {w: EXPLAINED[w] for w in ("score", "known", "new")},
        "groups": groups,
        "order": order.tolist(),
        "start": _start(of_pair[~pd.DataFrame({"s": s, "t": t}).duplicated().to_numpy()]),
    }  # fmt: skip


def _ranks(edges: pd.DataFrame, s: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rank of each edge among those of its factor in its group, and of its pair among those of the factor in any group.

    Known and new edges are ranked apart: what is new must not wait until all that is known is shown.
    """
    table = pd.DataFrame({"s": s, "t": t, "known": edges["known"].to_numpy(dtype=bool)})
    table["group"] = edges["group"].astype(str).to_numpy() if "group" in edges else ""
    rank = table.groupby(["group", "s", "known"], sort=False).cumcount().to_numpy()
    pairs = table.drop_duplicates(["s", "t"])
    order = pairs.groupby(["s", "known"], sort=False).cumcount()
    of_pair = table[["s", "t"]].merge(pairs[["s", "t"]].assign(order=order), on=["s", "t"], how="left")["order"]
    return rank, of_pair.to_numpy(dtype=np.int64)


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
