"""Annotation methods beside their baselines: accuracy and macro-F1, seconds and memory, and who wins.

Usage: ``python -m benchmarks.annotation --data ../shared/data [--tasks pbmc3k ...] [--methods auto ...] [--runs 6] [--sizes]``

Five folds of each data set, and what a user does: another donor, stimulated cells from unstimulated ones, a batch that was not seen, and
another laboratory's cells. Where the test cells are fixed, the runs differ by the seed of the split into training and validation cells and
of the training. ``--store`` keeps each result, so that a run that was stopped goes on. Methods that are transductive see the test cells,
without labels; all others do not. Each fit runs in a process of its own, whose peak memory is shown, Python and PyTorch included.
"""

import argparse
import json
import multiprocessing
import resource
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import StratifiedKFold

import scgnn_tools as sgt
from benchmarks.shifts import SHIFTS, Task, labelled
from scgnn_tools.labels import METHODS, label_method
from scgnn_tools.splits import split_cells


def folds(name: str) -> Callable[[Path], Task]:
    def task(data: Path) -> Task:
        _, cells, codes = labelled(data, name)
        return Task(cells, codes, list(StratifiedKFold(5, shuffle=True, random_state=0).split(codes, codes)))

    return task


def drawn(name: str, share: float) -> Callable[[Path], Task]:
    """That share of each class trains, the others are asked; five draws."""

    def task(data: Path) -> Task:
        _, cells, codes = labelled(data, name)
        runs = []
        for run in range(5):
            part, _ = split_cells(codes, validation=0, test=1 - share, rng=run)
            runs.append((np.flatnonzero(part == 0), np.flatnonzero(part == 2)))
        return Task(cells, codes, runs)

    return task


IN_TABLE = (
    "baron_mouse donor 1 -> 2",
    "kang control -> stimulated",
    "sc_mixology, unseen batch",
    "zheng_sorted -> pbmc3k",
)
"""Of the shifts; the others are scored by ``benchmarks.shifts`` alone."""
TASKS = {
    "pbmc3k": folds("pbmc3k"),
    "zheng_sorted": folds("zheng_sorted_ref"),
    "baron_mouse": folds("baron_mouse"),
    "kang": folds("kang_ifnb"),
    **{name: SHIFTS[name] for name in IN_TABLE},
}
SIZES = {
    f"{name}, {share:.0%} labelled": drawn(of, share)
    for share in (0.05, 0.2)
    for name, of in (
        ("pbmc3k", "pbmc3k"),
        ("zheng_sorted", "zheng_sorted_ref"),
        ("baron_mouse", "baron_mouse"),
        ("kang", "kang_ifnb"),
    )
}
"""Smaller sets of training cells; the folds above train on 80 %. Only with ``--tasks`` or ``--sizes``."""


def measure(task: Task, method: str, run: int, pipe: Connection) -> None:
    """Fit and score once, and send what came out; runs in a process of its own."""
    warnings.simplefilter("ignore")
    rest, test = task.runs[run]
    # classes that the rest lacks cannot be learnt; codes without gaps are what methods want
    present, codes = np.unique(task.codes[rest], return_inverse=True)
    part, _ = split_cells(codes, test=0, rng=run)
    train, validation = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    tested, start = task.cells.take(test), time.perf_counter()
    fitted = label_method(method).fit(
        task.cells.take(rest[train]),
        codes[train],
        task.cells.take(rest[validation]),
        codes[validation],
        unlabeled=tested if METHODS[method].transductive else None,
        rng=run,
    )
    predicted = present[fitted.scores(tested).argmax(axis=1)]
    metrics = sgt.metrics.annotation(task.codes[test], predicted)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    pipe.send({**metrics, "seconds": time.perf_counter() - start, "peak GB": peak})


