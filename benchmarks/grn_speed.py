"""What inferring a network costs: the default method and its controls beside GRNBoost2's algorithm, scoring, co-expression, a knock-out.

GRNBoost2's algorithm is ``link_predictor("grnboost2")`` (arboreto's settings on scikit-learn), timed on a few targets and multiplied to
all of them: the whole would take an hour. Both run in one process on as many threads as PyTorch is set to; seconds of the processor stand
beside those of the clock, which other work on the machine stretches. Cells are drawn, counts of genes that follow programs; the
names are real.

Usage: ``python -m benchmarks.grn_speed [grn] [score] [coexpression] [knockout] [--cells 10000] [--method sgt] [--data ../shared/data]``
"""

import argparse
import resource
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

import scgnn_tools as sgt
from benchmarks import grn_data
from scgnn_tools import genes
from scgnn_tools.graph import coexpression

PROGRAMS = 30
TIMED_TARGETS = 6


class Clock:
    """Seconds of the clock and of the processor."""

    def __enter__(self) -> "Clock":
        self._start = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._start[0], time.process_time() - self._start[1]


def cells_like(n_cells: int, names: list[str], *, density: float = 0.1) -> ad.AnnData:
    """Draw counts of genes that follow a few programs, about ``density`` of the entries not zero."""
    rng = np.random.default_rng(0)
    loading = (rng.gamma(0.3, size=(PROGRAMS, len(names))) * rng.gamma(0.6, size=len(names))).astype(np.float32)
    blocks = []
    for start in range(0, n_cells, 5000):
        usage = rng.dirichlet(np.full(PROGRAMS, 0.2), size=min(5000, n_cells - start)).astype(np.float32)
        rate = usage @ loading
        rate *= -np.log1p(-density) / rate.mean()
        blocks.append(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    return ad.AnnData(sp.vstack(blocks, format="csr"), var=pd.DataFrame(index=names))


def known_genes(n_tfs: int, n_others: int) -> tuple[list[str], list[str]]:
    """Return real symbols: factors, and genes of the bundled model that are none."""
    tfs = genes.transcription_factors("human", curated=False).tolist()[:n_tfs]
    vocabulary = sgt.fm.load(sgt.fm.best_bundled()).vocabulary
    return tfs, [str(g) for g in vocabulary if g not in set(tfs)][:n_others]


def network(n_cells: int, method: str) -> None:
    """Print the time of ``tl.infer_grn`` and of GRNBoost2 for 1,500 factors and 2,000 targets."""
    tfs, others = known_genes(1500, 500)
    adata = cells_like(n_cells, tfs + others)
    filled = adata.X.nnz / np.prod(adata.shape)
    print(
        f"{n_cells:,} cells × {len(tfs):,} factors × {adata.n_vars:,} targets, {filled:.0%} of the entries not zero",
        flush=True,
    )
    sgt.settings.verbose = True  # the estimate stands before the run
    with Clock() as own:
        sgt.tl.infer_grn(adata, method=method)
    sgt.settings.verbose = False
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    runs = adata.uns["sgt_grn"]["params"]["n_runs"]
    bare = f"  infer_grn({method!r}) as it is called bare (evaluation, calibration, {runs} runs, controls)"
    print(
        f"{bare}: {own.wall:.0f} s; of the processor {own.cpu:.0f} s; most memory of the process {memory:.1f} GiB",
        flush=True,
    )
    with Clock() as plain:
        sgt.tl.infer_grn(adata, method=method, controls=False)
    share = (own.cpu - plain.cpu) / plain.cpu
    print(
        f"    without controls {plain.wall:.0f} s; of the processor {plain.cpu:.0f} s: controls cost {share:.2f} of the network itself"
    )
    with Clock() as boost:
        targets = np.random.default_rng(1).choice(adata.var_names, TIMED_TARGETS, replace=False)
        asked = pd.DataFrame({"tf": tfs[0], "target": targets})
        sgt.models.link_predictor("grnboost2", tfs=tfs).fit(asked, expression=adata).score(asked)
    times = adata.n_vars / TIMED_TARGETS
    print(
        f"  GRNBoost2's algorithm, {TIMED_TARGETS} targets: {boost.wall:.1f} s ({boost.cpu / TIMED_TARGETS:.2f} s a target)",
        flush=True,
    )
    print(
        f"    all {adata.n_vars:,}, multiplied: {boost.wall * times:,.0f} s; of the processor {boost.cpu * times:,.0f} s"
    )
    by_cpu, by_clock = boost.cpu * times / own.cpu, boost.wall * times / own.wall
    print(f"    infer_grn is {by_cpu:.0f} times as fast by the processor, {by_clock:.0f} by the clock", flush=True)


def knockout(data: Path) -> None:
    """Print the time of a knock-out in the networks of the types of pbmc3k."""
    adata = ad.read_h5ad(data / "cells/pbmc3k.h5ad")
    sgt.tl.infer_grn(adata, groupby="cell_type", n_runs=1, controls=False)
    with Clock() as clock:
        sgt.tl.tf_knockout(adata, "SPI1")
    print(f"tf_knockout of SPI1, {adata.n_obs:,} cells of pbmc3k in {adata.obs['cell_type'].nunique()} types, 30 rewired networks each: "
          f"{clock.wall:.1f} s (of the processor {clock.cpu:.1f} s)", flush=True)  # fmt: skip


def scoring(data: Path, method: str) -> None:
    """Print the time to train on hESC_1000, and to score 1,000 factors × 20,000 targets."""
    file = data / "grn/scregnet_split/hESC_1000/pairs.parquet"
    if file.is_file():
        pairs = grn_data.read(data, "scregnet:hESC_1000")
        with Clock() as clock:
            fitted = sgt.models.link_predictor(method, rng=0).fit(
                pairs[pairs["part"] == 0], embedding=grn_data.bundled_vectors(), genes=pairs["target"].unique()
            )
            fitted.score(pairs)
        print(f"hESC_1000: training {method} on {int((pairs['part'] == 0).sum()):,} pairs and scoring {len(pairs):,}: {clock.wall:.0f} s "
              f"(of the processor {clock.cpu:.0f} s)", flush=True)  # fmt: skip
    tfs, others = known_genes(1000, 19_000)
    edges = genes.prior().query("source in @tfs")
    rng = np.random.default_rng(0)
    names = np.array(tfs + others, dtype=object)
    train = pd.DataFrame({"tf": edges["source"], "target": edges["target"], "label": 1})
    none = pd.DataFrame(
        {"tf": rng.choice(edges["source"], 6 * len(edges)), "target": rng.choice(names, 6 * len(edges)), "label": 0}
    )
    fitted = sgt.models.link_predictor(method, rng=0).fit(
        pd.concat([train, none], ignore_index=True), embedding=grn_data.bundled_vectors(), genes=names
    )
    asked = pd.DataFrame({"tf": np.repeat(np.array(tfs, dtype=object), len(names)), "target": np.tile(names, len(tfs))})
    with Clock() as clock:  # a method may fit what a kind of pair needs when it is first asked: new genes, known ones
        fitted.score(asked.sample(5000, random_state=0))
    print(
        f"{method}: what pairs of these kinds need is fitted in {clock.wall:.1f} s (of the processor {clock.cpu:.1f} s)",
        flush=True,
    )
    with Clock() as clock:
        for start in range(0, len(asked), 2**21):
            fitted.score(asked.iloc[start : start + 2**21])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{method}: scoring {len(tfs):,} × {len(names):,} = {len(asked):,} pairs: {clock.wall:.1f} s "
          f"(of the processor {clock.cpu:.1f} s), most memory of the process {memory:.1f} GiB", flush=True)  # fmt: skip


