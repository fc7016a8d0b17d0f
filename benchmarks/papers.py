"""Both annotation papers by their own protocols, beside this package's defaults and the baselines, on sorted blood.

Usage: ``python -m benchmarks.papers --data ../shared/data [--folds 1] [--share 1.0] [--cells 1.0] [--rows scGraPhT ...] [--store FILE]
[--device cpu]``

About how long it takes is measured on a few epochs of each row and printed to stderr before anything else is trained, then each row that
is done; ``--share`` takes that part of the iterations. Joint training (JT), which ``--device`` puts on a GPU, tunes a small scGPT with
random weights first, since published weights are not shipped. Nine tenths of the cells outside a fold train, one tenth validates, and the
cells of the fold, which are scored, are in the graph without their labels, as in the papers; baselines and defaults train on the same
cells and see none of the fold's.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

import scgnn_tools as sgt
from benchmarks import checkpoints
from benchmarks.ablations._folds import Fold, folds
from scgnn_tools.labels import METHODS, LabelMethod, label_method
from scgnn_tools.labels.pca import column_variance
from scgnn_tools.labels.scbignn.method import ScBiGNN
from scgnn_tools.labels.scgrapht.options import JOINT_EPOCHS
from scgnn_tools.labels.scgrapht.tuned import as_anndata
from scgnn_tools.splits import split_cells
from scgnn_tools.train import FineTuner

PRINTED = """The papers' own figures (accuracy / macro-F1, %). scGraPhT with P2, fine-tuned scGPT, on other data (MS, Pancreas, Myeloid):
  EO 87.55/73.99  97.66/80.14  67.97/37.29;  EL 88.17/74.30  97.76/74.60  68.08/37.86;  scGPT alone 84.96/71.13  96.41/72.82  63.47/34.16
scBiGNN on Zhengsorted (20,000 cells, five folds): p 86.7, q 86.0 (accuracy). Here are 2,140 of these cells.
Joint training (JT) is of a small scGPT with random weights here, of two layers over 1,000 genes: the paper's is the pretrained one."""
GRAPH = {"method": "scgrapht", "protocol": "paper", "logits": "vectors"}
CELLS = {"method": "scbignn", "protocol": "paper"}
ROWS: dict[str, dict[str, Any]] = {
    "scGraPhT, paper, P2 GO": {**GRAPH, "scheme": "GO"},
    "scGraPhT, paper, P2 EO": {**GRAPH, "scheme": "EO"},
    "scGraPhT, paper, P2 EL": {**GRAPH, "scheme": "EL"},
    "scGraPhT, paper, P1 EO": {**GRAPH, "scheme": "EO", "pathway": "P1"},
    "scGraPhT, paper, CG EO": {**GRAPH, "scheme": "EO", "pathway": "CG"},
    "scGraPhT, paper, P2 JT, small scGPT": {"method": "scgrapht", "protocol": "paper", "scheme": "JT"},
    "scGraPhT, code, P2 EL": {**GRAPH, "protocol": "code"},
    "scBiGNN, paper, 2 x 1, weights": CELLS,
    "scBiGNN, paper, 2 x 1, mean": {**CELLS, "readout": "mean"},
    "scBiGNN, paper, 1 x 4, weights": {**CELLS, "n_layers": 1, "n_heads": 4},
}
OURS = ("auto", "scgrapht", "logreg_rep", "logreg_pca", "centroid", "knn_pca", "scbignn")
"""This package's defaults, the vectors alone, which stand for the fine-tuned model alone, and the baselines."""


def nine_tenths(fold: Fold, share: float) -> Fold:
    """Return the fold with a tenth of the cells outside it as those of validation; of both, that share of each class."""
    cells, y = fold.train.beside(fold.validation), np.concatenate([fold.y, fold.y_validation])
    test, y_test = fold.test, fold.y_test
    if share < 1:
        (some, of_test) = (np.flatnonzero(split_cells(c, validation=1 - share, test=0)[0] == 0) for c in (y, y_test))
        cells, y, test, y_test = cells.take(some), y[some], test.take(of_test), y_test[of_test]
    part, _ = split_cells(y, validation=0.1, test=0)
    a, b = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    return Fold(cells.take(a), y[a], cells.take(b), y[b], test, y_test)


def tuned(fold: Fold, rng: int, device: str) -> FineTuner:
    """Return a small scGPT with random weights over 1,000 variable genes, trained for ten epochs to know the classes."""
    genes = np.sort(np.argsort(-column_variance(fold.train.expression), kind="stable")[:1000])
    names = [str(name) for name in fold.train.genes[genes]]
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.scgpt(Path(folder), names, n_layers=2, dim=64, n_heads=4)
        model = sgt.fm.load("scgpt", checkpoint=folder, device=device)
    cells = as_anndata(fold.train, {})
    cells.obs["class"] = [f"{c:03d}" for c in fold.y]
    return FineTuner(model, cells, labels_key="class", adapt="full", rng=rng).train(10, lr=1e-3)


