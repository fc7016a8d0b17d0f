"""scGraPhT taken apart: λ, depth, schemes and pathways, the paper's choices against its code's; the paper's own figures beside.

Usage: ``python -m benchmarks.ablations.scgrapht [--data ../shared/data] [--datasets zheng_sorted_ref …] [--folds 1] [--rows P2 …]``

Every run is inductive: the cells that are scored are in no graph while it is trained. The other side of the fusion is a logistic
regression on the vectors of the bundled model, where the paper has a fine-tuned scGPT.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import scgnn_tools as sgt
from benchmarks.ablations._folds import chosen, folds, score
from scgnn_tools.labels.scgrapht import ScGraPhT, fusion

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


def show(name: str, runs: list[np.ndarray], more: str = "") -> None:
    mean = np.mean(runs, axis=0)
    print(f"  {name:28s} {mean[0]:6.2f}/{mean[1]:5.2f}  {more}", flush=True)


def ablate(data: Path, name: str, n: int, rows: list[str]) -> None:
    print(f"\n{name}: accuracy / macro-F1 (%), {n} of 5 folds", flush=True)
    parts = list(folds(data, name, n))
    for label, options in chosen(FITS, rows).items():
        alone, fused, lams, curve, seconds = [], [], [], [], 0.0
        for i, fold in enumerate(parts):
            start = time.process_time()
            method = ScGraPhT(**{**PARTS, **options})
            method.fit(fold.train, fold.y, fold.validation, fold.y_validation, rng=i)
            seconds += time.process_time() - start
            graph = method.graph_scores(fold.test)
            alone.append(score(graph, fold.y_test))
            if method.options.fused:
                other = method.other_scores(fold.test)
                fused.append(score(method.scores(fold.test), fold.y_test))
                lams.append(method.lam)
                curve.append([score(fusion.mix(lam, graph, other, "prob"), fold.y_test) for lam in LAMBDAS])
        show(label, alone, f"{seconds / n:6.1f} s")
        if fused:
            show("  fused", fused, f"λ {', '.join(f'{v:.2f}' for v in lams)} chosen on validation cells")
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
