"""Classes of change in bulk: pseudobulk of papalexi's screen, every method beside counting baselines and a replicate.

Usage: ``python -m benchmarks.knockout --data ../shared/data [--folds 2] [--splits unseen_target …] [--methods counting …] [--networks]``

18 targets × 3 replicates, counts of the cells of each summed; an experiment is a target in a replicate, beside the replicate's controls. A
pseudocount of one count in ten thousand. Few genes, few counts: what a replicate says of another is little, and no method can say more.
``--networks`` trains small networks on the six targets with a signal, with and without their graph and their start.
"""

import argparse
import time
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scgnn_tools as sgt

COLUMNS = [
    "auprc", "auprc_low", "auprc_high", "auprc_base", "auprc_ratio", "auroc", "macro_f1", "macro_f1_low", "macro_f1_high", "accuracy",
    "accuracy_majority", "opposite", "direction", "mcc", "brier", "pearson_delta",
]  # fmt: skip
METHODS = ["counting", "ridge"]
NETWORKS = ["counting", "cgc", "cgc graph", "cgc pretrain", "scgpt", "scgpt pretrain"]
EPOCHS = 20
SIGNAL = ["BRD4", "CUL3", "IFNGR1", "IFNGR2", "IRF1", "JAK2"]
CONTROL = "non-targeting"


def pseudobulk(adata: ad.AnnData) -> ad.AnnData:
    """Return the sums of the counts of each target in each replicate, the controls of a replicate once an experiment."""
    target, study = adata.obs["perturbation"].astype(str).to_numpy(), adata.obs["batch"].astype(str).to_numpy()
    names, code = np.unique(target + "|" + study, return_inverse=True)
    sums = sp.csr_array((np.ones(len(code)), (code, np.arange(len(code)))), shape=(len(names), len(code))) @ adata.X
    at = {n: i for i, n in enumerate(names)}
    rows, obs = [], []
    for name in names:
        t, s = name.split("|")
        if t != CONTROL:
            rows += [at[name], at[f"{CONTROL}|{s}"]]
            obs += [(name, "knockout", t, s), (name, "control", t, s)]
    table = pd.DataFrame(obs, columns=["experiment", "role", "target", "study"])
    return ad.AnnData(sp.csr_matrix(sums)[rows], obs=table.set_index(table.index.astype(str)), var=adata.var)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folds", nargs="*", type=float, default=[2.0, 1.25])
    parser.add_argument(
        "--methods", nargs="*", default=METHODS, help='a method, and after it what is switched off: "cgc graph"'
    )
    parser.add_argument("--targets", choices=["all", "signal"], nargs="*", default=["all", "signal"])
    parser.add_argument("--splits", nargs="*", default=["unseen_target", "unseen_study", "unseen_both", "random"])
    parser.add_argument("--networks", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.networks:
        args.methods, args.targets = NETWORKS, ["signal"]
    sgt.settings.progress = sgt.settings.verbose = False
    warnings.simplefilter("ignore")
    pd.set_option("display.width", 250, "display.max_columns", 30)
    whole = pseudobulk(ad.read_h5ad(args.data / "perturb/papalexi_eccite.h5ad"))
    total = float(np.median(np.asarray(whole.X.sum(axis=1))))
    strong = whole[whole.obs["target"].isin(SIGNAL)].copy()
    runs = [(f, s, "18 targets", whole) for f in args.folds for s in args.splits[: None if f == args.folds[-1] else 1]]
    runs = runs if "all" in args.targets else []
    runs += [(f, "unseen_target", "the six with a signal", strong) for f in args.folds if "signal" in args.targets]
    for fold, split, name, adata in runs:
        start, rows, verdicts = time.perf_counter(), {}, []
        how = {
            "fold": fold,
            "split": split,
            "n_folds": 18 if split == "unseen_target" else 5,
            "pseudocount": total / 1e4,
            "max_epochs": EPOCHS if args.networks else None,
        }
        for asked in args.methods:
            method, *off = asked.split()
            sgt.tl.knockout_bulk(adata, method=method, rng=args.seed, **how, **dict.fromkeys(off, False))
            found = adata.uns["sgt_knockout"]
            label = " without ".join([method, *off])
            table = found["evaluation"].rename(index={method: label})
            rows |= {m: r for m, r in table.iterrows() if m == label or asked == args.methods[0]}
            if asked == args.methods[0]:
                first = found
            verdicts.append(label + found["verdict"].removeprefix(method))
        params = first["params"]
        seen = f"target in training {params['share_target_seen']:.0%}, study {params['share_study_seen']:.0%}"
        what = f"{params['n_experiments']} experiments, {params['share_changed']:.1%} of genes changed"
        print(f"\n{name}, {fold:g}-fold, {split}: {what}; {seen} ({time.perf_counter() - start:.0f} s)")
        print(pd.DataFrame(rows).T[COLUMNS].astype(float).round(3).to_string())
        print("\n".join(verdicts))


if __name__ == "__main__":
    main()
