"""Build the weights of ``corpus-svd`` from the corpus of unlabelled cells; the same input gives the same numbers.

Usage: ``python scripts/build_corpus_svd.py --data ../shared/data``. Only ``corpus/*.h5ad`` is read: never the labelled sets.
"""

import argparse
from pathlib import Path

import anndata as ad
import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from scgnn_tools import genes
from scgnn_tools.data import open_expression
from scgnn_tools.fm import saves
from scgnn_tools.fm.corpus_svd.checkpoint import DIMENSION, WEIGHTS
from scgnn_tools.genes.tables import human_of_mouse

MIN_CELLS = 10
LICENCE = "derived from 10x Genomics data (CC BY 4.0) and GEO series"


def read(path: Path, rng: np.random.Generator) -> tuple[sp.csr_array, np.ndarray]:
    """Return log-normalised cells and the human symbol of each gene ("" where there is none)."""
    adata = ad.read_h5ad(path)
    names = genes.gene_names(adata.var)
    # a panel of few genes says little a cell: a file has no more cells here than genes
    cells = np.sort(rng.permutation(adata.n_obs)[: adata.n_vars])
    x = sp.csr_array(open_expression(adata).log_normalized()[cells])
    organism = genes.detect_organism(names)
    if organism == "mouse":
        found = genes.match(names, np.unique(human_of_mouse().to_numpy()), organism="mouse")
        symbols = np.where(found.matched, found.vocabulary[found.index], "")
    else:
        symbols = genes.canonical_symbols(names, organism="human").astype(str)
    return x, symbols


def assemble(files: list[Path]) -> tuple[sp.csr_array, np.ndarray, np.ndarray]:
    """Return all cells over the genes that enough cells express, the genes, and the file of each cell."""
    rng = np.random.default_rng(0)
    parts = [read(f, rng) for f in files]
    every = np.unique(np.concatenate([s[s != ""] for _, s in parts]))
    blocks = []
    for x, symbols in parts:
        rows = np.flatnonzero(symbols != "")
        to_every = sp.csr_array(
            (np.ones(len(rows), dtype=np.float32), (rows, np.searchsorted(every, symbols[rows]))),
            shape=(x.shape[1], len(every)),
        )
        blocks.append(sp.csr_array(x @ to_every))
    cells = sp.csr_array(sp.vstack(blocks, format="csr"))
    seen = np.bincount(cells.indices, minlength=len(every))
    prior = genes.prior("trrust", "human")
    keep = (seen >= MIN_CELLS) | ((seen > 0) & np.isin(every, [*prior["source"], *prior["target"]]))
    source = np.repeat(np.arange(len(blocks)), [len(b.indptr) - 1 for b in blocks])
    return sp.csr_array(cells[:, np.flatnonzero(keep)]), every[keep], source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    files = sorted((parser.parse_args().data / "corpus").glob("*.h5ad"))
    cells, symbols, _ = assemble(files)
    _, singular, vt = svds(cells.astype(np.float64), DIMENSION, rng=np.random.default_rng(0))
    order = np.argsort(-singular)
    loadings, singular = vt[order].T, singular[order] / np.sqrt(cells.shape[0])
    loadings *= np.sign(loadings[np.abs(loadings).argmax(axis=0), np.arange(DIMENSION)])  # SVD leaves the sign open
    config = {
        "model": "corpus-svd",
        "trained_on": f"{cells.shape[0]:,} cells of {len(files)} sets: " + ", ".join(f.stem for f in files),
        "licence": LICENCE,
        "genes": symbols.tolist(),
    }
    tensors = {"loadings": loadings.astype(np.float16), "singular_values": singular.astype(np.float32)}
    saves.save(WEIGHTS, tensors, config, overwrite=True)
    size = sum(f.stat().st_size for f in WEIGHTS.iterdir()) / 1e6
    print(f"{config['trained_on']}\n{len(symbols):,} genes, {DIMENSION} components, {size:.1f} MB")


if __name__ == "__main__":
    main()
