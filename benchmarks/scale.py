"""CPU seconds and peak memory of every call of ``tl`` at 10,000 to a million cells, beside what one would else pick.

Usage: ``python -m benchmarks.scale --data ../shared/data [--cells 10000 100000] [--jobs embed …] [--minutes 10]``

The cells are those of pbmc3k, repeated with every count kept with probability 0.9, as in ``benchmarks.memory``; a fifth has a label. Each
row is a process of its own on one thread, unless ``--threads`` says otherwise: seconds of the processor, which other work on the machine
hardly changes, and the process's peak memory, Python and the object included. What takes longer than ``--minutes`` of the processor (or ten
times that on the clock), or fails, says so. Peers that are not installed are left out. ``--file`` keeps the cells for the next command.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd

from benchmarks import memory

SHARE_LABELLED = 0.2


def make(data: Path, path: Path, n_cells: int) -> None:
    """Write a file of cells with labels, a fifth of them known, and two batches."""
    source = data / "cells/pbmc3k.h5ad"
    memory.make(source, path, n_cells)
    real, rng = ad.read_h5ad(source), np.random.default_rng(0)
    kind = real.obs["cell_type"].astype(str).to_numpy()[np.arange(n_cells) % real.n_obs]
    partly = np.where(rng.random(n_cells) < SHARE_LABELLED, kind, "Unknown")
    batch = np.where(np.arange(n_cells) < n_cells // 2, "a", "b")
    columns = {"cell_type": pd.Categorical(kind), "partly": pd.Categorical(partly), "batch": pd.Categorical(batch)}
    with h5py.File(path, "r+") as file:
        index = ad.io.read_elem(file["obs"]).index
        del file["obs"]
        ad.io.write_elem(file, "obs", pd.DataFrame(columns, index=index))


def _tl(name: str, **options: Any) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        import scgnn_tools as sgt

        getattr(sgt.tl, name)(ad.read_h5ad(path), **options)

    return run


def _backed(name: str, **options: Any) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        import scgnn_tools as sgt

        getattr(sgt.tl, name)(ad.read_h5ad(path, backed="r"), **options)

    return run


def _store(path: Path) -> None:
    import scgnn_tools as sgt

    with tempfile.TemporaryDirectory() as folder:
        sgt.tl.embed(path, store=Path(folder) / "x.zarr")


def _programs(path: Path) -> None:
    import scgnn_tools as sgt

    adata = ad.read_h5ad(path)
    sgt.tl.embed(adata)
    sgt.tl.gene_programs(adata, groupby="cell_type")


def _activity(path: Path) -> None:
    import scgnn_tools as sgt

    adata = ad.read_h5ad(path)
    sgt.tl.infer_grn(adata, method="degree", n_runs=1, controls=False)
    sgt.tl.tf_activity(adata)


def _compared(path: Path) -> None:
    import scgnn_tools as sgt

    adata = ad.read_h5ad(path)
    sgt.tl.infer_grn(adata, method="degree", groupby="batch", n_runs=1, controls=False)
    sgt.tl.compare_grn(adata, "a", "b")


def _knocked_out(path: Path) -> None:
    import scgnn_tools as sgt

    adata = ad.read_h5ad(path)
    sgt.tl.infer_grn(adata, method="degree", n_runs=1, controls=False)
    sgt.tl.tf_knockout(adata, "SPI1", labels_key="cell_type")


def _perturbed(path: Path) -> None:
    """Predict perturbations of forty genes, which are names alone here: a tenth of the cells is control."""
    import scgnn_tools as sgt

    adata = ad.read_h5ad(path)
    seen = np.asarray(adata[:1000].X.sum(axis=0)).ravel()
    names = np.array([*adata.var_names[np.argsort(-seen)[:40]], *["control"] * 4], dtype=object)
    adata.obs["perturbation"] = pd.Categorical(names[np.arange(adata.n_obs) % len(names)])
    sgt.tl.perturb(adata, "perturbation")


def _pca(path: Path) -> ad.AnnData:
    import scanpy as sc

    adata = ad.read_h5ad(path)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=2000)
    sc.pp.pca(adata, n_comps=50, mask_var="highly_variable")
    return adata


def _leiden(path: Path) -> None:
    import scanpy as sc

    adata = _pca(path)
    sc.pp.neighbors(adata)
    sc.tl.leiden(adata, flavor="igraph", n_iterations=2)


def _logreg(path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    adata = _pca(path)
    known = (adata.obs["partly"] != "Unknown").to_numpy()
    x, y = adata.obsm["X_pca"], adata.obs["cell_type"].astype(str).to_numpy()
    LogisticRegression(max_iter=1000).fit(x[known], y[known]).predict_proba(x)


def _celltypist(path: Path) -> None:
    import celltypist
    import scanpy as sc

    adata = ad.read_h5ad(path)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    known = adata[(adata.obs["partly"] != "Unknown").to_numpy()].copy()
    celltypist.annotate(adata, model=celltypist.train(known, labels="cell_type", use_SGD=True))


def _halves(path: Path) -> tuple[ad.AnnData, ad.AnnData]:
    """Return every second cell, labelled, and the others without labels."""
    adata = ad.read_h5ad(path)
    even = np.arange(adata.n_obs) % 2 == 0
    query = adata[~even].copy()
    query.obs = query.obs[[]]
    return adata[even].copy(), query


def _annotator(**options: Any) -> Callable[[Path], None]:
    """Train an annotator on half of the cells and label the other half, the evaluation beside the baselines included."""

    def run(path: Path) -> None:
        from scgnn_tools.annotation import Annotator

        reference, query = _halves(path)
        Annotator.fit(reference, "cell_type", **options).annotate(query)

    return run


def _method(method: str) -> Callable[[Path], None]:
    """Train a method on half of the cells and label the other half, and nothing else: no evaluation, no baselines, no Unknown."""

    def run(path: Path) -> None:
        from benchmarks._cells import cells_of
        from scgnn_tools.labels import label_method
        from scgnn_tools.splits import split_cells

        reference, query = _halves(path)
        codes = np.unique(reference.obs["cell_type"].astype(str), return_inverse=True)[1]
        cells, (part, _) = cells_of(reference), split_cells(codes, test=0)
        a, b = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
        label_method(method).fit(cells.take(a), codes[a], cells.take(b), codes[b], rng=0).scores(cells_of(query))

    return run


def _celltypist_halves(**options: Any) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        import celltypist
        import scanpy as sc

        both = _halves(path)
        for adata in both:
            sc.pp.normalize_total(adata, target_sum=1e4)
            sc.pp.log1p(adata)
        celltypist.annotate(both[1], model=celltypist.train(both[0], labels="cell_type", use_SGD=True, **options))

    return run


def _celltypist_algorithm(path: Path, top_genes: int | None = None) -> None:
    """Do what CellTypist's mini-batch training does with scikit-learn, and label with it: the stand-in where it does not install.

    Log-normalised counts, genes centred, scaled and clipped at ten, one-against-all logistic regression by stochastic gradient descent in
    batches of 1,000, a hundred at most in each of ten epochs. Unlike CellTypist it makes one batch dense at a time and not the whole
    matrix, which takes a tenth of the memory. ``top_genes`` trains a second time on so many genes of each class (``feature_selection``).
    """
    import scanpy as sc
    from sklearn.linear_model import SGDClassifier
    from sklearn.preprocessing import StandardScaler

    reference, query = _halves(path)
    for adata in (reference, query):
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
    y = reference.obs["cell_type"].astype(str).to_numpy()
    scaler = StandardScaler(with_mean=False).fit(reference.X)
    mean, scale = np.asarray(reference.X.mean(axis=0)).ravel().astype(np.float32), scaler.scale_.astype(np.float32)

    def dense(x: Any, genes: np.ndarray) -> np.ndarray:
        return np.minimum((x[:, genes].toarray() - mean[genes]) / scale[genes], 10)

    def trained(genes: np.ndarray) -> SGDClassifier:
        model, rng, classes = SGDClassifier(loss="log_loss", alpha=1e-4), np.random.default_rng(0), np.unique(y)
        for _ in range(10):
            order = rng.permutation(len(y))
            for start in range(0, min(len(y), 100_000), 1000):
                at = order[start : start + 1000]
                model.partial_fit(dense(reference.X[at], genes), y[at], classes=classes)
        return model

    genes = np.flatnonzero(scaler.var_ > 0)
    model = trained(genes)
    if top_genes is not None:
        genes = genes[np.unique(np.argsort(-np.abs(model.coef_), axis=1)[:, :top_genes])]
        model = trained(genes)
    for start in range(0, query.n_obs, 1000):
        model.predict_proba(dense(query.X[start : start + 1000], genes))


def _celltypist_algorithm_chosen(path: Path) -> None:
    _celltypist_algorithm(path, top_genes=300)


def _grnboost(path: Path) -> None:
    """GRNBoost2 as the package has it, since arboreto does not run with today's dask."""
    _tl("infer_grn", method="grnboost2", n_runs=1, controls=False)(path)


