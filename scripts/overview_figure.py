"""Draw the picture of the README and of the landing page, docs/_static/overview.png: 700 real cells, all steps."""

import warnings
from pathlib import Path

import scanpy as sc
from matplotlib import pyplot as plt

import scgnn_tools as sgt

OUT = Path(__file__).parents[1] / "docs/_static/overview.png"


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = sc.datasets.pbmc68k_reduced()
        sgt.tl.embed(adata)
        sgt.tl.annotate(adata, "bulk_labels")
        sgt.tl.infer_grn(adata)
        sc.pp.neighbors(adata, use_rep="X_cgc-mini")
        sc.tl.umap(adata)
    figure, axes = plt.subplots(1, 2, figsize=(16.5, 7.4), width_ratios=[1.2, 1], layout="constrained")
    sgt.pl.annotation(adata, ax=axes[0])
    sgt.pl.grn(adata, ax=axes[1], n_edges=40)
    figure.savefig(OUT, dpi=90)


if __name__ == "__main__":
    main()
