"""Activity of factors as other tools make it: GRNBoost2 with AUCell but without motifs, and decoupler's ULM on priors."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools.grn.cell_side import CellSide
from scgnn_tools.grn.contrast import differences
from scgnn_tools.grn.evidence import moments

TARGETS, CELLS, REGULON, LEAST = 400, 800, 50, 5
"""Targets, the most variable, and drawn cells that GRNBoost2's algorithm is run on (all would take hours); most and least of a regulon."""


def activities(
    data: Path, organism: str, side: CellSide, tfs: np.ndarray, symbols: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the activity of each factor in each cell, float (n_cells, n_tfs), by tool; NaN where it has no regulon.

    No factor is a target of itself.
    """
    out = {"GRNBoost2 + AUCell": _decoupled("aucell", side, tfs, symbols, grnboost2(side, tfs, symbols))}
    trrust = genes.prior("trrust", organism).assign(weight=lambda t: t["mode"].map(_signed))
    table = pd.read_parquet(data / f"prior/dorothea_{organism}.parquet")
    some = table["confidence"].astype(str).isin(list("ABC"))
    dorothea = table[some].rename(columns={"tf": "source", "mor": "weight"})[["source", "target", "weight"]]
    for name, net in (("ULM, TRRUST", trrust), ("ULM, DoRothEA A–C", dorothea)):
        out[name] = _decoupled("ulm", side, tfs, symbols, _named(net[["source", "target", "weight"]], symbols))
    return out


def grnboost2(side: CellSide, tfs: np.ndarray, symbols: np.ndarray) -> pd.DataFrame:
    """Return the best targets of each factor by importance among the most variable genes, as pySCENIC takes them before motifs."""
    mean, deviation = moments(side.x)
    rank = np.argsort(-np.divide(deviation**2, mean + 1e-3), kind="stable")
    targets = symbols[rank[:TARGETS]]
    drawn = np.sort(np.random.default_rng(0).permutation(side.x.shape[0])[:CELLS])
    cells = ad.AnnData(sp.csr_matrix(side.x[drawn]), var=pd.DataFrame(index=symbols))
    pairs = pd.DataFrame({"tf": np.repeat(tfs, len(targets)), "target": np.tile(targets, len(tfs))})
    score = sgt.models.link_predictor("grnboost2", tfs=list(tfs), rng=0).fit(pairs, expression=cells).score(pairs)
    net = pairs.rename(columns={"tf": "source"}).assign(score=score)
    net = net[(net["source"] != net["target"]) & (net["score"] > 0)].sort_values("score", ascending=False)
    return net.groupby("source").head(REGULON)[["source", "target"]].assign(weight=1.0)


def ranks(activity: np.ndarray, groups: list[np.ndarray], tfs: np.ndarray) -> list[pd.Series]:
    """Return, for each group, the rank of each factor by how much more active it is there; a factor without a regulon is last."""
    there = np.isfinite(activity).all(axis=0)
    apart = differences(sp.csr_array(np.where(there, activity, 0).astype(np.float32)), groups)
    apart = np.where(there, apart, -np.inf)
    return [pd.Series(row, index=tfs) for row in apart]


def _decoupled(method: str, side: CellSide, tfs: np.ndarray, symbols: np.ndarray, net: pd.DataFrame) -> np.ndarray:
    from scgnn_tools.grn.activity import activity, with_decoupler

    net = net[net["source"].isin(tfs) & (net["source"] != net["target"])]
    found, _ = activity(with_decoupler(), side.x, pd.Index(symbols), net, method, LEAST)
    return found.reindex(columns=tfs).to_numpy(dtype=float)


def _named(net: pd.DataFrame, symbols: np.ndarray) -> pd.DataFrame:
    """Return a network by the names of the data, whatever the case."""
    upper = pd.Series(symbols, index=pd.Index(symbols).astype(str).str.upper())
    upper = upper[~upper.index.duplicated()]
    out = net.assign(**{c: net[c].astype(str).str.upper().map(upper) for c in ("source", "target")}).dropna()
    return out.drop_duplicates(["source", "target"])


def _signed(mode: object) -> float:
    return -1.0 if str(mode).startswith(("-", "Rep")) else 1.0
