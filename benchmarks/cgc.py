"""Cell-Graph Compass: what its graphs, messages and blocks cost, and what the bundled gene vectors are worth zero-shot.

Usage: ``python -m benchmarks.cgc --data ../shared/data``

The speed is that of a new network (width 128, three blocks, two layers of messages, 257 tokens) on pbmc3k, batches of 32 cells, on all
cores of this machine. Gene tasks and networks use the static gene vectors of the best bundled model: nothing is trained on them but the
random forest of the gene tasks, in 5 folds.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import torch

import scgnn_tools as sgt
from scgnn_tools.models.untrained import untrained_cgc
from scgnn_tools.nn import Segments

WIDTH, TOKENS, CELLS, BATCH = 128, 257, 512, 32
CELL_TYPES = ["hESC", "hHEP", "mDC", "mESC", "mHSC-E"]


def seconds(call: Callable[[], object], repeats: int = 7) -> float:
    """Return the best of several times."""
    call()
    out = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        out.append(time.perf_counter() - start)
    return min(out)


def speed(data: Path) -> pd.DataFrame:
    """Return cells per second, bytes per cell and the share of this machine's limits, by part."""
    adata = ad.read_h5ad(data / "cells/pbmc3k.h5ad")[:CELLS].copy()
    model = untrained_cgc([adata], dim=WIDTH, heads=4, hidden=256, n_layers=3, n_graph_layers=2, max_length=TOKENS)
    network, tokens = model.network, model.tokenize(adata)
    batches = [tokens.select(np.arange(i, i + BATCH)) for i in range(0, CELLS, BATCH)]
    genes = [model.gene_of_state(b) for b in batches]
    segments = [Segments(b.offsets) for b in batches]
    a, b = torch.randn(2048, 512), torch.randn(512, 2048)
    rate = 2 * 2048 * 2048 * 512 / seconds(lambda: a @ b)
    block = torch.randn(2**25)  # 128 MB: no cache holds it
    bandwidth = block.numel() * 4 / seconds(block.sum)
    with torch.inference_mode():
        edges = [model.graph.of_cells(t, g) for t, g in zip(batches, genes, strict=True)]
        states = [torch.randn(len(g), WIDTH) for g in genes]
        embedded = [network.edges(e) for e in edges]

        def messages() -> None:
            for x, e, at in zip(states, embedded, edges, strict=True):
                for layer in network.graph:
                    x, e = layer(x, e, at)

        parts = {
            "tokens": lambda: model.tokenize(adata),
            "cell graphs": lambda: [model.graph.of_cells(t, g) for t, g in zip(batches, genes, strict=True)],
            "edge embedding": lambda: [network.edges(e) for e in edges],
            "messages": messages,
            "transformer": lambda: [network.encoder(x, s) for x, s in zip(states, segments, strict=True)],
            "end to end": lambda: model.embed_cells(adata),
        }
        taken = {name: seconds(call, 5) for name, call in parts.items()}
    n_edges, n_tokens = sum(e.n_edges for e in edges), sum(map(len, genes))
    n_ends = sum(len(e.targets.nodes) for e in edges)
    square = 2 * WIDTH**2
    flops = {
        "messages": 2 * square * (n_tokens + n_edges + 4 * n_ends),
        "transformer": sum(
            3 * (2 * TOKENS * (4 * WIDTH**2 + 2 * WIDTH * 256) + 4 * TOKENS**2 * WIDTH) for _ in range(CELLS)
        ),
    }
    # what the messages have to read and write once: states of genes, and states of edges twice (new state, mean), in float32
    moved = {"messages": 2 * 4 * WIDTH * (4 * n_tokens + 5 * n_edges)}
    rows = {}
    for name, t in taken.items():
        rows[name] = {
            "cells/s": round(CELLS / t),
            "share of float32 rate": flops[name] / t / rate if name in flops else np.nan,
            "share of bandwidth": moved[name] / t / bandwidth if name in moved else np.nan,
        }
    size = sum(x.element_size() * x.numel() for e in edges for x in vars(e).values() if isinstance(x, torch.Tensor))
    whole = sum(v.nbytes for v in vars(model.graph).values())
    print(
        f"{CELLS} cells of {TOKENS} tokens; {n_edges / CELLS:.0f} edges a cell, which end at {n_ends / CELLS:.0f} tokens"
    )
    print(
        f"graph of a cell {size / CELLS / 1e3:.1f} kB while its batch runs, graph of the vocabulary {whole / 1e6:.1f} MB"
    )
    print(f"this machine: {rate / 1e9:.0f} GFLOP/s in float32, {bandwidth / 1e9:.0f} GB/s")
    return pd.DataFrame(rows).T.round(2)


