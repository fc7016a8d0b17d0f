"""Train ``cgc-mini`` on the corpus of unlabelled cells; the same input gives the same numbers.

Usage: ``python scripts/pretrain_cgc_mini.py --data ../shared/data``, about four minutes on two cores. Only ``corpus/*.h5ad`` is read. What the
solver does not fix is chosen on the corpus's own labelled sets, each by a model that was trained without it (``GRID``): never on
the sets by which the model is judged. The table of the choice is written beside the weights.
"""

import argparse
import itertools
import warnings
from dataclasses import asdict
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from build_corpus_svd import LICENCE, assemble
from sklearn.neighbors import NearestNeighbors

from scgnn_tools._errors import SgtWarning
from scgnn_tools.fm import saves
from scgnn_tools.fm.cgc_mini import CGCMini, CGCMiniSettings
from scgnn_tools.fm.cgc_mini import checkpoint as mini
from scgnn_tools.fm.cgc_mini.fitting import telling_vectors
from scgnn_tools.genes.tables import human_of_mouse

LABELS = {"mouse_bm_250": "cell_type", "zilionis_mouse_lung_800": "minor"}
GRID = {
    "step": (0.0, 0.5, 1.0),
    "power": (0.0, 0.5),
    "whitening": (0.0, 0.25, 0.5),
    "weight": (0.0, 0.0025, 0.005, 0.01),
}
THRESHOLD, MIN_CELLS = 0.4, 150


def widen(x: sp.csr_array, symbols: np.ndarray) -> tuple[sp.csr_array, np.ndarray]:
    """Add a column for every human gene with a mouse ortholog: the corpus lacks the genes of tissues that it lacks."""
    every = np.unique(np.concatenate([symbols, human_of_mouse().to_numpy().astype(str)]))
    at = np.searchsorted(every, symbols)
    out = sp.csr_array((x.data, at[x.indices], x.indptr), shape=(x.shape[0], len(every)), dtype=np.float64)
    out.sort_indices()
    return out, every


def coexpression_within(x: sp.csr_array, source: np.ndarray, *, threshold: float, min_cells: int) -> sp.csr_array:
    """Link genes that rise and fall together within data sets.

    Parameters
    ----------
    x
        Log-normalised expression, (n_cells, n_genes).
    source
        The data set of each cell, whose mean is taken off first: sets differ in every gene.
    threshold
        Least Pearson correlation of an edge.
    min_cells
        Genes in fewer cells get none.

    Returns
    -------
    csr_array
        float32 (n_genes, n_genes), symmetric, correlations.
    """
    genes = np.flatnonzero(np.bincount(x.indices, minlength=x.shape[1]) >= min_cells)
    dense = x[:, genes].toarray().astype(np.float32)
    for one in np.unique(source):
        dense[source == one] -= dense[source == one].mean(axis=0)
    dense /= np.linalg.norm(dense, axis=0) + 1e-9
    r = dense.T @ dense
    np.fill_diagonal(r, 0)
    i, j = np.nonzero(r > threshold)
    return sp.csr_array((r[i, j], (genes[i], genes[j])), shape=(x.shape[1],) * 2)


def rarity(x: sp.csr_array) -> np.ndarray:
    """Return the logarithm of the number of cells a cell in which a gene is seen, float64 (n_genes,)."""
    seen = np.bincount(x.indices, minlength=x.shape[1])
    return np.asarray(np.log(x.shape[0] / (seen + 1)))


def train(
    x: sp.csr_array, source: np.ndarray, every: np.ndarray, graph: sp.csr_array, settings: CGCMiniSettings
) -> CGCMini:
    """Return a model of these cells."""
    how = {"dimension": mini.DIMENSION, "power": settings.power, "whitening": settings.whitening}
    vectors = telling_vectors(x, source=source, **how).astype(np.float16).astype(np.float64)
    of_card = {"genes": every, "sha256": "", "licence": LICENCE, "trained_on": ""}
    parts = {"vectors": vectors, "rarity": rarity(x).astype(np.float16).astype(np.float64), "graph": graph}
    return CGCMini(mini._card(of_card), every, settings=settings, config={}, **parts)


def purity(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of cells whose label most of their 15 nearest other cells have: no folds, hence no chance in them."""
    code = pd.factorize(labels)[0]
    near = NearestNeighbors(n_neighbors=16).fit(vectors).kneighbors(vectors, return_distance=False)[:, 1:]
    votes = (code[near][:, :, None] == np.arange(code.max() + 1)).sum(axis=1)
    return float((votes.argmax(axis=1) == code).mean())


def choose(x: sp.csr_array, source: np.ndarray, every: np.ndarray, files: list[Path]) -> pd.DataFrame:
    """Return the score of every setting on each labelled set, by models that did not see it."""
    rows: dict[tuple[float, ...], dict[str, float]] = {}
    for at, file in enumerate(files):
        if file.stem not in LABELS:
            continue
        adata, seen = ad.read_h5ad(file), source != at
        labels = adata.obs[LABELS[file.stem]].astype(str).to_numpy()
        graph = coexpression_within(x[seen], source[seen], threshold=THRESHOLD, min_cells=MIN_CELLS)
        for power, whitening in itertools.product(GRID["power"], GRID["whitening"]):
            first = CGCMiniSettings(step=0, power=power, whitening=whitening, weight=0)
            model = train(x[seen], source[seen], every, graph, first)
            for step, weight in itertools.product(GRID["step"], GRID["weight"]):
                one = CGCMiniSettings(step=step, power=power, whitening=whitening, weight=weight)
                vectors = model.changed(settings=one).embed_cells(adata)
                rows.setdefault((step, power, whitening, weight), {})[file.stem] = purity(vectors, labels)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=list(GRID))
    return table.assign(mean=table.mean(axis=1)).sort_values("mean", ascending=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    warnings.simplefilter("ignore", SgtWarning)  # genes without an ortholog: known
    files = sorted((parser.parse_args().data / "corpus").glob("*.h5ad"))
    cells, symbols, source = assemble(files)
    x, every = widen(cells, symbols)
    table = choose(x, source, every, files)
    print(table.round(3).head(12).to_string())
    for name in GRID:
        print(table.groupby(level=name).mean().round(3).to_string())
    best = CGCMiniSettings(**dict(zip(GRID, map(float, table.index[0]), strict=True)))
    graph = coexpression_within(x, source, threshold=THRESHOLD, min_cells=MIN_CELLS)
    model = train(x, source, every, graph, best)
    trained_on = f"{x.shape[0]:,} cells of {len(files)} sets: " + ", ".join(f.stem for f in files)
    model._config = {"trained_on": trained_on, "licence": LICENCE}
    (mini.WEIGHTS / "choice.csv").unlink(missing_ok=True)  # no part of the model
    model.save(mini.WEIGHTS, overwrite=True)
    table.round(4).to_csv(mini.WEIGHTS / "choice.csv")
    size = sum((mini.WEIGHTS / name).stat().st_size for name in (saves.CONFIG, saves.TENSORS)) / 1e6
    print(f"{trained_on}\n{asdict(best)}\n{len(every):,} genes, {graph.nnz:,} edges, {size:.1f} MB")


if __name__ == "__main__":
    main()
