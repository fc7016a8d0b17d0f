"""``tl.annotate(method="cgc")`` whole, without its graph, without its pretraining and with neither, beside a logistic regression on PCA.

Usage: ``python -m benchmarks.ablations cgc [--data ../shared/data] [--datasets pbmc3k ...] [--folds 3]``

Folds are stratified; 15 % of the cells outside the scored fold stop the training. Each row is printed as it comes.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import scgnn_tools as sgt
from benchmarks.ablations._folds import folds
from scgnn_tools.labels import label_method

DATASETS = ["pbmc3k", "zheng_sorted_ref", "baron_mouse"]
VARIANTS = {
    "logreg_pca": ("logreg_pca", {}),
    "cgc": ("cgc", {}),
    "cgc without graph": ("cgc", {"graph": False}),
    "cgc without pretraining": ("cgc", {"pretrain": False}),
    "cgc with neither": ("cgc", {"graph": False, "pretrain": False}),
}


def rows(data: Path, name: str, n_folds: int) -> list[dict]:
    out = []
    for i, fold in enumerate(folds(data, name, n_folds, of=n_folds)):
        for variant, (method, options) in VARIANTS.items():
            start = time.process_time()
            fitted = label_method(method, **options)
            fitted.fit(fold.train, fold.y, fold.validation, fold.y_validation, rng=i)
            scores = fitted.scores(fold.test)
            seconds = time.process_time() - start
            metrics = sgt.metrics.annotation(fold.y_test, scores.argmax(axis=1))
            row = {"dataset": name, "variant": variant, "fold": i, "cells": len(fold.y) + len(fold.y_validation)}
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
