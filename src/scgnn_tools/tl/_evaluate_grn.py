"""``tl.evaluate_grn``: any edge table against a known network, beside what counting reaches."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scgnn_tools import genes as gene_names
from scgnn_tools._choices import integer
from scgnn_tools._errors import InputScaleError, InputTypeError, InputValueError, MissingKeyError
from scgnn_tools._keys import GRN
from scgnn_tools._log import as_text, printable, say
from scgnn_tools._modality import RNA, modality
from scgnn_tools._random import RNG
from scgnn_tools.grn.edge_tables import candidates, edge_scores, scores_of
from scgnn_tools.grn.groups import genes_held
from scgnn_tools.grn.judge import GrnEvaluation, judge
from scgnn_tools.grn.table import edges_of, network
from scgnn_tools.links.pcc import PCC

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def evaluate_grn(
    edges: "AnnData | MuData | pd.DataFrame | Mapping[str, pd.DataFrame]",
    truth: "str | pd.DataFrame" = "auto",
    *,
    train: pd.DataFrame | None = None,
    tfs: Sequence[str] | None = None,
    genes: Sequence[str] | None = None,
    key: str = GRN,
    group: str | None = None,
    exclude_known: bool = True,
    organism: str | None = None,
    bootstrap: int = 200,
    mod: str = RNA,
    rng: RNG = 0,
) -> GrnEvaluation:
    """Judge edges, of :func:`infer_grn` or of any other tool, by a known network, beside degree, collaboration and co-expression.

    A known network gives itself away: what its own degrees and its collaboration between factors say, learnt from four fifths of the judged
    pairs about the fifth (or from ``train``), stands beside the edges.

    Parameters
    ----------
    edges
        An AnnData, or a MuData, that :func:`infer_grn` was called on; a table with a column each for the factor (``source``, ``tf``,
        ``TF``, ``regulator``, ``Gene1``), the target (``target``, ``Gene2``) and the score (``score``, ``importance``, ``weight``,
        ``EdgeWeight``), higher is likelier; or several tables by name.
    truth
        "auto" or "trrust", the bundled TRRUST of the organism; a network (``source``, ``target``); or labelled pairs (``tf``, ``target``,
        ``label``).
    train
        What the edges were learnt from, edges (``source``, ``target``) or labelled pairs; these are not judged.
    tfs, genes
        Factors and targets that the tool could have named; None takes the factors of the edges and all genes that the edges name, or
        of an AnnData those that enough of its cells express, or of a group's. A pair that the tool did not name ranks
        below all that it did.
    key, group
        Name of the network in an AnnData, and one of its groups.
    exclude_known
        Of an AnnData, do not judge the edges that it was trained on.
    organism
        "human" or "mouse"; None detects it.
    bootstrap
        Draws of factors for the 95 % intervals; 0 makes none.
    mod
        Modality of a MuData.
    rng
        Seed.

    Returns
    -------
    GrnEvaluation
        ``table``, ``pairs``, ``candidates``, ``verdict``; it prints as a table, and :func:`scgnn_tools.pl.grn_evaluation` draws it.

    Raises
    ------
    GraphError
        If nothing is left to judge.
    InputValueError, MissingKeyError
        If a table lacks a column.
    """
    integer("bootstrap", bootstrap, least=0)
    adata = None
    if not isinstance(edges, pd.DataFrame | Mapping):
        adata = modality(edges, mod, name="edges", wanted="an AnnData, a table of edges, or a dict of tables")
    tables, held = _given(edges), None
    if adata is not None:
        params = network(adata, key).get("params", {})
        tables = {str(params.get("method", "edges")): edges_of(adata, key, group=group)}
        held = genes_held(adata, params, group)
        if exclude_known and train is None:
            every_group = edges_of(adata, key)  # trained on the whole prior, whatever a group expresses of it
            train = every_group.loc[every_group["known"].to_numpy(dtype=bool), ["source", "target"]]
    named = {n: edge_scores(t) for n, t in tables.items()}
    every = pd.unique(np.concatenate([t[c].to_numpy(dtype=object) for t in named.values() for c in ("tf", "target")]))
    pool = every if adata is None else adata.var_names.to_numpy(dtype=object) if held is None else held
    pool = pool if genes is None else as_text(genes)
    organism = organism or gene_names.detect_organism(pool)
    to_symbol = _Symbols(organism)
    named = {n: edge_scores(t.assign(tf=to_symbol(t["tf"]), target=to_symbol(t["target"]))) for n, t in named.items()}
    sources = np.concatenate([t["tf"].unique() for t in named.values()]) if tfs is None else to_symbol(as_text(tfs))
    known = _renamed(_truth(truth, organism), to_symbol)
    seen = None if train is None else _pairs(_renamed(train, to_symbol))
    pairs, said = candidates(known, pd.Index(sources), pd.Index(to_symbol(pool)), left_out=seen)
    found = {n: scores_of(pairs, t) for n, t in named.items()}
    shares = ", ".join(f"{n} names {share:.1%}" for n, (_, share) in found.items())
    also = {} if adata is None else _coexpression(adata, pairs, to_symbol)
    out = judge(
        pairs,
        {n: s for n, (s, _) in found.items()},
        candidates=f"{said}; {shares} of the pairs",
        train=seen,
        also=also,
        bootstrap=bootstrap,
        rng=rng,
    )
    for line in out.verdict.splitlines():
        say(f"evaluate_grn: {line}")
    return out


def _given(edges: Any) -> dict[str, pd.DataFrame]:
    """Return tables by name, none for an object."""
    if isinstance(edges, pd.DataFrame):
        return {"edges": edges}
    if not isinstance(edges, Mapping):
        return {}
    if not edges:
        msg = "There are no edges to judge: the mapping is empty."
        raise InputValueError(msg)
    for name, table in edges.items():
        if not isinstance(table, pd.DataFrame):
            msg = f"edges[{printable(repr(name))}] is a table of edges (a DataFrame); got {type(table).__name__}."
            raise InputTypeError(msg)
    return {str(n): t for n, t in edges.items()}


class _Symbols:
    """The current symbol of a name: tables of other tools name genes in other ways."""

    def __init__(self, organism: str) -> None:
        self._organism = organism

    def __call__(self, names: "np.ndarray | pd.Series") -> np.ndarray:
        unique, at = np.unique(as_text(names).astype(str), return_inverse=True)
        return gene_names.canonical_symbols(unique.astype(object), organism=self._organism)[at]


def _truth(truth: "str | pd.DataFrame", organism: str) -> pd.DataFrame:
    if isinstance(truth, pd.DataFrame):
        return truth
    if truth not in ("auto", "trrust"):
        msg = f"There is no bundled network {printable(truth)!r}; there is: trrust. A table with source and target works too."
        raise MissingKeyError(msg)
    return gene_names.prior("trrust", organism)


def _renamed(table: pd.DataFrame, to_symbol: _Symbols) -> pd.DataFrame:
    there = [c for c in ("tf", "source", "target") if c in table]
    kept = table.dropna(subset=there)
    return kept.assign(**{c: to_symbol(kept[c]) for c in there})


def _pairs(table: pd.DataFrame) -> pd.DataFrame:
    """Return edges or labelled pairs of training as pairs."""
    out = table.rename(columns={"source": "tf"})
    missing = {"tf", "target"} - set(out)
    if missing:
        msg = (
            f"train= holds edges (source, target) or pairs (tf, target, label); missing: {', '.join(sorted(missing))}."
        )
        raise InputValueError(msg)
    return out


def _coexpression(adata: "AnnData", pairs: pd.DataFrame, to_symbol: _Symbols) -> dict[str, np.ndarray]:
    from anndata import AnnData

    try:
        fitted = PCC().fit(expression=adata)
    except InputScaleError:
        return {}
    columns = fitted._columns
    symbols = pd.Index(to_symbol(columns.genes.to_numpy()))
    first = ~symbols.duplicated()
    renamed = AnnData(columns.x[:, np.flatnonzero(first)].tocsr(), var=pd.DataFrame(index=symbols[first]))
    score = PCC().fit(expression=renamed).score(pairs)
    return {"pcc": score} if np.isfinite(score).any() else {}