def many_genes(n_cells: int, n_genes: int, density: float) -> None:
    """Print memory and time of the co-expression of many genes."""
    rng = np.random.default_rng(0)
    per_cell = round(density * n_genes)
    # column numbers without a draw a cell: a random start and step through the genes
    step = 2 * rng.integers(1, n_genes // 2 - 1, size=n_cells, dtype=np.int64) + 1
    indices = np.empty(n_cells * per_cell, dtype=np.int32)
    for c in range(n_cells):
        row = (rng.integers(n_genes) + step[c] * np.arange(per_cell)) % n_genes
        indices[c * per_cell : (c + 1) * per_cell] = np.sort(row)
    values = rng.random(len(indices), dtype=np.float32) + 0.5
    x = sp.csr_array((values, indices, np.arange(0, len(indices) + 1, per_cell)), shape=(n_cells, n_genes))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with Clock() as clock:
        graph = coexpression(x, k=20, threshold=0.0)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = (x.data.nbytes + x.indices.nbytes) / 2**30
    shape = f"{n_genes:,} genes × {n_cells:,} cells, {density:.0%} of the entries ({size:.2f} GiB)"
    print(f"co-expression of {shape}: {clock.wall:.0f} s (of the processor {clock.cpu:.0f} s), {graph.nnz:,} edges")
    print(f"  most memory of the process {after:.2f} GiB, {before:.2f} before", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("what", nargs="*", default=["grn", "score", "coexpression", "knockout"])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--method", default="sgt")
    parser.add_argument("--many", type=int, default=100_000, help="cells of the co-expression")
    parser.add_argument("--density", type=float, default=0.05)
    args = parser.parse_args()
    sgt.settings.progress = sgt.settings.verbose = False
    if "coexpression" in args.what:  # first: the most memory of a process never falls
        many_genes(args.many, 20_000, args.density)
    if "grn" in args.what:
        network(args.cells, args.method)
    if "score" in args.what:
        scoring(args.data, args.method)
    if "knockout" in args.what:
        knockout(args.data)


if __name__ == "__main__":
    main()
