"""scGraPhT taken apart: λ, depth, schemes and pathways, the paper's choices against its code's; the paper's own figures beside.

Usage: ``python -m benchmarks.ablations.scgrapht [--data ../shared/data] [--datasets zheng_sorted_ref …] [--folds 1] [--rows P2 …]``

Every run is inductive: the cells that are scored are in no graph while it is trained. The other side of the fusion is a logistic
regression on the vectors of the bundled model, where the paper has a fine-tuned scGPT.

Rows of P1 with a known graph of genes (the paper's outlook): TRRUST, and the genes whose vectors in the bundled model are most alike.
Each has a control: the same edges, with the names of the graph's genes shuffled, so that only what is known of the genes is lost. The
difference to it is that of the accuracy over the same cells.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scgnn_tools as sgt
from benchmarks.ablations._folds import Fold, chosen, folds, score
from scgnn_tools.labels.scgrapht import ScGraPhT, fusion
from scgnn_tools.labels.scgrapht.intake import choose_genes

PAPER = """
The paper (accuracy / macro-F1, %; MS, Pancreas, Myeloid; scGPT's own splits; the run of median *test* score, the last of 3,000 epochs):
  scGPT alone                      84.96/71.13  96.41/72.82  63.47/34.16
  P2, embedding (EO)               87.55/73.99  97.66/80.14  67.97/37.29
  P2, embedding and logits (EL)    88.17/74.30  97.76/74.60  68.08/37.86
  one layer CG, EL                 82.18/68.33  97.77/75.73  64.31/34.38
  P2, EL on scBERT                 79.84        97.95        56.41          (accuracy)
  best λ of P2                     0.7 to 0.9
Not repeated here: MS, Pancreas and Myeloid, the published fine-tuned weights and their logits are not at hand, so that these figures are
quoted; joint training is tested on small networks only. What can be compared is the order: graph alone, with vectors, fused; one, two
and three layers; the four pathways; and the λ at which the fusion is best. Where genes come first (P1, P3, CG) no vectors go into the
graph, so that graph alone and with vectors are the same, as in the paper.
"""
LAMBDAS = np.round(np.linspace(0, 1, 11), 1)
# without the experts that the default has beside: the paper's parts alone
PARTS = {"max_epochs": 200, "logits": "vectors", "n_genes": 1000, "device": "cpu"}
FITS = {
    "P1 graph, whole": {"pathway": "P1", "scheme": "graph", "sparsify": "whole"},
    "P1 graph, 15 neighbours": {"pathway": "P1", "scheme": "graph"},
    "P1, whole": {"pathway": "P1", "sparsify": "whole"},
    "P1, 15 neighbours": {"pathway": "P1"},
    "P1, TRRUST": {"pathway": "P1", "gene_graph": "TRRUST"},
    "P1, TRRUST shuffled": {"pathway": "P1", "gene_graph": "TRRUST shuffled"},
    "P1, gene vectors": {"pathway": "P1", "gene_graph": "gene vectors"},
    "P1, gene vectors shuffled": {"pathway": "P1", "gene_graph": "gene vectors shuffled"},
    "P2 graph": {"pathway": "P2", "scheme": "graph"},
    "P3 graph, whole": {"pathway": "P3", "scheme": "graph", "sparsify": "whole"},
    "P3 graph, 15 neighbours": {"pathway": "P3", "scheme": "graph"},
    "P4 graph, whole": {"pathway": "P4", "scheme": "graph", "sparsify": "whole"},
    "P4 graph, 15 neighbours": {"pathway": "P4", "scheme": "graph"},
    "P2": {"pathway": "P2"},
    "P4, whole": {"pathway": "P4", "sparsify": "whole"},
    "P4, 15 neighbours": {"pathway": "P4"},
    "P4, adaptive": {"pathway": "P4", "sparsify": "adaptive"},
    "CG, one layer": {"pathway": "CG"},
    "CG-GC-CG, three layers": {"pathway": "CG-GC-CG"},
    "P2, ReLU as in the paper": {"pathway": "P2", "activation": "paper"},
    "P2, weights not normalised": {"pathway": "P2", "normalize": "none"},
    "P2, vectors and 50 PCs": {"pathway": "P2", "principal": 50},
    "P2, 1,500 genes, experts": {"pathway": "P2", "logits": "experts", "n_genes": 1500, "max_epochs": 300},
    "CG, the same: the default": {"pathway": "CG", "logits": "experts", "n_genes": 1500, "max_epochs": 300},
}


def known_graph(name: str, genes: np.ndarray) -> sp.csr_array:
    """Return what is known of some genes: TRRUST, or the 15 whose vectors are most alike, both ways."""
    adata = ad.AnnData(var=pd.DataFrame(index=pd.Index(genes.astype(str))))
    if name == "TRRUST":
        sgt.pp.prior_graph(adata, key_added="known")
        return sp.csr_array(adata.varp["known"])
    model = sgt.fm.load(sgt.fm.best_bundled())
    found, table = model.match_names(genes), model.gene_table()
    adata.varm["vectors"] = np.full((len(genes), table.shape[1]), np.nan, dtype=np.float32)
    adata.varm["vectors"][found.matched] = table[found.index[found.matched]]
    sgt.pp.gene_graph(adata, 15, use_rep="vectors", key_added="known")
    graph = sp.csr_array(adata.varp["known"])
    return sp.csr_array(graph.maximum(graph.T))


def with_graph(fold: Fold, name: str, n_genes: int, rng: int) -> Fold:
    """Return a fold whose training cells bring a known graph of genes, perhaps with the names of the graph's genes shuffled."""
    graph = known_graph(name.removesuffix(" shuffled"), fold.train.genes)
    if name.endswith(" shuffled"):
        order, at = np.arange(graph.shape[0]), choose_genes(fold.train, fold.y, "telling", n_genes)
        order[at] = np.random.default_rng(rng).permutation(at)
        graph = sp.csr_array(graph[order][:, order])
    return replace(fold, train=replace(fold.train, gene_graph=graph))


def show_difference(name: str, right: dict[str, list[np.ndarray]], control: dict[str, list[np.ndarray]]) -> None:
    for what in right:
        gain = 100 * (np.concatenate(right[what]).astype(float) - np.concatenate(control[what]))
        error = gain.std() / np.sqrt(len(gain))
        print(f"    {name} less shuffled, {what}: {gain.mean():+.2f} ± {1.96 * error:.2f} (95 %)", flush=True)


def show(name: str, runs: list[np.ndarray], more: str = "") -> None:
    mean = np.mean(runs, axis=0)
    print(f"  {name:28s} {mean[0]:6.2f}/{mean[1]:5.2f}  {more}", flush=True)


def ablate(data: Path, name: str, n: int, rows: list[str]) -> None:
    print(f"\n{name}: accuracy / macro-F1 (%), {n} of 5 folds", flush=True)
    parts, of_rows = list(folds(data, name, n)), {}
    for label, options in chosen(FITS, rows).items():
        alone, fused, lams, curve, seconds = [], [], [], [], 0.0
        more, right = "", {"graph": [], "fused": []}
        for i, one in enumerate(parts):
            given, fold = {**PARTS, **options}, one
            if "gene_graph" in given:
                fold = with_graph(one, given["gene_graph"], given["n_genes"], i)
            start = time.process_time()
            method = ScGraPhT(**given)
            method.fit(fold.train, fold.y, fold.validation, fold.y_validation, rng=i)
            seconds += time.process_time() - start
            if "gene_graph" in given:
                more = f"  {method.params['gene_graph_edges']:,} edges"
            graph, both = method.graph_scores(fold.test), method.scores(fold.test)
            alone.append(score(graph, fold.y_test))
            for what, scores in (("graph", graph), ("fused", both)):
                right[what].append(scores.argmax(axis=1) == fold.y_test)
            if method.options.fused:
                other = method.other_scores(fold.test)
                fused.append(score(both, fold.y_test))
                lams.append(method.lam)
                curve.append([score(fusion.mix(lam, graph, other, "prob"), fold.y_test) for lam in LAMBDAS])
        show(label, alone, f"{seconds / n:6.1f} s{more}")
        if fused:
            show("  fused", fused, f"λ {', '.join(f'{v:.2f}' for v in lams)} chosen on validation cells")
        of_rows[label] = right
        if (known := label.removesuffix(" shuffled")) != label and known in of_rows:
            show_difference(known, of_rows[known], right)
        if label == "P2":
            for lam, row in zip(LAMBDAS, np.mean(curve, axis=0), strict=True):
                show(
                    f"  fused, λ = {lam}",
                    [row],
                    "the vectors alone" if lam == 0 else "the graph alone" if lam == 1 else "",
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--datasets", nargs="+", default=["zheng_sorted_ref", "baron_mouse"])
    parser.add_argument("--folds", type=int, default=1)
    parser.add_argument("--rows", nargs="*", default=[], help="parts of the names of the rows; all by default")
    args = parser.parse_args()
    sgt.settings.progress = False
    print(PAPER)
    for name in args.datasets:
        ablate(args.data, name, args.folds, args.rows)


if __name__ == "__main__":
    main()
