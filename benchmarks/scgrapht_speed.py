"""scGraPhT's pathway P2 against a dense implementation of the paper's loop: seconds, memory, and whether the results are the same.

Usage: ``python -m benchmarks.scgrapht_speed [--cells 20000] [--genes 3000] [--epochs 20]``

Synthetic counts with the means, depths and sparsity of real ones, scGPT's bins over 51 as weights, cell vectors of 512 numbers, 15
classes; 65 % of the cells train, 7 % validate, 28 % are to label, as in the paper's data sets. The dense loop is ours, written as the
paper and its code do it: expression, A_GC and A_CG as dense tensors, the whole graph forward and backward, and once more to evaluate,
each epoch. Both begin with the same weights and end after the same epochs; dropout is off, so that results can be compared. Each side
runs in a process of its own on one thread, in turns; seconds are of the processor, medians over the rounds; memory is the growth of the
resident set, at its peak, over what the process holds once the data are read.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

LR, WEIGHT_DECAY, N_CLASSES, DIMENSION = 1e-4, 5e-5, 15, 512


def synthetic(n_cells: int, n_genes: int, folder: Path) -> float:
    """Write cells with the sparsity of real ones; return the share of entries that is there."""
    from scgnn_tools.data.normalize import log_normalize
    from scgnn_tools.labels.scgrapht.graphs import edge_values

    rng = np.random.default_rng(0)
    labels = rng.choice(N_CLASSES, n_cells, p=(w := 1 / np.arange(1, N_CLASSES + 1)) / w.sum())
    means = np.exp(rng.normal(-3.2, 1.6, n_genes)) * np.exp(
        rng.normal(0, 1.2, (N_CLASSES, n_genes)) * (rng.random((N_CLASSES, n_genes)) < 0.05)
    )
    depth = np.exp(rng.normal(0, 0.4, n_cells))
    blocks = []
    for start in range(0, n_cells, 1000):
        rate = means[labels[start : start + 1000]] * depth[start : start + 1000, None]
        blocks.append(sp.csr_array(rng.poisson(rng.gamma(2.0, rate / 2)).astype(np.float32)))
    counts = sp.csr_array(sp.vstack(blocks, format="csr"))
    edges = edge_values(log_normalize(counts), "binned").astype(np.float32)
    vectors = np.asarray(edges @ rng.normal(size=(n_genes, DIMENSION)).astype(np.float32)) / 10
    part = rng.choice(3, n_cells, p=[0.65, 0.07, 0.28])
    np.savez(
        folder / "cells.npz", data=edges.data, indices=edges.indices.astype(np.int32),
        indptr=edges.indptr.astype(np.int32), shape=edges.shape, vectors=vectors.astype(np.float32), labels=labels, part=part,
    )  # fmt: skip
    return edges.nnz / n_cells / n_genes


def read(folder: Path) -> tuple[sp.csr_array, np.ndarray, np.ndarray, np.ndarray]:
    f = np.load(folder / "cells.npz")
    edges = sp.csr_array((f["data"], f["indices"], f["indptr"]), shape=tuple(f["shape"]))
    return edges, f["vectors"], f["labels"], f["part"]


def network():
    import torch

    from scgnn_tools.labels.scgrapht.network import PathwayNetwork

    return torch.random.fork_rng(), lambda: PathwayNetwork(("GC", "CG"), DIMENSION, N_CLASSES, dropout=0.0)


def dense(folder: Path, epochs: int, *, evaluate: bool) -> tuple[float, np.ndarray]:
    """The paper's loop as one writes it down."""
    import torch

    edges, vectors, labels, part = read(folder)
    start_memory()
    start = time.process_time()
    expression = torch.from_numpy(np.asarray(edges.todense()))
    a_gc, a_cg = (expression / 1.0).T, expression / 1.0  # as published: each made of the expression, which stays
    x, y = torch.from_numpy(vectors), torch.from_numpy(labels)
    train = torch.from_numpy(part == 0)
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        net = network()[1]()
    w0, w1 = net.convs

    def forward() -> torch.Tensor:
        h = net.norms[0](torch.mm(a_gc, torch.mm(x, w0.weight)) + w0.bias)
        h = net.norms[1](torch.mm(a_cg, torch.mm(h, w1.weight)) + w1.bias)
        return torch.log_softmax(net.head(torch.nn.functional.leaky_relu(h)), dim=1)

    optimizer = torch.optim.Adam(net.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    for _ in range(epochs):
        net.train()
        optimizer.zero_grad()
        torch.nn.functional.nll_loss(forward()[train], y[train]).backward()
        optimizer.step()
        if evaluate:
            net.eval()
            with torch.no_grad():
                predicted = forward().argmax(dim=1)
                [(predicted[part == p] == y[part == p]).float().mean() for p in range(3)]
    with torch.no_grad():
        scores = forward().numpy()
    return time.process_time() - start, scores


def ours(folder: Path, epochs: int, *, evaluate: bool) -> tuple[float, np.ndarray]:
    """What the package does: the first product folded, rows of training cells, CSR products."""
    import torch

    from scgnn_tools.labels.scgrapht.assemble import Assembler
    from scgnn_tools.labels.scgrapht.graphs import Graph, first_product
    from scgnn_tools.train import fit_full_batch

    edges, vectors, labels, part = read(folder)
    start_memory()
    start = time.process_time()
    graph = Graph(("GC", "CG"), edges, normalize="none")
    rows = Assembler(graph, first_product(graph, vectors), vectors, torch.device("cpu"))
    nodes, ask = rows.nodes(), rows.members(np.flatnonzero(part == 0))
    held_out = rows.members(np.flatnonzero(part == 1), trained=False)
    y, y_held_out = torch.from_numpy(labels[part == 0]), torch.from_numpy(labels[part == 1])
    net, _ = fit_full_batch(
        network()[1],
        lambda m: torch.nn.functional.nll_loss(m(nodes, ask), y),
        lambda m: float(torch.nn.functional.nll_loss(m(nodes, held_out), y_held_out)) if evaluate else 0.0,
        max_epochs=epochs,
        patience=None,
        lr=LR,
        weight_decay=WEIGHT_DECAY,
        rng=0,
    )
    rows = Assembler(graph, rows.first, vectors, torch.device("cpu"))
    with torch.no_grad():
        inputs = net.inputs(nodes)
        blocks = [np.arange(i, min(i + 2000, len(labels))) for i in range(0, len(labels), 2000)]
        scores = [net.classify(net.asked(rows.members(b, trained=False), inputs)).numpy() for b in blocks]
    return time.process_time() - start, np.concatenate(scores)


def start_memory() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # the peak of the resident set begins anew


def memory(key: str) -> float:
    """Return VmRSS or VmHWM, in MB."""
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith(key))
    return int(line.split()[1]) / 1024


