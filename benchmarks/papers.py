"""Both annotation papers by their own protocols, beside this package's defaults and the baselines, on sorted blood.

Usage: ``python -m benchmarks.papers --data ../shared/data [--dataset zheng_sorted_ref] [--folds 1] [--share 1.0] [--rows scGraPhT ...]``

About how long it takes is measured on a few epochs of each row and printed before anything else is trained; ``--share`` takes that part of
the iterations. Nine tenths of the cells outside a fold train, one tenth validates, and the cells of the fold, which are scored, are
in the graph without their labels, as in the papers; baselines and defaults train on the same cells and see none of the fold's.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import scgnn_tools as sgt
from benchmarks.ablations._folds import Fold, folds
from scgnn_tools.labels import METHODS, label_method
from scgnn_tools.splits import split_cells

PRINTED = """The papers' own figures (accuracy / macro-F1, %). scGraPhT with P2, fine-tuned scGPT, on other data (MS, Pancreas, Myeloid):
  EO 87.55/73.99  97.66/80.14  67.97/37.29;  EL 88.17/74.30  97.76/74.60  68.08/37.86;  scGPT alone 84.96/71.13  96.41/72.82  63.47/34.16
scBiGNN on Zhengsorted (20,000 cells, five folds): p 86.7, q 86.0 (accuracy). Here are 2,140 of these cells.
Joint training (JT) wants a network with published weights, none of which is at hand, and is not run."""
GRAPH = {"method": "scgrapht", "protocol": "paper", "logits": "vectors"}
CELLS = {"method": "scbignn", "protocol": "paper"}
ROWS = {
    "scGraPhT, paper, P2 GO": {**GRAPH, "scheme": "GO"},
    "scGraPhT, paper, P2 EO": {**GRAPH, "scheme": "EO"},
    "scGraPhT, paper, P2 EL": {**GRAPH, "scheme": "EL"},
    "scGraPhT, paper, P1 EO": {**GRAPH, "scheme": "EO", "pathway": "P1"},
    "scGraPhT, paper, CG EO": {**GRAPH, "scheme": "EO", "pathway": "CG"},
    "scGraPhT, code, P2 EL": {**GRAPH, "protocol": "code"},
    "scBiGNN, paper, 2 x 1, weights": CELLS,
    "scBiGNN, paper, 2 x 1, mean": {**CELLS, "readout": "mean"},
    "scBiGNN, paper, 1 x 4, weights": {**CELLS, "n_layers": 1, "n_heads": 4},
}
OURS = ("auto", "scgrapht", "scbignn", "logreg_rep", "logreg_pca", "centroid", "knn_pca")
"""This package's defaults, the vectors alone, which stand for the fine-tuned model alone, and the baselines."""


def nine_tenths(fold: Fold) -> Fold:
    """Return the fold with a tenth of the cells outside it as those of validation."""
    cells, y = fold.train.beside(fold.validation), np.concatenate([fold.y, fold.y_validation])
    part, _ = split_cells(y, validation=0.1, test=0)
    a, b = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    return Fold(cells.take(a), y[a], cells.take(b), y[b], fold.test, fold.y_test)


def fitted(fold: Fold, rng: int, *, method: str, see: bool, **options: object) -> tuple[object, float]:
    start = time.process_time()
    out = label_method(method, **options)
    out.fit(fold.train, fold.y, fold.validation, fold.y_validation, unlabeled=fold.test if see else None, rng=rng)
    return out, time.process_time() - start


def epochs(row: dict, share: float) -> dict[str, int]:
    return {"max_epochs": max(1, round(share * (3000 if row["method"] == "scgrapht" else 200)))}


def expected(fold: Fold, row: dict, share: float) -> float:
    """Return about how many CPU seconds a row takes, by how long a few of its epochs take."""
    few, more = (5, 25) if row["method"] == "scgrapht" else (1, 3)
    if (
        row["method"] == "scbignn"
    ):  # epochs of the gene level are the long ones: at most 20, and 5 in each of three E-steps
        row = {**row, "iterations": 0}
        rest = max(1, round(35 * min(share, 1)))
        a, b = (fitted(fold, 0, see=True, **row, max_epochs=n)[1] for n in (few, more))
        return a + rest * max(b - a, 0) / (more - few)
    a, b = (fitted(fold, 0, see=True, **row, max_epochs=n)[1] for n in (few, more))
    return a + epochs(row, share)["max_epochs"] * max(b - a, 0) / (more - few)


def scored(name: str, i: int, fold: Fold, scores: np.ndarray, seconds: float) -> dict:
    m = sgt.metrics.annotation(fold.y_test, scores.argmax(axis=1))
    return {"row": name, "fold": i, "accuracy": m["accuracy"], "macro-F1": m["macro_f1"], "CPU seconds": seconds}


def results(parts: list[Fold], rows: dict[str, dict], share: float) -> Iterator[dict]:
    for i, fold in enumerate(parts):
        for name, row in rows.items():
            method, seconds = fitted(fold, i, see=True, **row, **epochs(row, share))
            if row["method"] == "scbignn":
                for which, of_it in zip(("q", "p"), method.both(fold.test), strict=True):
                    yield scored(f"{name}: {which}", i, fold, of_it, seconds)
            else:
                yield scored(name, i, fold, method.scores(fold.test), seconds)
        for name in OURS:
            method, seconds = fitted(fold, i, method=name, see=METHODS[name].transductive)
            yield scored(
                f"{name}, default" if METHODS[name].kind == "method" else name,
                i,
                fold,
                method.scores(fold.test),
                seconds,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--dataset", default="zheng_sorted_ref")
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the iterations of the papers")
    parser.add_argument("--rows", nargs="*", default=[], help="parts of the names of the papers' rows; all by default")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sgt.settings.progress = False
    torch.set_num_threads(1)
    rows = {name: row for name, row in ROWS.items() if not args.rows or any(part in name for part in args.rows)}
    parts = [nine_tenths(fold) for fold in folds(args.data, args.dataset, args.folds)]
    each = {name: expected(parts[0], row, args.share) * len(parts) for name, row in rows.items()}
    print(f"about {sum(each.values()) / 60:.0f} CPU minutes, of these", flush=True)
    print("\n".join(f"  {name:32s} {seconds / 60:6.1f}" for name, seconds in each.items()), flush=True)
    out = []
    for found in results(parts, rows, args.share):
        out.append(found)
        print(
            "{row}, fold {fold}: {accuracy:.3f} {macro-F1:.3f} {CPU seconds:.0f} s".format(**found),
            file=sys.stderr,
            flush=True,
        )
    n, how = len(parts[0].y), "" if args.share == 1 else f", {args.share:.0%} of the papers' iterations"
    print(f"\n{args.dataset}: {n:,} cells train, {len(parts[0].y_test):,} are scored, {len(parts)} of 5 folds{how}\n")
    print(pd.DataFrame(out).drop(columns="fold").groupby("row", sort=False).mean().round(3).to_string())
    print(f"\n{PRINTED}")


if __name__ == "__main__":
    main()
