"""The fusion of scGraPhT beside its parts: the graph alone, the experts alone, both, with few, some and many labelled cells.

Usage: ``python -m benchmarks.fusion --data ../shared/data [--sets pbmc3k ...] [--shares 0.05 …] [--draws 10] [--lam validation learned]``

A draw is that share of each class, drawn anew, of which 15 % choose λ and stop the training; the other cells are scored, by macro-F1.
The differences are paired over draws. Training does not depend on how λ is searched, so that graph and experts are those of the search.
"""

import argparse
import sys
import warnings
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch

import scgnn_tools as sgt
from benchmarks.shifts import labelled
from scgnn_tools.labels import Cells, label_method
from scgnn_tools.labels.scgrapht.method import ScGraPhT
from scgnn_tools.splits import split_cells

SETS = ["pbmc3k", "zheng_sorted_ref", "baron_mouse", "kang_ifnb"]


def drawn(codes: np.ndarray, share: float, draw: int) -> np.ndarray:
    """Return the labelled cells of a draw: at least two of each class."""
    order = np.random.default_rng(1000 + draw).permutation(len(codes))
    of_class = (order[codes[order] == c] for c in np.unique(codes))
    return np.concatenate([c[: max(2, round(share * len(c)))] for c in of_class])


def scored(cells: Cells, codes: np.ndarray, share: float, draw: int, lams: list[str]) -> dict[str, float]:
    """Return the macro-F1 of the parts and of each fusion, and its λ."""
    rest = drawn(codes, share, draw)
    test = np.setdiff1d(np.arange(len(codes)), rest)
    part, _ = split_cells(codes[rest], test=0, rng=draw)
    train, validation = rest[part == 0], rest[part == 1]
    sides = cells.take(train), codes[train], cells.take(validation), codes[validation]
    asked, out = cells.take(test), {"validation cells": len(validation)}

    def right(scores: np.ndarray) -> float:
        return sgt.metrics.annotation(codes[test], scores.argmax(axis=1))["macro_f1"]

    for lam in lams:
        method = cast("ScGraPhT", label_method("scgrapht", lam=lam).fit(*sides, rng=draw))
        if lam == lams[0]:
            out |= {"graph": right(method.graph_scores(asked)), "experts": right(method.other_scores(asked))}
        out |= {lam: right(method.scores(asked)), f"λ {lam}": method.lam}
    return out


def table(rows: pd.DataFrame, lams: list[str]) -> str:
    """Return means over draws, and by how much each fusion is above the experts, with the standard error of the paired difference."""
    groups = rows.groupby(["set", "share"], sort=False)
    out = groups.mean().drop(columns="draw")
    out.insert(0, "draws", groups.size())
    for lam in lams:
        difference = (rows[lam] - rows["experts"]).groupby([rows["set"], rows["share"]], sort=False)
        out[f"{lam} - experts"] = difference.mean()
        out[f"± se, {lam}"] = difference.std() / np.sqrt(difference.size())
    ends = [f"{lam} minus experts, mean of all: {(rows[lam] - rows['experts']).mean():+.4f}" for lam in lams]
    return "\n".join([out.round(3).to_string(), "", *ends])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.2, 0.8])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--lam", nargs="+", default=["validation"], choices=["validation", "learned"])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sgt.settings.progress = False
    torch.set_num_threads(1)
    rows = []
    for name in args.sets:
        _, cells, codes = labelled(args.data, name)
        for share in args.shares:
            for draw in range(args.draws):
                rows.append({"set": name, "share": share, "draw": draw, **scored(cells, codes, share, draw, args.lam)})
            print(f"{name}, {share:.0%}", file=sys.stderr, flush=True)
    print(table(pd.DataFrame(rows), args.lam))


if __name__ == "__main__":
    main()