def gene_tasks(data: Path, model: str) -> pd.DataFrame:
    """Return the AUC of each gene task, beside the baselines; expression is that of pbmc3k."""
    folder = data / "gene_classification"
    dosage = pd.read_csv(folder / "dosage_sens_tf_labels.csv")

    def genes(name: str) -> list[str]:
        return (folder / f"{name}_gene_labels.txt").read_text().split()

    tasks = {
        "dosage-sensitive factors": {c: dosage[c].dropna().tolist() for c in dosage},
        "bivalent, not methylated": {"bivalent": genes("bivalent"), "none": genes("no_methylation")},
        "bivalent, Lys4 only": {"bivalent": genes("bivalent"), "lys4": genes("lys4_only")},
    }
    every = sorted({g for classes in tasks.values() for names in classes.values() for g in names})
    adata = ad.read_h5ad(data / "cells/pbmc3k.h5ad")
    sgt.tl.embed(adata, model=model)
    print(f"{len(every)} genes in all; those that pbmc3k or the model lacks are lost")
    rows = {}
    for task, classes in tasks.items():
        table = sgt.tl.classify_genes(adata, classes)
        rows[task] = {k: f"{r.auc:.3f} ± {r.sd:.3f}" for k, r in table.iterrows()}
        rows[task] |= {"genes": int(table["n_genes"].iloc[0]), "lost": int(table["n_lost"].iloc[0])}
    return pd.DataFrame(rows).T


def networks(data: Path, model: str) -> pd.DataFrame:
    """Return how well the cosine of two gene vectors ranks the edges of BEELINE's networks, TFs and 500 genes, nothing trained."""
    loaded, rng, rows = sgt.fm.load(model), np.random.default_rng(0), {}
    for cell in CELL_TYPES:
        pairs = (
            pd.read_parquet(data / f"grn/beeline/{cell}_500/pairs.parquet")
            .astype({"tf": str, "target": str})
            .drop_duplicates(["tf", "target"])
        )
        pairs = pairs[pairs["tf"] != pairs["target"]]
        names = np.unique([*pairs["tf"], *pairs["target"]])
        found = sgt.genes.match(names, loaded.vocabulary, vocabulary_organism="human")
        vectors = pd.DataFrame(loaded.gene_vectors(found), index=names)
        unit = vectors.div(np.linalg.norm(vectors, axis=1), axis=0)
        cosine = (unit.loc[pairs["tf"]].to_numpy() * unit.loc[pairs["target"]].to_numpy()).sum(axis=1)
        scored = ~np.isnan(cosine)
        truth = pairs["label"].to_numpy()[scored]
        for name, score in ((model, cosine[scored]), ("random vectors", rng.normal(size=scored.sum()))):
            m = sgt.metrics.grn(truth, score)
            rows[cell, name] = {k: m[k] for k in ("n", "density", "auprc_ratio", "epr", "epr_ratio", "auroc")}
    return pd.DataFrame(rows).T.round(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data, model = parser.parse_args().data, sgt.fm.best_bundled()
    sgt.settings.progress = sgt.settings.verbose = False
    print(speed(data).to_string(na_rep=""))
    print(
        f"\nGene tasks, static vectors of {model}, random forest, AUC over 5 folds\n{gene_tasks(data, model).to_string()}"
    )
    print(f"\nNetworks, cosine of the static vectors, zero-shot\n{networks(data, model).to_string()}")


if __name__ == "__main__":
    main()
