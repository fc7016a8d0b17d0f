"""Edge tables of any tool against a known network: one form for both, and the pairs that are judged."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import listed
from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools._log import as_text, printable
from scgnn_tools.graph.prior import check_edges

NAMES: Mapping[str, tuple[str, ...]] = {
    "tf": ("tf", "source", "regulator", "gene1"),
    "target": ("target", "gene2", "gene"),
    "score": ("score", "importance", "weight", "edgeweight", "probability"),
}
"""What a column is called by us and others (arboreto, BEELINE, decoupler, SCENIC), in any case."""


def columns_of(edges: pd.DataFrame, *, optional: Collection[str] = ()) -> dict[str, Any]:
    """Return which column is the factor, the target and the score, by the names of ``NAMES``; None for an optional one that is missing.

    Raises
    ------
    InputValueError
        If another is missing, or one that is read stands there twice.
    """
    own = {str(c).lower(): c for c in edges.columns}
    found = {name: next((own[n] for n in among if n in own), None) for name, among in NAMES.items()}
    missing = [f"{n} ({', '.join(NAMES[n])})" for n, column in found.items() if column is None and n not in optional]
    if missing:
        msg = f"A table of edges needs a column each for {'; '.join(missing)}; there is: {listed(edges.columns)}."
        raise InputValueError(msg)
    _once(edges, found.values())
    return found


def _once(edges: pd.DataFrame, columns: Iterable[Any]) -> None:
    twice = [c for c in columns if list(edges.columns).count(c) > 1]
    if twice:
        msg = f"The table of edges has the column {printable(twice[0])} more than once ({listed(edges.columns)}). Keep one of them."
        raise InputValueError(msg)


def numbers(scores: pd.Series) -> np.ndarray:
    """Return the scores of edges as floats.

    Raises
    ------
    InputValueError
        If they are no numbers.
    """
    try:
        return scores.to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"The scores of edges are numbers; {scores.name!r} holds {printable(scores.iloc[0])!r}."
        raise InputValueError(msg) from error


def edge_scores(edges: pd.DataFrame) -> pd.DataFrame:
    """Return ``tf``, ``target``, ``score`` of an edge table of any tool; of an edge named twice the best.

    Raises
    ------
    InputValueError
        If a column is missing, or the scores are no numbers.
    """
    found = columns_of(edges)
    out = pd.DataFrame({"tf": as_text(edges[found["tf"]]), "target": as_text(edges[found["target"]])})
    out["score"] = numbers(edges[found["score"]])
    out = out[np.isfinite(out["score"]) & (out["tf"] != out["target"])]
    if out.empty:
        msg = "The table of edges holds no edge between two genes with a score."
        raise InputValueError(msg)
    return out.sort_values("score", ascending=False, kind="stable").drop_duplicates(["tf", "target"], ignore_index=True)


def candidates(
    truth: pd.DataFrame, sources: pd.Index, targets: pd.Index, *, left_out: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, str]:
    """Return the pairs that are judged, ``tf``, ``target``, ``label``, and say which they are.

    Parameters
    ----------
    truth
        A network (``source``, ``target``), of which every source that is among ``sources`` is paired with every gene of ``targets``; or
        labelled pairs (``tf``, ``target``, ``label``), which are judged as they are.
    sources, targets
        Genes that could have been named.
    left_out
        Pairs (``tf``, ``target``) that were seen in training.

    Raises
    ------
    GraphError
        If no edge of the truth, or no other pair, is left.
    """
    if "label" in truth:
        pairs, said = _labelled(truth), "the labelled pairs that were given"
    else:
        known = check_edges(truth)[["source", "target"]].set_axis(["tf", "target"], axis=1)
        tfs = known["tf"][known["tf"].isin(sources)].unique()
        targets = targets.unique()
        pairs = pd.DataFrame({"tf": np.repeat(tfs, len(targets)), "target": np.tile(targets, len(tfs))})
        pairs = pairs[pairs["tf"] != pairs["target"]].reset_index(drop=True)
        pairs["label"] = pd.MultiIndex.from_frame(pairs).isin(pd.MultiIndex.from_frame(known)).astype(np.int8)
        said = f"{len(tfs):,} sources of the truth that the edges could name × {len(targets):,} genes"
    n_all = int(pairs["label"].sum())
    if left_out is not None and len(left_out):
        seen = pd.MultiIndex.from_frame(pairs[["tf", "target"]]).isin(
            pd.MultiIndex.from_frame(left_out[["tf", "target"]])
        )
        pairs = pairs[~seen].reset_index(drop=True)
        said += f", without {int(seen.sum()):,} pairs of training"
    n = int(pairs["label"].sum())
    if n == 0 or n == len(pairs):
        first = f"truth: {printable(truth.iloc[0, 0])} → {printable(truth.iloc[0, 1])}; " if len(truth) else ""
        here = f"genes: {printable(targets[0])}, …" if len(targets) else "no genes"
        why = (
            f"all {n_all:,} edges were seen in training"
            if n_all and not n
            else f"{n:,} of {len(pairs):,} pairs are edges"
        )
        msg = f"There is nothing to judge: {why} ({first}{here}). Pass another truth= or genes=."
        raise GraphError(msg)
    return pairs, said


def scores_of(pairs: pd.DataFrame, edges: pd.DataFrame) -> tuple[np.ndarray, float]:
    """Return the score of each pair, below all others where the table does not name it, and the share that it names."""
    table = edges.set_index(["tf", "target"])["score"]
    score = table.reindex(pd.MultiIndex.from_frame(pairs[["tf", "target"]])).to_numpy()
    named = np.isfinite(score)
    return np.where(named, score, edges["score"].min() - 1), float(named.mean())


def _labelled(truth: pd.DataFrame) -> pd.DataFrame:
    missing = {"tf", "target"} - set(truth)
    if missing:
        msg = f"Labelled pairs have the columns tf, target, label; missing: {', '.join(sorted(missing))}."
        raise InputValueError(msg)
    _once(truth, ("tf", "target", "label"))
    odd = [v for v in truth["label"] if not isinstance(v, int | float | np.number | np.bool_) or v not in (0, 1)]
    if odd:
        msg = f"Labels are 0 and 1; got {', '.join(map(printable, odd[:5]))}."
        raise InputValueError(msg)
    out = pd.DataFrame({c: as_text(truth[c]) for c in ("tf", "target")})
    out["label"] = truth["label"].to_numpy(dtype=np.int8)
    # a pair with both labels is an edge
    out = out.sort_values("label", ascending=False, kind="stable").drop_duplicates(["tf", "target"])
    return out[out["tf"] != out["target"]].sort_index().reset_index(drop=True)