def apart(task: Task, method: str, run: int) -> dict:
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=measure, args=(task, method, run, theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()


def stored(file: Path | None) -> dict[tuple[str, str, int], dict]:
    """Return the results that an earlier run kept, by task, method and run."""
    lines = file.read_text().splitlines() if file is not None and file.is_file() else []
    return {(row["task"], row["method"], row["run"]): row for row in map(json.loads, lines)}


def keep(file: Path | None, row: dict) -> None:
    """Add a result to those that are kept."""
    if file is not None:
        with file.open("a") as out:
            out.write(json.dumps(row, default=float) + "\n")


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return mean ± sd a task and method."""
    groups = rows.groupby(["task", "method"], sort=False)
    out = pd.DataFrame({"runs": groups.size()})
    for name in ("accuracy", "macro_f1"):
        out[name] = [
            f"{m:.3f} ± {s:.3f}" for m, s in zip(groups[name].mean(), groups[name].std().fillna(0), strict=True)
        ]
    out["seconds"], out["peak GB"] = groups["seconds"].mean().round(1), groups["peak GB"].max().round(2)
    return out


def verdicts(rows: pd.DataFrame, method: str) -> list[dict]:
    """Compare a method with the best baseline of each task by macro-F1, paired over runs; a tie is within one standard error."""
    out = []
    for task, part in rows.groupby("task", sort=False):
        wide = part.pivot_table(index="run", columns="method", values="macro_f1")
        baselines = [m for m in wide if METHODS[m].kind == "baseline"]
        if method not in wide or not baselines:
            continue
        # the best is the one that the method is furthest behind, or least ahead of
        best = wide[baselines].rsub(wide[method], axis=0).mean().idxmin()
        both = wide[[method, best]].dropna()
        difference = both[method] - both[best]
        error = difference.std() / np.sqrt(len(difference)) if len(difference) > 1 else float("nan")
        word = "ties" if abs(difference.mean()) <= error else "wins" if difference.mean() > 0 else "loses"
        out.append(
            {
                "task": task, "method": method, "best baseline": best, "runs": len(both), "macro_f1": both[method].mean(),
                "its macro_f1": both[best].mean(), "difference": difference.mean(), "standard error": error,
                "verdict": word,
            }
        )  # fmt: skip
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS | SIZES))
    parser.add_argument("--sizes", action="store_true", help="5 %% and 20 %% of four sets train, in place of the tasks")
    installed = [n for n, e in METHODS.items() if e.installed]
    parser.add_argument("--methods", nargs="+", default=installed, choices=list(METHODS))
    parser.add_argument("--runs", type=int, default=6, help="most runs a task")
    parser.add_argument("--store", type=Path, help="file of finished runs, a JSON object a line")
    parser.add_argument("--quiet", action="store_true", help="print the tables alone")
    args = parser.parse_args()
    sgt.settings.progress, out = False, []
    torch.set_num_threads(1)  # before any fit, so that the children of the fork share no pool of threads
    args.tasks = list(SIZES) if args.sizes else args.tasks
    tasks = {name: (TASKS | SIZES)[name](args.data) for name in args.tasks}
    kept = stored(args.store)
    for run in range(args.runs):  # all tasks once, then all again: what is printed early is of every task
        for name, task in tasks.items():
            for method in args.methods if run < len(task.runs) else []:
                row = kept.get((name, method, run))
                if row is None:
                    row = {"task": name, "method": method, "run": run, **apart(task, method, run)}
                    keep(args.store, row)
                out.append(row)
                if not args.quiet:
                    line = "{task} {method} run {run}: {accuracy:.3f} {macro_f1:.3f} {seconds:.1f} s".format(**row)
                    print(line, flush=True)
    rows = pd.DataFrame(out)
    rows["task"] = pd.Categorical(rows["task"], categories=args.tasks)
    rows = rows.sort_values("task", kind="stable").astype({"task": str})
    print(table(rows).to_string())
    found = pd.DataFrame([v for m in args.methods if METHODS[m].kind == "method" for v in verdicts(rows, m)])
    if len(found):
        print(
            "\nAgainst the best baseline of each task, by macro-F1, paired over runs; a tie is within one standard error\n"
        )
        print(found.round(3).to_string(index=False))
        print(pd.crosstab(found["method"], found["verdict"]).to_string())


if __name__ == "__main__":
    main()