def fitted(fold: Fold, rng: int, *, method: str, see: bool, **options: Any) -> tuple[LabelMethod, float]:
    start = time.process_time()
    if options.get("scheme") == "JT":
        options["encoder"] = tuned(fold, rng, options["device"])
    out = label_method(method, **options)
    out.fit(fold.train, fold.y, fold.validation, fold.y_validation, unlabeled=fold.test if see else None, rng=rng)
    return out, time.process_time() - start


def epochs(row: dict, share: float) -> dict[str, int]:
    whole = JOINT_EPOCHS if row.get("scheme") == "JT" else 3000 if row["method"] == "scgrapht" else 200
    return {"max_epochs": max(1, round(share * whole))}


def expected(fold: Fold, row: dict, share: float) -> float:
    """Return about how many CPU seconds a row takes, by how long a few of its epochs take."""
    if (
        row["method"] == "scbignn"
    ):  # epochs of the gene level are the long ones: at most 20, and 5 in each of three E-steps
        return 35 * share * fitted(fold, 0, see=True, **{**row, "iterations": 0, "epochs_genes": 1}, max_epochs=1)[1]
    least, most = (1, 2) if row.get("scheme") == "JT" else (2, 8)
    few, more = (fitted(fold, 0, see=True, **row, max_epochs=n)[1] for n in (least, most))
    return few + epochs(row, share)["max_epochs"] * max(more - few, 0) / (most - least)


def results(parts: list[Fold], rows: dict[str, dict], share: float, done: set[tuple[str, int]]) -> Iterator[dict]:
    ours = {f"{n}, default" if METHODS[n].kind == "method" else n: {"method": n} for n in OURS}
    for i, fold in enumerate(parts):
        for name, row in {**rows, **ours}.items():
            if (name, i) in done:
                continue
            theirs = name in rows
            see = theirs or METHODS[row["method"]].transductive
            method, seconds = fitted(fold, i, see=see, **row, **(epochs(row, share) if theirs else {}))
            each = {"": method.scores(fold.test)}
            if theirs and row["method"] == "scbignn":
                each = {f": {k}": v for k, v in zip(("q", "p"), cast("ScBiGNN", method).both(fold.test), strict=True)}
            for which, scores in each.items():
                m = sgt.metrics.annotation(fold.y_test, scores.argmax(axis=1))
                figures = {"accuracy": m["accuracy"], "macro-F1": m["macro_f1"], "CPU seconds": seconds}
                yield {"row": f"{name}{which}", "of": name, "fold": i, **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--dataset", default="zheng_sorted_ref")
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the iterations of the papers")
    parser.add_argument("--cells", type=float, default=1.0, help="share of the cells")
    parser.add_argument("--rows", nargs="*", default=[], help="parts of the names of the papers' rows; all by default")
    parser.add_argument(
        "--store", type=Path, help="file of finished rows, a JSON object a line: what it holds is not run again"
    )
    parser.add_argument("--device", default="cpu", help="of joint training")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sgt.settings.progress = False
    torch.set_num_threads(1)
    rows = {name: row for name, row in ROWS.items() if not args.rows or any(part in name for part in args.rows)}
    rows = {name: {**row, "device": args.device} if row.get("scheme") == "JT" else row for name, row in rows.items()}
    parts = [nine_tenths(fold, args.cells) for fold in folds(args.data, args.dataset, args.folds)]
    lines = args.store.read_text().splitlines() if args.store is not None and args.store.is_file() else []
    out = [json.loads(line) for line in lines]
    done = {(row["of"], row["fold"]) for row in out}
    left = {name: row for name, row in rows.items() if not all((name, i) in done for i in range(len(parts)))}
    if left:  # what is compiled or read once is no part of an epoch
        expected(parts[0], ROWS["scGraPhT, paper, P2 GO"], 1)
    each = {name: expected(parts[0], row, args.share) * len(parts) for name, row in left.items()}
    print(f"about {sum(each.values()) / 60:.0f} CPU minutes, of these", file=sys.stderr, flush=True)
    print("\n".join(f"  {name:32s} {seconds / 60:6.1f}" for name, seconds in each.items()), file=sys.stderr, flush=True)
    for found in results(parts, rows, args.share, done):
        out.append(found)
        print(
            "{row}, fold {fold}: {accuracy:.3f} {macro-F1:.3f} {CPU seconds:.0f} s".format(**found),
            file=sys.stderr,
            flush=True,
        )
        if args.store is not None:
            with args.store.open("a") as file:
                file.write(json.dumps(found, default=float) + "\n")
    n, how = len(parts[0].y), "" if args.share == 1 else f", {args.share:.0%} of the papers' iterations"
    print(f"\n{args.dataset}: {n:,} cells train, {len(parts[0].y_test):,} are scored, {len(parts)} of 5 folds{how}\n")
    print(pd.DataFrame(out).drop(columns=["fold", "of"]).groupby("row", sort=False).mean().round(3).to_string())
    print(f"\n{PRINTED}")


if __name__ == "__main__":
    main()
