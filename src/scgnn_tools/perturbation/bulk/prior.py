"""What a network of known edges says of a knock-out: the sign of each edge from the target."""

import numpy as np
import pandas as pd

from scgnn_tools.genes import prior
from scgnn_tools.genes.match import spelled_as


def prior_edges(target: np.ndarray, genes: np.ndarray, organism: str) -> np.ndarray:
    """Return the sign of the edge target → gene in TRRUST, 0.5 where it is unknown, 0 without one, float32 (n, n_genes)."""
    table = prior(organism=organism)
    sign = table["mode"].map({"Activation": 1.0, "Repression": -1.0}).fillna(0.5)
    column = pd.Series(np.arange(len(genes)), index=spelled_as(genes, table["target"], organism=organism))
    out = np.zeros((len(target), len(genes)), dtype=np.float32)
    by_source = dict(table.groupby("source").indices)
    for row, name in enumerate(spelled_as(target, by_source, organism=organism)):
        own = by_source.get(name, np.array([], dtype=np.int64))
        at = column.reindex(table["target"].iloc[own]).to_numpy()
        there = np.isfinite(at)
        out[row, at[there].astype(np.int64)] = sign.iloc[own].to_numpy()[there]
    return out
