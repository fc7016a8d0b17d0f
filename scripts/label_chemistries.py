"""Freeze cell types of the three PBMC chemistries for ``benchmarks/integration.py``: ``python scripts/label_chemistries.py ../shared/data``.

Each chemistry is labelled on its own from the bundled immune reference (``logreg_pca``), so that no label knows of another batch; cells of
a confidence above .9 whose type has at least ten cells are kept. Weak truth: good enough to rank methods, not to score them.
"""

import gzip
import sys
from pathlib import Path

import anndata as ad
import pandas as pd

import scgnn_tools as sgt

OUT = Path(__file__).parents[1] / "benchmarks" / "chemistries.csv.gz"


def main(data: Path) -> None:
    adata = ad.read_h5ad(data / "corpus/pbmc_10x_3chem.h5ad")
    parts = []
    for batch in adata.obs["batch"].unique():
        one = adata[(adata.obs["batch"] == batch).to_numpy()].copy()
        sgt.tl.annotate(one, method="logreg_pca")
        sure = (one.obs["sgt_label_confidence"] > 0.9) & (one.obs["sgt_label"] != "Unknown")
        parts.append(one.obs.loc[sure, "sgt_label"].astype(str))
    labels = pd.concat(parts)
    labels = labels[labels.map(labels.value_counts()) >= 10]
    text = labels.rename("cell_type").rename_axis("cell").to_csv(lineterminator="\n")
    OUT.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{len(labels):,} of {adata.n_obs:,} cells -> {OUT}")


if __name__ == "__main__":
    sgt.settings.progress = False
    main(Path(sys.argv[1]))
