"""Edge tables of any tool against a known network: one form for both, and the pairs that are judged."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import GraphError, InputValueError
from scgnn_tools._log import as_text, printable
from scgnn_tools.graph.edge_table import NAMES, SCORES, columns_of, labels_of, tidied
from scgnn_tools.graph.prior import check_edges


def score_columns(edges: pd.DataFrame, *, optional: Collection[str] = ()) -> dict[str, Any]:
    """Return which column is the ``source``, the ``target`` and the ``score``; None for an optional one that is missing.

    Raises
    ------
    InputValueError
        If another is missing, one that is read stands there twice, or two could be the same end.
    """
    return columns_of(edges, ("source", "target", "score"), optional=optional, names={**NAMES, "score": SCORES})


def numbers(scores: pd.Series) -> np.ndarray:
    """Return the scores of edges as floats.

    Raises
    ------
    InputValueError
        If they are no numbers.
    """
    if getattr(scores.dtype, "kind", "O") not in "mMc":  # dates and complex numbers turn into floats without a word
        try:
            return scores.to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            pass
    plain = scores.astype(object)
    odd = plain[pd.to_numeric(plain, errors="coerce").isna() & plain.notna()]
    one = (odd if len(odd) else plain).iloc[0]
    comma = (
        " With a decimal comma, read the file by pandas.read_csv(..., decimal=',') and pass the table."
        if _has_comma(one)
        else ""
    )
    msg = f"The scores of edges are numbers; {scores.name!r} holds {printable(one)!r}.{comma}"
    raise InputValueError(msg)


def _has_comma(value: object) -> bool:
    return isinstance(value, str) and value.count(",") == 1 and value.replace(",", "", 1).lstrip("-").isdigit()


def edge_scores(edges: pd.DataFrame) -> pd.DataFrame:
    """Return ``tf``, ``target``, ``score`` of an edge table of any tool; of an edge named twice the best.

    Raises
    ------
    InputValueError
        If a column is missing, or the scores are no numbers.
    """
    edges = tidied(edges)
    found = score_columns(edges)
    edges = edges.dropna(subset=[found["source"], found["target"]])
    out = pd.DataFrame({"tf": as_text(edges[found["source"]]), "target": as_text(edges[found["target"]])})
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
    pairs = labelled(truth)
    said = "the labelled pairs that were given"
    if pairs is None:
        known = check_edges(truth)[["source", "target"]].set_axis(["tf", "target"], axis=1)
        tfs = known["tf"][known["tf"].isin(sources)].unique()
        targets = targets.unique()
        pairs = pd.DataFrame({"tf": np.repeat(tfs, len(targets)), "target": np.tile(targets, len(tfs))})
        pairs = pairs[pairs["tf"] != pairs["target"]].reset_index(drop=True)
        pairs["label"] = pd.MultiIndex.from_frame(pairs).isin(pd.MultiIndex.from_frame(known)).astype(np.int8)
        said = f"{len(tfs):,} sources of the truth that the edges could name × {len(targets):,} genes"
    # by name: neither the rows of a truth nor the order of the genes decide which pairs the baselines learn from
    pairs = pairs.sort_values(["tf", "target"], kind="stable", ignore_index=True)
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


def labelled(truth: pd.DataFrame) -> pd.DataFrame | None:
    """Return labelled pairs, ``tf``, ``target``, ``label``; None for a table without labels."""
    truth = tidied(truth)
    if not any(str(c).lower() in NAMES["label"] for c in truth.columns):
        return None
    found = columns_of(truth, ("source", "target", "label"))
    truth = truth.dropna(subset=[found["source"], found["target"]])
    out = pd.DataFrame({"tf": as_text(truth[found["source"]]), "target": as_text(truth[found["target"]])})
    out["label"] = labels_of(truth, found["label"])
    # a pair with both labels is an edge
    out = out.sort_values("label", ascending=False, kind="stable").drop_duplicates(["tf", "target"])
    return out[out["tf"] != out["target"]].sort_index().reset_index(drop=True)
