"""Held-out perturbations of a screen: every method, the mean of training, no change and the other half of the cells.

Usage: ``python -m benchmarks.perturbation --data ../shared/data [--methods kernel …] [--halves 6] [--networks] [--kang]``

Papalexi's 18 knock-outs (17,018 THP-1 cells, 299 genes), one left out at a time: all, and the six with a signal. ``kernel X`` is the kernel
on the source X. ``--kang`` holds a cell type of stimulated blood out instead. ``--networks`` trains small networks in five folds, over the
100 genes that vary most and those knocked out, with and without their graph and their start (``NETWORKS``).
"""

import argparse
import time
import warnings
from pathlib import Path

import anndata as ad
import pandas as pd

import scgnn_tools as sgt

COLUMNS = {
    "mse": "mse", "pearson_delta": "Δ", "mse_20": "mse_20", "pearson_delta_20": "Δ_20", "direction_20": "sign_20",
    "direction3_20": "sign3_20", "pearson_delta_ref": "Δ_ref", "centroid": "centroid", "overlap_20": "overlap", "auprc_de": "AUPRC",
    "auprc_de_base": "base",
}  # fmt: skip
THOUSANDTHS = ("mse", "mse_20")
METHODS = ["kernel", "kernel go prior vectors", "kernel prior", "kernel vectors", "linear related"]
NETWORKS = ["cgc", "cgc no graph", "cgc no pretrain", "scgpt", "scgpt no pretrain"]
SMALL = {"split": "unseen", "n_genes": 100, "cells_per_condition": 16, "max_epochs": 6}


def options(name: str) -> dict:
    """Return the arguments of a row: a method, then its sources of relations."""
    method, *sources = name.split()
    if name in NETWORKS:
        return {"method": method, **dict.fromkeys(sources[1:], False)}
    if method == "linear":
        return {"method": method, "embedding": "related"}
    return {"method": method, "features": sources or "go"}


def shown(table: pd.DataFrame) -> pd.DataFrame:
    out = table[[c for c in COLUMNS if c in table]].copy()
    out[list(THOUSANDTHS)] *= 1e3
    return out.rename(columns=COLUMNS)


def run(adata: ad.AnnData, key: str, methods: list[str], halves: int, seed: int, **how) -> None:
    """Print the tables of all methods on one screen; the baselines are those of the first."""
    whole, strong, words = {}, {}, {}
    for name in methods:
        start = time.perf_counter()
        sgt.tl.perturb(adata, key, n_halves=halves, rng=seed, **how, **options(name))
        found = adata.uns["sgt_perturb"]
        table = found["evaluation"].rename(index={options(name)["method"]: name})
        second = found.get("evaluation_signal")
        whole |= {m: r for m, r in table.iterrows() if m == name or name == methods[0]}
        if second is not None:
            second = second.rename(index={options(name)["method"]: name})
            strong |= {m: r for m, r in second.iterrows() if m == name or name == methods[0]}
        words[name] = f"{found['verdict']} ({time.perf_counter() - start:.0f} s)"
        if name == methods[0]:
            differences, signal = found["paired"], found["signal"]
    for title, rows in (("all conditions", whole), ("those with a signal", strong)):
        if rows:
            table = pd.DataFrame(rows).T.infer_objects()
            print(f"\n{title}: {int(table['n'].iloc[0])}; mse × 10³")
            print(shown(table).astype(float).round(3).to_string())
    print(f"\n{methods[0]} less each baseline, mse × 10³ with a 95 % interval over conditions")
    print((differences[["mse", "mse_low", "mse_high"]] * 1e3).round(2).to_string())
    print("\nsignal of each condition")
    print(signal.round(3).to_string())
    for text in words.values():
        print(f"\n{text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--methods", nargs="*", default=METHODS)
    parser.add_argument("--halves", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kang", action="store_true")
    parser.add_argument("--networks", action="store_true", help="small networks in place of the methods")
    args = parser.parse_args()
    sgt.settings.progress = sgt.settings.verbose = False
    warnings.simplefilter("ignore")
    pd.set_option("display.width", 200, "display.max_columns", 30)
    if args.kang:
        adata = ad.read_h5ad(args.data / "cells/kang_ifnb.h5ad")
        print(f"kang: {adata.n_obs:,} cells, stimulated or not, a cell type held out")
        run(adata, "condition", ["kernel"], args.halves, args.seed, cell_type_key="cell_type", control="control")
        return
    adata = ad.read_h5ad(args.data / "perturb/papalexi_eccite.h5ad")
    if args.networks:
        how = ", ".join(f"{k}={v}" for k, v in SMALL.items())
        print(f"papalexi: {adata.n_obs:,} cells, small networks; {how}; one halving")
        run(adata, "perturbation", NETWORKS, 1, args.seed, batch_key="batch", **SMALL)
        return
    print(
        f"papalexi: {adata.n_obs:,} cells × {adata.n_vars} genes, one knock-out left out at a time, {2 * args.halves} halves"
    )
    run(adata, "perturbation", args.methods, args.halves, args.seed, batch_key="batch")


if __name__ == "__main__":
    main()
