"""``tl.annotate(method="cgc")`` whole, without its graph, without its pretraining and with neither, beside a logistic regression on PCA.

Usage: ``python -m benchmarks.ablations cgc [--data ../shared/data] [--datasets pbmc3k ...] [--folds 3]``

Folds are stratified; 15 % of the cells outside the scored fold stop the training. Each row is printed as it comes.
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
from scgnn_tools.genes import gene_names
from scgnn_tools.labels import Cells, label_method
from scgnn_tools.splits import split_cells

DATASETS = ["pbmc3k", "zheng_sorted_ref", "baron_mouse"]
VARIANTS = {
    "logreg_pca": ("logreg_pca", {}),
    "cgc": ("cgc", {}),
    "cgc without graph": ("cgc", {"graph": False}),
    "cgc without pretraining": ("cgc", {"pretrain": False}),
    "cgc with neither": ("cgc", {"graph": False, "pretrain": False}),
}


def rows(data: Path, name: str, n_folds: int) -> list[dict]:
    adata = ad.read_h5ad(data / f"cells/{name}.h5ad")
    cells = Cells(
        open_expression(adata).log_normalized(), np.zeros((adata.n_obs, 1), dtype=np.float32), gene_names(adata.var)
    )
    codes = adata.obs["cell_type"].astype("category").cat.codes.to_numpy().astype(np.int64)
    out = []
    for fold, (rest, test) in enumerate(StratifiedKFold(n_folds, shuffle=True, random_state=0).split(codes, codes)):
        part, _ = split_cells(codes[rest], test=0, rng=fold)
        train, validation = rest[part == 0], rest[part == 1]
        for variant, (method, options) in VARIANTS.items():
            start = time.process_time()
            fitted = label_method(method, **options)
            fitted.fit(cells.take(train), codes[train], cells.take(validation), codes[validation], rng=fold)
            scores = fitted.scores(cells.take(test))
            seconds = time.process_time() - start
            metrics = sgt.metrics.annotation(codes[test], scores.argmax(axis=1))
            row = {"dataset": name, "variant": variant, "fold": fold, "cells": len(train) + len(validation)}
            out.append(
                {**row, "accuracy": metrics["accuracy"], "macro_f1": metrics["macro_f1"], "cpu seconds": seconds}
            )
            print(
                " ".join(f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in out[-1].items()), flush=True
            )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--datasets", nargs="+", default=DATASETS)
    parser.add_argument("--folds", type=int, default=3)
    args = parser.parse_args()
    sgt.settings.progress = sgt.settings.verbose = False
    table = pd.DataFrame([r for name in args.datasets for r in rows(args.data, name, args.folds)])
    columns = ["accuracy", "macro_f1", "cpu seconds"]
    shown = table.groupby(["dataset", "variant"], sort=False)[columns].agg(["mean", "std"])
    print(f"\n{shown.round(3).to_string()}")
    lead = table.pivot_table(index=["dataset", "fold"], columns="variant", values="accuracy")
    lead = lead.sub(lead["cgc"], axis=0)[[v for v in VARIANTS if v != "cgc"]]
    error = lead.groupby("dataset").std() / np.sqrt(args.folds)
    print(
        f"\nAccuracy minus that of cgc, paired over folds: mean\n{lead.groupby('dataset').mean().round(3).to_string()}"
    )
    print(f"\nand its standard error\n{error.round(3).to_string()}")


if __name__ == "__main__":
    main()
