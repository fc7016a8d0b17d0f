"""From one donor, treatment, region, laboratory or species to another: ``method="auto"`` beside its members, on every shift that is listed.

Usage: ``python -m benchmarks.shifts --data ../shared/data [--shifts NAME ...] [--baselines NAME ...] [--runs 2]``

A shift is cells with labels, those that train and those that are asked. Runs differ by the seed of the split into training and validation
cells and of the training. The members are those of the fitted ensemble; other baselines stand beside them. The best baseline of a shift is
picked by the same test scores, in its favour.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import anndata as ad
import numpy as np
import pandas as pd
import torch

import scgnn_tools as sgt
from benchmarks._cells import BLOOD, ISLET, OF_68K, OF_KANG, cells_of, named, read, references_and_query
from scgnn_tools.labels import METHODS, Cells, Ensemble, label_method
from scgnn_tools.splits import split_cells


@dataclass(frozen=True)
class Task:
    """Cells with labels, and who trains and who is tested in each run: a list of (rest, test), positions."""

    cells: Cells
    codes: np.ndarray
    runs: list[tuple[np.ndarray, np.ndarray]]


def labelled(data: Path, name: str) -> tuple[ad.AnnData, Cells, np.ndarray]:
    adata = read(data, name)
    return adata, cells_of(adata), np.unique(named(adata), return_inverse=True)[1].astype(np.int64)


def within(name: str, column: str, test: str) -> Callable[[Path], Task]:
    """One part of a set is asked, the rest of it trains; cells of classes that the rest lacks are not asked."""

    def task(data: Path) -> Task:
        adata, cells, codes = labelled(data, name)
        tested = (adata.obs[column] == test).to_numpy()
        asked = np.flatnonzero(tested & np.isin(codes, codes[~tested]))
        return Task(cells, codes, [(np.flatnonzero(~tested), asked)] * 5)

    return task


def batches(name: str) -> Callable[[Path], Task]:
    """Each batch in turn is asked; the others are told apart."""

    def task(data: Path) -> Task:
        adata, cells, codes = labelled(data, name)
        cells = replace(cells, experiments=pd.factorize(adata.obs["batch"])[0])
        parts = [(adata.obs["batch"] == b).to_numpy() for b in adata.obs["batch"].unique()]
        return Task(cells, codes, [(np.flatnonzero(~t), np.flatnonzero(t)) for t in parts] * 2)

    return task


def across(one: str, other: str, names: dict[str, str], others: dict[str, str] | None = None) -> Callable[[Path], Task]:
    """Cells of one set train, those of another one are asked, on one vocabulary and over the genes that both have."""

    def task(data: Path) -> Task:
        both = []
        for name, own in ((one, names), (other, others or names)):
            adata = read(data, name)
            both.append(adata[named(adata, names=own) != ""].copy())
        model = sgt.fm.load(sgt.fm.best_bundled())
        reference, query = references_and_query({one: both[0]}, both[1], model)
        labels = np.concatenate([named(both[0], names=names), named(both[1], names=others or names)])
        codes, n = np.unique(labels, return_inverse=True)[1], len(reference)
        asked = n + np.flatnonzero(np.isin(codes[n:], codes[:n]))
        return Task(reference.beside(query.whole()), codes, [(np.arange(n), asked)] * 5)

    return task


LUNG, BRAIN = "corpus/zilionis_mouse_lung_800", "zeisel_200genes"
SHIFTS = {
    "baron_mouse donor 1 -> 2": within("baron_mouse", "batch", "mouse2"),
    "kang control -> stimulated": within("kang_ifnb", "condition", "stimulated"),
    "sc_mixology, unseen batch": batches("sc_mixology"),
    "zheng_sorted -> pbmc3k": across("zheng_sorted_ref", "pbmc3k", BLOOD),
    "pbmc3k -> zheng_sorted": across("pbmc3k", "zheng_sorted_ref", BLOOD),
    "zheng_sorted -> pbmc68k": across("zheng_sorted_ref", "pbmc68k_reduced", BLOOD, OF_68K),
    "pbmc3k -> pbmc68k": across("pbmc3k", "pbmc68k_reduced", BLOOD, OF_68K),
    "zheng_sorted -> kang": across("zheng_sorted_ref", "kang_ifnb", BLOOD, OF_KANG),
    "lung, healthy -> tumour": within(LUNG, "tissue", "tumor"),
    "lung, tumour -> healthy": within(LUNG, "tissue", "healthy"),
    "brain, cortex -> hippocampus": within(BRAIN, "tissue", "ca1hippocampus"),
    "brain, hippocampus -> cortex": within(BRAIN, "tissue", "sscortex"),
    "baron_mouse -> human islets": across("baron_mouse", "xin_pancreas_subset_log", {t: t for t in ISLET}),
}
"""All of them; ``benchmarks.annotation`` takes its own from here."""

BASELINES = ["logreg_pca", "logreg_genes", "svm_genes", "sgd_genes", "knn_pca", "knn_rep", "gcn_pca"]
"""Beside the members, which are baselines too."""


def scores(task: Task, run: int, baselines: list[str]) -> dict[str, float]:
    """Return the macro-F1 of the ensemble, of its members and of baselines, and the share of cells on which all members agree."""
    rest, test = task.runs[run]
    present, codes = np.unique(task.codes[rest], return_inverse=True)
    part, _ = split_cells(codes, test=0, rng=run)
    train, validation = rest[part == 0], rest[part == 1]
    sides = task.cells.take(train), codes[part == 0], task.cells.take(validation), codes[part == 1]
    asked, truth = task.cells.take(test), task.codes[test]

    def right(s: np.ndarray) -> float:
        return sgt.metrics.annotation(truth, present[s.argmax(axis=1)])["macro_f1"]

    auto = cast("Ensemble", label_method("auto").fit(*sides, rng=run))
    mixed, agreement = auto.consensus(asked)
    out = {"auto": right(mixed)} | {name: right(s) for name, s in auto.part_scores(asked).items()}
    for name in baselines:
        out[name] = right(label_method(name).fit(*sides, rng=run).scores(asked))
    good = present[mixed.argmax(axis=1)] == truth
    return out | {"agreed": float((agreement == 1).mean()), "right if agreed": float(good[agreement == 1].mean())}


def table(rows: pd.DataFrame) -> str:
    """Return means over runs a shift, the mean and the worst of each method, and ``auto`` beside the best baseline of each shift."""
    means = rows.groupby("shift", sort=False).mean()
    methods = [m for m in means if m in METHODS]
    others = means[[m for m in methods if METHODS[m].kind == "baseline"]]
    shown = means.drop(columns="run")
    shown.insert(len(methods), "best baseline", others.idxmax(axis=1))
    shown.insert(len(methods) + 1, "auto minus it", means["auto"] - others.max(axis=1))
    behind = means[methods].sub(means[methods].max(axis=1), axis=0)
    of_methods = pd.DataFrame(
        {
            "mean": means[methods].mean(), "worst": means[methods].min(),
            "mean behind the best": behind.mean(), "most behind the best": behind.min(),
        }
    )  # fmt: skip
    return f"macro-F1\n{shown.round(3).to_string()}\n\nover the shifts\n{of_methods.round(3).to_string()}"


def lead(rows: pd.DataFrame) -> str:
    """Say by how much ``auto`` leads the best single method on the mean, with an interval over the shifts."""
    means = rows.groupby("shift", sort=False).mean()
    single = means[[m for m in means if m in METHODS and m != "auto"]]
    best = single.mean().idxmax()
    draws = np.random.default_rng(0).choice(means["auto"] - single[best], (10_000, len(means))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    difference = (means["auto"] - single[best]).mean()
    return f"auto minus {best}, the best single method on the mean: {difference:+.3f} ({low:+.3f} to {high:+.3f}, shifts drawn again)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--shifts", nargs="+", default=list(SHIFTS), choices=list(SHIFTS))
    parser.add_argument(
        "--baselines", nargs="*", default=BASELINES, choices=[n for n, e in METHODS.items() if e.installed]
    )
    parser.add_argument("--runs", type=int, default=2)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sgt.settings.progress = False
    torch.set_num_threads(1)
    rows = []
    for name in args.shifts:
        task = SHIFTS[name](args.data)
        for run in range(min(args.runs, len(task.runs))):
            rows.append({"shift": name, "run": run, **scores(task, run, args.baselines)})
            print(f"{name}, run {run}: auto {rows[-1]['auto']:.3f}", file=sys.stderr, flush=True)
    print(f"{table(pd.DataFrame(rows))}\n\n{lead(pd.DataFrame(rows))}")


if __name__ == "__main__":
    main()
