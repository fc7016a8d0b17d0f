"""Annotation methods beside their baselines: 5-fold accuracy and macro-F1 on labelled sets.

Usage: ``python -m benchmarks.annotation --data ../shared/data [--datasets pbmc3k ...] [--methods ...]``
"""

import argparse
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

import scgnn_tools as sgt
from scgnn_tools.data import open_expression
from scgnn_tools.labels import METHODS, Cells, label_method
from scgnn_tools.splits import split_cells

DATASETS = ["pbmc3k", "zheng_sorted_ref", "baron_mouse", "kang_ifnb"]


def rows(data: Path, name: str, methods: list[str]) -> list[dict]:
    adata = ad.read_h5ad(data / f"cells/{name}.h5ad")
    cells = Cells(open_expression(adata).log_normalized(), sgt.fm.load(sgt.fm.best_bundled()).embed_cells(adata))
    codes = adata.obs["cell_type"].astype("category").cat.codes.to_numpy().astype(np.int64)
    out = []
    for fold, (rest, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(codes, codes)):
        part, _ = split_cells(codes[rest], test=0, rng=fold)
        train, validation = rest[part == 0], rest[part == 1]
        for method in methods:
            start = time.perf_counter()
            fitted = label_method(method).fit(
                cells.take(train), codes[train], cells.take(validation), codes[validation], rng=fold
            )
            scores = fitted.scores(cells.take(test))
            metrics = sgt.metrics.annotation(codes[test], scores.argmax(axis=1))
            out.append({"dataset": name, "method": method, **metrics, "seconds": time.perf_counter() - start})
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    args = parser.parse_args()
    table = pd.DataFrame([r for name in args.datasets for r in rows(args.data, name, args.methods)])
    shown = table.groupby(["dataset", "method"], sort=False)[["accuracy", "macro_f1", "seconds"]].agg(["mean", "std"])
    print(shown.round(3).to_string())


if __name__ == "__main__":
    main()