JOBS: dict[str, Callable[[Path], object]] = {
    "embed": _backed("embed"),
    "embed to a store": _store,
    "embed(adapt)": _backed("embed", adapt=True),
    "annotate, bundled reference": _backed("annotate", method="scgrapht"),
    "annotate, auto, bundled reference": _backed("annotate"),
    "annotate, logreg_pca, a fifth labelled": _tl("annotate", labels_key="partly", method="logreg_pca"),
    "annotate, scgrapht, a fifth labelled": _tl("annotate", labels_key="partly", method="scgrapht"),
    "Annotator, auto: fit on half, label half": _annotator(),
    "Annotator, scgrapht: fit on half, label half": _annotator(method="scgrapht"),
    "Annotator, logreg_rep: fit on half, label half": _annotator(method="logreg_rep"),
    "logreg_rep alone: the same, no evaluation": _method("logreg_rep"),
    "scgrapht alone: the same, no evaluation": _method("scgrapht"),
    "auto alone: the same, no evaluation": _method("auto"),
    "CellTypist: train on half, label half": _celltypist_halves(),
    "CellTypist, mini-batches: the same": _celltypist_halves(mini_batch=True),
    "CellTypist's algorithm (scikit-learn): the same": _celltypist_algorithm,
    "CellTypist's algorithm, 300 genes a class: the same": _celltypist_algorithm_chosen,
    "infer_grn": _tl("infer_grn"),
    "infer_grn(groupby)": _tl("infer_grn", groupby="cell_type"),
    "gene_programs": _programs,
    "integrate, center": _tl("integrate", batch_key="batch", method="center"),
    "integrate, harmony": _tl("integrate", batch_key="batch", method="harmony"),
    "infer_grn(degree), tf_activity": _activity,
    "infer_grn(degree, groupby), compare_grn": _compared,
    "infer_grn(degree), tf_knockout": _knocked_out,
    "perturb": _perturbed,
    "explain, a fifth labelled": _tl("explain", labels_key="partly"),
    "scanpy: normalise, HVG, PCA": _pca,
    "scanpy: the same, neighbours, Leiden": _leiden,
    "scikit-learn: PCA, logistic regression": _logreg,
    "CellTypist: train on a fifth, label": _celltypist,
    "GRNBoost2": _grnboost,
}


