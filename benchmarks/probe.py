"""Do neighbours share labels? Bundled model, 50 principal components of the cells themselves and a random map, side by side.

Usage: ``python -m benchmarks.probe --data ../shared/data``; 15 neighbours, 5 folds, the same folds for all.
"""

import argparse
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

import scgnn_tools as sgt
from scgnn_tools.data import open_expression

DATASETS = ["pbmc3k", "zheng_sorted_ref", "kang_ifnb", "baron_mouse"]
COMPONENTS = 50  # PCA of as many dimensions as cgc-mini has would be judged with noise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data, name = parser.parse_args().data, sgt.fm.best_bundled()
    model, rows = sgt.fm.load(name), {}
    for dataset in DATASETS:
        adata = ad.read_h5ad(data / f"cells/{dataset}.h5ad")
        x = sp.csr_matrix(open_expression(adata).log_normalized())
        random = np.random.default_rng(0).normal(size=(x.shape[1], model.card.dimension))
        vectors = {
            name: model.embed_cells(adata),
            "PCA of the cells": PCA(COMPONENTS, svd_solver="arpack", random_state=0).fit_transform(x),
            "random map": x @ random,
        }
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        labels = adata.obs["cell_type"]
        scores = {k: cross_val_score(KNeighborsClassifier(15), v, labels, cv=folds) for k, v in vectors.items()}
        rows[dataset] = {k: f"{s.mean():.3f}" for k, s in scores.items()}
        paired = scores[name] - scores["PCA of the cells"]
        rows[dataset]["model - PCA"] = f"{paired.mean():+.3f} ± {paired.std(ddof=1) / 5**0.5:.3f}"
    print(pd.DataFrame(rows).T.to_string())


if __name__ == "__main__":
    main()
