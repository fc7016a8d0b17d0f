"""Knowledge and cells joined on mDC, the one BEELINE network with real expression at hand, beside ``sgt`` that reads the cells itself.

``joined`` is ``sgt`` trained without cells, and the log ratio of :mod:`scgnn_tools.grn.joined` fitted on the training edges, as
``tl.infer_grn`` does it. The means are over the published samples; no setting was chosen here.

Usage: ``python -m benchmarks.grn_joined [--data ../shared/data] [--samples 1 2 3] [--runs 3]``
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import scgnn_tools as sgt
from benchmarks import grn_data
from benchmarks.grn import SHOWN, SPLITS
from scgnn_tools.grn.cell_side import MIN_CELLS, aligned
from scgnn_tools.grn.joined import pooled


def log_ratio(cells: object, train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Return what the cells add to the logit of each test pair, by the training edges; 0 where they say nothing."""
    genes = np.unique(np.concatenate([t[c].to_numpy(dtype=object) for t in (train, test) for c in ("tf", "target")]))
    tfs = np.unique(np.concatenate([t["tf"].to_numpy(dtype=object) for t in (train, test)]))
    x, number, edges = aligned(cells, genes), pd.Index(genes), train[train["label"] == 1]
    known = np.zeros((len(tfs), len(genes)), dtype=bool)
    known[pd.Index(tfs).get_indexer(edges["tf"]), number.get_indexer(edges["target"])] = True
    enough = np.bincount(x.indices, minlength=len(genes)) >= MIN_CELLS
    evidence = pooled(x, number.get_indexer(tfs), enough, known, known.sum(axis=0), rng=0)
    assert evidence is not None
    return evidence.log_ratio()[pd.Index(tfs).get_indexer(test["tf"]), number.get_indexer(test["target"])]


def score_sample(data: Path, network: str, n_runs: int) -> list[dict]:
    """Return a row a split and method."""
    pairs, cells, rows = grn_data.read(data, network), grn_data.expression(data, network), []
    for tests, split in grn_data.splits(pairs, SPLITS):
        train, validation = split[split["part"] == 0], split[split["part"] == 1]
        given = {"sgt": {"expression": cells}, "sgt, without cells": {}}
        fitted = {
            name: [
                sgt.models.link_predictor("sgt", rng=r).fit(
                    train, validation if len(validation) else None, genes=pd.unique(pairs["target"]), **more
                )
                for r in range(n_runs)
            ]
            for name, more in given.items()
        }
        for name, test in tests:
            scores = {m: np.mean([f.score(test) for f in runs], axis=0) for m, runs in fitted.items()}
            scores["joined"] = scores["sgt, without cells"] + log_ratio(cells, train, test)
            scores["pcc"] = sgt.models.link_predictor("pcc").fit(train, expression=cells).score(test)
            for method, score in scores.items():
                m = sgt.metrics.grn(test["label"], np.nan_to_num(score), test["tf"])
                rows.append(
                    {
                        "network": network,
                        "split": name,
                        "method": method,
                        "density": m["density"],
                        **{k: m[k] for k in SHOWN},
                    }
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--samples", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    sgt.settings.progress = False
    rows = [row for s in args.samples for row in score_sample(args.data, f"beeline{s}:mDC_500", args.runs)]
    table = pd.DataFrame(rows).rename(columns=SHOWN)
    means = table.groupby(["split", "method"], sort=False)[["density", *SHOWN.values()]].mean()
    print(f"mDC_500, mean over {len(args.samples)} samples\n{means.round(3).to_string()}")


if __name__ == "__main__":
    main()