def measure(side: str, folder: Path, epochs: int, *, evaluate: bool) -> None:
    import torch

    import scgnn_tools as sgt

    sgt.settings.progress = False
    torch.set_num_threads(1)
    run = {"dense": dense, "ours": ours}[side]
    run(folder, 1, evaluate=True)  # compiled code is loaded, before time and memory count
    held = read(folder)
    gc.collect()
    before = memory("VmRSS")
    del held
    seconds, scores = run(folder, epochs, evaluate=evaluate)
    np.save(folder / f"{side}.npy", scores)
    print(json.dumps({"side": side, "seconds": seconds, "MB": memory("VmHWM") - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--data", type=Path, help="not used: the cells are synthetic")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        side, folder, evaluate = args.measure
        measure(side, Path(folder), args.epochs, evaluate=evaluate == "1")
        return
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    env["MALLOC_MMAP_THRESHOLD_"] = "1048576"  # memory that is freed is given back, on both sides
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), []
        share = synthetic(args.cells, args.genes, folder)
        for round_ in range(args.rounds):
            for evaluate in (True, False):
                for side in ("dense", "ours"):
                    command = [
                        sys.executable,
                        "-W",
                        "ignore",
                        "-m",
                        "benchmarks.scgrapht_speed",
                        "--epochs",
                        str(args.epochs),
                    ]
                    command += ["--measure", side, name, str(int(evaluate))]
                    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env).stdout
                    rows.append({"evaluated": evaluate, "round": round_, **json.loads(out.splitlines()[-1])})
        difference = np.abs(np.exp(np.load(folder / "dense.npy")) - np.exp(np.load(folder / "ours.npy"))).max()
        log_difference = np.abs(np.load(folder / "dense.npy") - np.load(folder / "ours.npy")).max()
    table = pd.DataFrame(rows).groupby(["evaluated", "side"], sort=False)[["seconds", "MB"]].median()
    print(
        f"{args.cells:,} cells × {args.genes:,} genes, {100 * share:.1f} % of the entries there, {args.epochs} epochs, one thread"
    )
    for evaluated in (True, False):
        d, o = table.loc[(evaluated, "dense")], table.loc[(evaluated, "ours")]
        print(
            f"{'each epoch evaluated' if evaluated else 'training alone':21s} dense {d['seconds']:6.1f} s {d['MB']:4.0f} MB   "
            f"ours {o['seconds']:5.1f} s {o['MB']:4.0f} MB   {d['seconds'] / o['seconds']:5.1f} times as fast, "
            f"memory 1/{d['MB'] / o['MB']:.1f}"
        )
    print(f"largest difference of a probability {difference:.1e}, of a log-probability {log_difference:.1e}")


if __name__ == "__main__":
    main()
