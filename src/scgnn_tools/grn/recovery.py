"""How well known edges are told from other pairs of the same factor and of targets of like degree, on pairs that all scores share."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scgnn_tools._random import RNG, generator
from scgnn_tools.grn.ratio import TOLERANCE, matched

PER_EDGE, DRAWS = 20, 500


def recovery(
    scores: Mapping[str, np.ndarray],
    known: np.ndarray,
    degree: np.ndarray,
    *,
    edges: tuple[np.ndarray, np.ndarray] | None = None,
    tolerance: float = TOLERANCE,
    draws: int = DRAWS,
    rng: RNG = 0,
) -> pd.DataFrame:
    """Return the share of other pairs that a known edge outranks, for each score, with intervals over factors.

    Parameters
    ----------
    scores
        float (n_tfs, n_genes) by name, of known edges as if they were not known. A pair without a score (NaN) counts one half.
    known, degree, tolerance
        As in :func:`scgnn_tools.grn.ratio.matched`.
    edges
        Edges that are judged; None takes all known ones.
    draws, rng
        Draws of factors, and the seed of all that is drawn.

    Returns
    -------
    DataFrame
        A row a score: ``auroc``, ``low``, ``high`` (95 %), ``coverage`` (share of the pairs that have a score), ``n`` edges; and of the
        difference to the first row ``less``, ``less_low``, ``less_high``: what the first has more.
    """
    rng = generator(rng)
    i, j = np.nonzero(known) if edges is None else edges
    edge, a, b = matched(known, degree, rows=(i, j), per=PER_EDGE, tolerance=tolerance, rng=rng)
    used, place = np.unique(edge, return_inverse=True)
    factor = i[used]
    _, of = np.unique(factor, return_inverse=True)
    n_tfs = int(of.max()) + 1 if len(of) else 0
    times = rng.multinomial(n_tfs, np.full(n_tfs, 1 / n_tfs), size=draws) if n_tfs else np.zeros((draws, 0))
    size = np.bincount(of, minlength=n_tfs)
    rows, drawn = {}, {}
    for name, score in scores.items():
        mine, theirs = score[i[used], j[used]][place], score[a, b]
        wins = np.where(np.isfinite(mine) & np.isfinite(theirs), (mine > theirs) + 0.5 * (mine == theirs), 0.5)
        there = np.isfinite(np.concatenate([score[i[used], j[used]], theirs]))
        each = np.bincount(place, weights=wins, minlength=len(used)) / np.maximum(
            np.bincount(place, minlength=len(used)), 1
        )
        total = np.bincount(of, weights=each, minlength=n_tfs)
        drawn[name] = (times @ total) / np.maximum(times @ size, 1)
        low, high = np.quantile(drawn[name], [0.025, 0.975]) if n_tfs else (np.nan, np.nan)
        auroc = float(each.mean()) if len(each) else float("nan")
        rows[name] = {
            "auroc": auroc,
            "low": low,
            "high": high,
            "coverage": there.mean() if len(there) else 0.0,
            "n": len(used),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    first = table.index[0]
    table["less"] = table.loc[first, "auroc"] - table["auroc"]
    for column, q in (("less_low", 0.025), ("less_high", 0.975)):
        table[column] = [np.quantile(drawn[first] - drawn[n], q) if n_tfs else np.nan for n in table.index]
    return table
