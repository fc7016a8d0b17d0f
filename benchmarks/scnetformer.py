"""The strategies of scNetFormer side by side at a tiny size: masked loss, tuned gene classification, attention against degree.

Usage: ``python -m benchmarks.scnetformer [--data ../shared/data] [--cells 400] [--epochs 4]``

Nobody publishes weights, and those of Geneformer cannot be had here: every variant begins with the same random weights (width 64,
two blocks, 256 tokens) and is pretrained on the same cells of pbmc3k for the same number of epochs. The graphs are DoRothEA: "sparse" its
levels A and B, "dense" all levels. The gene task is dosage-sensitive against other factors; folds, cells and seeds are the same for all.
Rows come as they are done.
"""

import argparse
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

import scgnn_tools as sgt
from scgnn_tools.fm.scnetformer import tf_importance
from scgnn_tools.models.untrained import untrained_geneformer

SIZES = {"dim": 64, "heads": 4, "hidden": 128, "n_layers": 2, "max_length": 256}
PLAIN = {"graph_layers": 0}
VARIANTS = {
    "no graph": ("sparse", PLAIN),
    "early, GCN-2, dense": ("dense", {"graph_layers": 2}),
    "early, GCN-2, sparse": ("sparse", {"graph_layers": 2}),
    "early, GCN-3, dense": ("dense", {"graph_layers": 3}),
    "early, Gene2Vec, dense": ("dense", {**PLAIN, "walk_dim": 32}),
    "early, Gene2Vec, sparse": ("sparse", {**PLAIN, "walk_dim": 32}),
    "masked attention, dense": ("dense", {**PLAIN, "masked_layers": "all"}),
    "masked attention, one block": ("dense", {**PLAIN, "masked_layers": [0]}),
    "contrastive, dense": ("dense", {**PLAIN, "contrast": 0.1}),
    "contrastive, sparse": ("sparse", {**PLAIN, "contrast": 0.1}),
    "early dense + contrastive sparse": ("dense", {"graph_layers": 2, "contrast": 0.1, "contrast_graph": "sparse"}),
    "early sparse + contrastive dense": ("sparse", {"graph_layers": 2, "contrast": 0.1, "contrast_graph": "dense"}),
}


def graphs(data: Path) -> dict[str, pd.DataFrame]:
    """Return DoRothEA, whole and its two surest levels."""
    table = pd.read_parquet(data / "prior/dorothea_human.parquet").rename(columns={"tf": "source"})
    return {
        "dense": table[["source", "target"]],
        "sparse": table.loc[table["confidence"].isin(["A", "B"]), ["source", "target"]],
    }


def task(data: Path) -> dict[str, list[str]]:
    table = pd.read_csv(data / "gene_classification/dosage_sens_tf_labels.csv")
    return {column: table[column].dropna().tolist() for column in table}


def heldout_loss(net: sgt.models.ScNetFormer, adata: ad.AnnData) -> float:
    """Return the cross-entropy of masked genes in cells that nothing was trained on, without the contrastive part."""
    model, rng = net.model, np.random.default_rng(0)
    tokens = model.tokenize(adata)
    losses = []
    for i in range(0, tokens.n_cells, 20):
        some = tokens.select(np.arange(i, min(i + 20, tokens.n_cells)))
        genes = np.flatnonzero(model.is_gene(some))
        at = np.sort(rng.choice(genes, len(genes) // 7, replace=False))
        with model.computing():
            hidden = model.hidden(model._hide(some, at, rng), layer=-1)[0]
            losses.append(float(model._gene_loss(hidden, some, at)))
    return float(np.mean(losses))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--contexts", type=int, default=100, help="cells in which genes are tuned")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), metavar="NAME")
    args = parser.parse_args()
    sgt.settings.progress = sgt.settings.verbose = False
    adata = ad.read_h5ad(args.data / "cells/pbmc3k.h5ad")
    order = np.random.default_rng(0).permutation(adata.n_obs)
    train, held = (adata[np.sort(order[a:b])].copy() for a, b in ((0, args.cells), (args.cells, args.cells + 200)))
    sgt.models.ScNetFormer.setup_anndata(train)
    edges, classes = graphs(args.data), task(args.data)
    base = untrained_geneformer(train, **SIZES)
    print(f"{args.cells} cells, {len(base.vocabulary):,} genes, {args.epochs} epochs; held out: {held.n_obs} cells")
    rows, nets, baselines = {}, {}, None
    for name in args.variants:
        graph, options = VARIANTS[name]
        start = time.process_time()
        how = dict(options)
        if "contrast_graph" in how:
            how["contrast_graph"] = edges[how["contrast_graph"]]
        net = sgt.models.ScNetFormer(train, model=base, graph=edges[graph], **how)
        net.train(args.epochs, lr=1e-3, max_tokens=1024)  # small batches: a few hundred cells are few steps
        nets[name] = net
        table = sgt.tl.classify_genes(
            train, classes, method="finetune", model=net.model, n_cells=args.contexts, max_epochs=4, lr=1e-3,
            baselines=baselines is None, n_trees=100,
        )  # fmt: skip
        if baselines is None:
            baselines = table.iloc[2:]
        tuned, forest = table.iloc[0], table.iloc[1]
        rows[name] = {
            "edges": net.model.graph.n_edges,
            "held-out loss": heldout_loss(net, held),
            "AUC tuned": tuned.auc,
            "sd": tuned.sd,
            "AUC forest": forest.auc,
            "cpu seconds": time.process_time() - start,
        }
        print(name, {k: round(float(v), 3) for k, v in rows[name].items()}, flush=True)
    print(f"\n{pd.DataFrame(rows).T.round(3).to_string()}")
    n_genes = int(table["n_genes"].iloc[0])
    print(f"\n{n_genes} genes; baselines, random forest\n{baselines[['auc', 'sd']].round(3).to_string()}")
    print("\nAttention that factors receive in the last block, Spearman correlation with")
    dense = next((nets[n].model.graph for n in nets if VARIANTS[n][0] == "dense"), None)
    for name in ("no graph", "early, GCN-2, dense", "early, Gene2Vec, dense", "early dense + contrastive sparse"):
        if name not in nets or dense is None:
            continue
        net = nets[name]
        if name == "no graph":
            net.model.graph = dense
        found = tf_importance(net.model, held)
        print(
            f"{name}: degree {found.attrs['spearman']:.3f} (p {found.attrs['p_value']:.1g}), cells that express the factor "
            f"{found.attrs['spearman_cells']:.3f}, {len(found)} factors"
        )


if __name__ == "__main__":
    main()