def measure(job: str, path: Path, minutes: float) -> None:
    """Run one job and print what it took as JSON; runs in a process of its own, which the system ends after its time."""
    seconds = max(1, round(60 * minutes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    import scgnn_tools as sgt

    warnings.simplefilter("ignore")
    sgt.settings.progress = sgt.settings.verbose = False
    start, cpu = time.perf_counter(), time.process_time()
    JOBS[job](path)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    print(json.dumps({"CPU s": cpu, "clock s": seconds, "peak GB": peak}))


def row(job: str, path: Path, n_cells: int, minutes: float, threads: int) -> dict[str, Any]:
    """Return what a job takes, in a child process."""
    out: dict[str, Any] = {"cells": n_cells, "job": job}
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.scale", "--measure", str(path), "--jobs", job]
    command += ["--minutes", str(minutes)]
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=600 * minutes)
    except subprocess.TimeoutExpired:
        return {**out, "note": f"not done in {10 * minutes:g} min of the clock"}
    if done.returncode == -signal.SIGXCPU:
        return {**out, "note": f"not done in {minutes:g} min"}
    if done.returncode == 0:
        return {**out, **json.loads(done.stdout.splitlines()[-1])}
    last = (done.stderr.strip().splitlines() or [""])[-1]
    missing = "ModuleNotFoundError" in last or "MissingExtraError" in last
    note = "not installed" if missing else f"ended with {done.returncode}: {last[:80]}"
    return {**out, "note": note}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000], help="300000 and 1000000 take hours")
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--minutes", type=float, default=10.0, help="of the processor, for a job")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--file", type=Path, help="cells of one size are kept here, and taken from here")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.file and len(args.cells) > 1:
        parser.error("--file holds cells of one size: pass one number to --cells")
    if args.measure:
        measure(args.jobs[0], args.measure, args.minutes)
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n in args.cells:
            path = args.file or Path(folder) / f"{n}.h5ad"
            if not path.exists():
                make(args.data, path, n)
            for job in args.jobs:
                rows.append(row(job, path, n, args.minutes, args.threads))
                print(
                    "  ".join(f"{v:,.1f}" if isinstance(v, float) else str(v) for v in rows[-1].values()),
                    file=sys.stderr,
                )
            if args.file is None:
                path.unlink()
    table = pd.DataFrame(rows).reindex(columns=["cells", "job", "CPU s", "clock s", "peak GB", "note"])
    print(
        table.to_string(index=False, na_rep="", float_format=lambda v: f"{v:,.1f}", formatters={"cells": "{:,}".format})
    )


if __name__ == "__main__":
    main()
