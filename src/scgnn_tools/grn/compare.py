"""Two networks beside each other: what one finds and the other misses, and what the cells say of the difference."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy import stats

from scgnn_tools._html import boxed
from scgnn_tools.graph.prior import check_edges
from scgnn_tools.grn.given import merged
from scgnn_tools.grn.jackknife import Difference, Parts, correlation_difference, mean_difference
from scgnn_tools.grn.names import ToSymbols, with_names

FDR = 0.05
REGULON = 50
"""Targets of a factor whose expression is its activity, at most."""

BOTH, ONLY_A, ONLY_B = "both", "a", "b"


@dataclass(frozen=True)
class GrnComparison:
    """What differs between two networks.

    Attributes
    ----------
    edges
        ``source``, ``target``, ``score_a``, ``score_b``, ``rank_a``, ``rank_b`` (share of the network's edges that are better; NaN where
        it has none), ``found`` ("both", "a", "b"), ``sign`` (1, -1; NaN where neither tells one, or each another), ``true`` (with a
        truth); with two groups of cells ``correlation_a``, ``correlation_b``, ``difference`` (of Fisher's z, a less b), ``low``,
        ``high`` (95 %), ``p``, ``padj`` (for the number of rows, Benjamini-Hochberg), ``differs`` (``padj`` below 0.05). Those that
        differ come first, the largest difference at the top; of two networks of the same cells the best edges do.
    factors
        ``source``, ``n_a``, ``n_b``, ``n_both`` (targets), ``jaccard`` (share of all of them that both have); with two groups
        ``activity_a``, ``activity_b`` (mean of its targets, what it represses the other way round, in standard deviations of the cells,
        the factor left out), ``difference``, ``low``, ``high``, ``p``, ``padj``, ``differs``, and ``expression``, the difference of the
        factor itself. In the order of ``edges``.
    found
        A row for "both", "a", "b": ``n``, and with a truth ``n_true`` and ``precision``.
    control
        How many edges and factors differ ("groups"), and how many do when the cells, or the donors, are dealt to the groups at random:
        the median of five draws ("random groups") and the largest ("random groups, most").
    names
        What a and b are.
    verdict
        One sentence a question.
    """

    edges: pd.DataFrame
    factors: pd.DataFrame
    found: pd.DataFrame
    control: pd.DataFrame
    names: tuple[str, str]
    verdict: str

    def __repr__(self) -> str:
        return f"a: {self.names[0]}, b: {self.names[1]}\n{self.found.to_string()}\n{self.verdict}"

    def _repr_html_(self) -> str:
        facts = {"a": self.names[0], "b": self.names[1], "verdict": self.verdict}
        tables = {
            "found": self.found,
            "best edges": self.edges.head(20),
            "factors": self.factors,
            "control": self.control,
        }
        return boxed("comparison of two networks", facts, {k: t for k, t in tables.items() if len(t)})


def side_by_side(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Return the edges of two networks with the score and the rank of each, and which of them has it; best first.

    Parameters
    ----------
    a, b
        ``source``, ``target``, ``score``, ``sign``, an edge once.
    """
    parts = []
    for name, edges in (("a", a), ("b", b)):
        part = edges[["source", "target", "score", "sign"]].assign(
            **{c: edges[c].astype(str) for c in ("source", "target")}
        )
        part["rank"] = (part["score"].rank(ascending=False) - 1) / len(part)
        parts.append(part.rename(columns={c: f"{c}_{name}" for c in ("score", "sign", "rank")}))
    both = parts[0].merge(parts[1], on=["source", "target"], how="outer")
    there = both["score_a"].notna(), both["score_b"].notna()
    both["found"] = np.select([there[0] & there[1], there[0]], [BOTH, ONLY_A], ONLY_B)
    one, other = both.pop("sign_a"), both.pop("sign_b")
    agree = (one == other) | one.isna() | other.isna()  # which is called a decides nothing
    both["sign"] = one.fillna(other).where(agree)
    best = both[["rank_a", "rank_b"]].min(axis=1)
    first = ["source", "target", "score_a", "score_b", "rank_a", "rank_b", "found", "sign"]
    return both.assign(best=best).sort_values(["best", "source", "target"], ignore_index=True)[first]


def overlaps(edges: pd.DataFrame) -> pd.DataFrame:
    """Return how many targets each factor has in each network and in both."""
    counts = pd.crosstab(edges["source"], edges["found"]).reindex(columns=[BOTH, ONLY_A, ONLY_B], fill_value=0)
    both, a, b = (counts[c].to_numpy() for c in (BOTH, ONLY_A, ONLY_B))
    told = {"n_a": both + a, "n_b": both + b, "n_both": both, "jaccard": both / (both + a + b)}
    return pd.DataFrame({"source": counts.index.to_numpy(dtype=object), **told})


def counts_of(edges: pd.DataFrame) -> pd.DataFrame:
    """Return how many edges both, a alone and b alone have, and how many of these are true if that is known."""
    rows: dict[str, dict[str, float]] = {}
    for name in (BOTH, ONLY_A, ONLY_B):
        mine = edges[edges["found"] == name]
        rows[name] = {"n": len(mine)}
        if "true" in edges:
            n = int(mine["true"].sum())
            rows[name] |= {"n_true": n, "precision": n / len(mine) if len(mine) else np.nan}
    out = pd.DataFrame.from_dict(rows, orient="index")
    return out.astype({c: int for c in out if c != "precision"})


def known(edges: pd.DataFrame, truth: Mapping[str, pd.DataFrame], called: pd.Series, organism: str) -> np.ndarray:
    """Return which edges a known network has, whatever it calls their genes, bool (n_edges,).

    Parameters
    ----------
    edges
        ``source``, ``target`` of ``var_names``.
    truth
        Tables by name, as :func:`scgnn_tools.grn.given.given_networks` returns them.
    called, organism
        What the genes are called, by ``var_names``, and whose they are.
    """
    to_symbol = ToSymbols(called.to_numpy(), organism)
    tables = with_names(edges, called), merged({n: check_edges(t) for n, t in truth.items()})
    own, true = (pd.MultiIndex.from_arrays([to_symbol(t[c]) for c in ("source", "target")]) for t in tables)
    return own.isin(true)


def activities(x: sp.csr_array, edges: pd.DataFrame, factors: np.ndarray, genes: pd.Index) -> np.ndarray:
    """Return the mean of the targets of each factor in each cell, in standard deviations, float64 (n_cells, n_factors).

    The targets are the best of both networks, what is repressed counts the other way round, and the factor itself does not count.
    """
    best = edges.assign(best=edges[["rank_a", "rank_b"]].min(axis=1)).sort_values("best", kind="stable")
    best = best[best["source"] != best["target"]]
    best = best[best.groupby("source", sort=False).cumcount() < REGULON]
    row, column = genes.get_indexer(best["target"]), pd.Index(factors).get_indexer(best["source"])
    there = (row >= 0) & (column >= 0)
    mean = np.asarray(x.mean(axis=0)).ravel()
    deviation = np.sqrt(np.maximum(np.asarray(x.multiply(x).mean(axis=0)).ravel() - mean**2, 0))
    with np.errstate(divide="ignore"):
        per = np.where(deviation > 0, 1 / deviation, 0.0)
    weight = np.where(best["sign"].to_numpy(dtype=float) < 0, -1.0, 1.0)[there] * per[row[there]]
    w = sp.csc_array((weight, (row[there], column[there])), shape=(len(genes), len(factors)))
    n = np.maximum(np.bincount(column[there], minlength=len(factors)), 1)
    return np.asarray((x @ w).todense()) / n - np.asarray(mean @ w).ravel() / n


def with_difference(table: pd.DataFrame, found: Difference, names: tuple[str, str]) -> pd.DataFrame:
    """Return a table with what a difference says of each row, adjusted for their number."""
    fine = np.isfinite(found.p)
    padj = np.full(len(found.p), np.nan)
    if fine.any():
        padj[fine] = stats.false_discovery_control(found.p[fine])
    told = {
        names[0]: found.a,
        names[1]: found.b,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
    }
    return table.assign(**told, padj=padj, differs=padj < FDR)


def differing_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of :func:`by_cells` with the rows that differ first, each part by the size of the difference."""
    size = table["difference"].abs()
    keys = pd.DataFrame({"differs": ~table["differs"], "size": -size}).sort_values(["differs", "size"], kind="stable")
    return table.loc[keys.index].reset_index(drop=True)


def by_cells(
    edges: pd.DataFrame, factors: pd.DataFrame, x: sp.csr_array, genes: pd.Index, parts: Parts
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return edges and factors with what the cells of two groups say of each.

    Parameters
    ----------
    edges, factors
        Of :func:`side_by_side` and :func:`overlaps`.
    x, genes
        Log-normalised cells and the names of their columns.
    parts
        The cells of the groups.
    """
    i, j = genes.get_indexer(edges["source"]), genes.get_indexer(edges["target"])
    there = (i >= 0) & (j >= 0)
    known = correlation_difference(x, i[there], j[there], parts)
    spread = {f: np.full(len(edges), np.nan) for f in Difference.__dataclass_fields__}
    for name, values in spread.items():
        values[there] = getattr(known, name)
    edges = with_difference(edges, Difference(**spread), ("correlation_a", "correlation_b"))
    names = factors["source"].to_numpy(dtype=object)
    found = mean_difference(activities(x, edges, names, genes), parts)
    own = genes.get_indexer(names)
    expression = np.full(len(names), np.nan)
    if (own >= 0).any():
        expression[own >= 0] = mean_difference(np.asarray(x[:, own[own >= 0]].todense()), parts).difference
    told = with_difference(factors, found, ("activity_a", "activity_b"))
    return edges, told.assign(expression=expression)
