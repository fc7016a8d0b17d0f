"""Record what scib-metrics says of fixed vectors: ``python scripts/record_integration.py ../shared/data`` where scib-metrics 0.5.10 is installed.

Writes ``tests/golden/integration.npz``: for each case vectors, batches, labels, the vectors before the correction, and the numbers. Neighbours
are exact and the same for both packages, so that the formulas are compared and not the searches.
"""

import sys
from pathlib import Path

import anndata as ad
import numpy as np
from tests.golden._scib import scib

import scgnn_tools as sgt

OUT = Path(__file__).parents[1] / "tests" / "golden" / "integration.npz"


def mixology(data: Path) -> dict[str, np.ndarray]:
    """Return five cell lines of three batches, before and after Harmony."""
    adata = ad.read_h5ad(data / "cells/sc_mixology.h5ad")
    out = {"batch": adata.obs["batch"].to_numpy().astype(str), "labels": adata.obs["cell_type"].to_numpy().astype(str)}
    for name, method in (("before", "none"), ("vectors", "harmony")):
        sgt.tl.integrate(adata, "batch", method=method, n_comps=20, evaluate=False)
        out[name] = adata.obsm["X_sgt_integrated"]
    return out


def blobs() -> dict[str, np.ndarray]:
    """Return four labels in three batches: one label in one batch only, one batch with a single cell of a label."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c", "d"], [150, 120, 90, 40])
    batch = rng.choice(["x", "y", "z"], size=len(labels), p=[0.5, 0.3, 0.2])
    batch[labels == "d"] = "y"
    batch[labels == "c"] = np.where(np.arange(90) == 0, "z", "x")
    centre = {name: 4 * rng.normal(size=10) for name in "abcd"}
    shift = {name: 1.5 * rng.normal(size=10) for name in "xyz"}
    before = np.stack([centre[a] + shift[b] for a, b in zip(labels, batch, strict=True)]) + rng.normal(size=(400, 10))
    vectors = before - 0.8 * np.stack([shift[b] for b in batch])
    return {
        "batch": batch,
        "labels": labels,
        "before": before.astype(np.float32),
        "vectors": vectors.astype(np.float32),
    }


if __name__ == "__main__":
    sgt.settings.verbose = False
    arrays = {}
    for name, case in {"mixology": mixology(Path(sys.argv[1])), "blobs": blobs()}.items():
        arrays |= {f"{name}.{k}": v for k, v in case.items()}
        arrays |= {f"{name}.scib.{k}": np.array(v) for k, v in scib(case).items()}
    np.savez_compressed(OUT, **arrays)
