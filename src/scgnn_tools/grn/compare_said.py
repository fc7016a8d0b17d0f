"""What differs between two networks, in words: a line a question."""

import pandas as pd

from scgnn_tools._log import are, counted, printable
from scgnn_tools.grn.compare import counts_of
from scgnn_tools.grn.control import DEALT


def comparison_said(
    edges: pd.DataFrame,
    factors: pd.DataFrame,
    control: pd.DataFrame,
    names: tuple[str, str],
    *,
    donors: bool = False,
    n_targets: int | None = None,
) -> str:
    """Say what both networks have, how much of it is known, what differs and how much does by chance.

    Parameters
    ----------
    edges, factors, control, names
        As :class:`scgnn_tools.grn.compare.GrnComparison` has them.
    donors
        Whether intervals are over donors, not over cells.
    n_targets
        Targets of each factor that were compared, at most.
    """
    a, b = map(printable, names)
    said = [_overlap(edges, factors, (a, b), n_targets)]
    if "true" in edges:
        rows = counts_of(edges)
        told = ", ".join(
            f"{w} {r.n_true:,.0f} of {r.n:,.0f}" for w, r in zip(("both", a, b), rows.itertuples(), strict=True)
        )
        said.append(f"known among what is found by both or by one alone: {told}")
    if len(control):
        over = "donors" if donors else "cells"
        real, random, most = (control.loc[n] for n in ("groups", "random groups", "random groups, most"))
        word = (
            ""
            if real["edges"] > random["edges"] or real["factors"] > random["factors"]
            else ": no difference that chance does not make"
        )
        said.append(
            f"{real['edges']:,} of {len(edges):,} edges and {real['factors']:,} of {len(factors):,} factors differ (5 % false discoveries, "
            f"over {over}); in random groups {random['edges']:,} and {random['factors']:,} (median of {DEALT} draws, at most "
            f"{most['edges']:,} and {most['factors']:,}){word}"
        )
        if real["factors"] > random["factors"]:
            said.append(_most(factors, a, b))
    elif names[0] != names[1]:
        said.append("the networks are of the same cells: there is no interval, differences are of the methods")
    return "\n".join(s for s in said if s)


def _overlap(edges: pd.DataFrame, factors: pd.DataFrame, names: tuple[str, str], n_targets: int | None) -> str:
    """Say what both networks have and what one alone, and how well the scores agree."""
    n = edges["found"].value_counts().reindex(["both", "a", "b"], fill_value=0)
    shares = f"{n['a']:,} in {names[0]} alone, {n['b']:,} in {names[1]} alone"
    jaccard = f"{_of_the_best(factors, n_targets)}Jaccard {n['both'] / len(edges):.2f}"
    said = f"{counted(n['both'], 'edge')} {are(n['both'])} in both, {shares} ({jaccard})"
    scores = edges.loc[edges["found"] == "both", ["score_a", "score_b"]]
    ranks = (scores.nunique() > 1).all()  # a list of edges without weights has none
    if len(scores) > 2 and ranks and not scores["score_a"].equals(scores["score_b"]):
        said += f"; of the shared ones the scores agree by {scores.corr(method='spearman').iloc[0, 1]:.2f} (Spearman)"
    return said


def _of_the_best(factors: pd.DataFrame, n_targets: int | None) -> str:
    """Say how many targets of a factor were compared, if one has so many: else none was left out."""
    if n_targets is None or not (factors[["n_a", "n_b"]] >= n_targets).any(axis=None):
        return ""
    return f"of the {n_targets:,} best targets of each factor, " if n_targets > 1 else "of each factor's best target, "


def _most(factors: pd.DataFrame, a: str, b: str) -> str:
    """Say which factors are more active in which group, the largest difference first, as in the figure."""
    sure = factors[factors["differs"]]
    up, down = (sure[sign * sure["difference"] > 0]["source"].head(5) for sign in (1, -1))
    told = [f"in {w}: {', '.join(map(printable, names))}" for w, names in ((a, up), (b, down)) if len(names)]
    return f"more active {'; '.join(told)}" if told else ""
