"""What a step of the networks for integration, perturbations and knock-outs costs: cells a second, and the share of the matrix rate.

Usage: ``python -m benchmarks.tasks [--width 512] [--layers 2] [--tokens 512] [--cells 4] [--steps 6] [--kinds perturb]``

Each network is fitted as its task fits it, on made-up values, with random weights; ``python -m benchmarks.gpu`` runs the published sizes
for a few hundred steps. What a run of one step takes is subtracted. "of rate" is the operations of forward and backward pass, heads
included, over the processor's time, as a share of the rate of float32 matrix products, measured right before on the same core. Edges of a
cell's graph are not counted: ``cgc`` is shown with and without its graph, and its share is that of transformer and head alone.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

import scgnn_tools as sgt
from benchmarks import checkpoints
from scgnn_tools.fm.estimate import encoder_flops
from scgnn_tools.integration import Batches, integration_method
from scgnn_tools.perturbation import Effects, PerturbedCells, perturbation_method, relations
from scgnn_tools.perturbation.bulk import Experiments, knockout_method

NAMES = ("cgc", "scgpt")
KINDS = ("integrate", "perturb", "knockout_bulk")
HEAD_LAYERS = {
    ("perturb", "cgc"): 2,
    ("perturb", "scgpt"): 4,
    ("knockout_bulk", "cgc"): 4,
    ("knockout_bulk", "scgpt"): 4,
}
"""Products of width by width in the heads, by token."""


@dataclass(frozen=True)
class Steps:
    """Sizes of a run."""

    dim: int = 512
    heads: int = 8
    n_layers: int = 12
    tokens: int = 1200
    cells: int = 32
    """Of a batch."""
    n_steps: int = 200


def fitted(kind: str, name: str, of: Steps, device: torch.device, **options: Any) -> tuple[Any, int]:
    """Return a method after one epoch on made-up cells, and how many cells it saw in training."""
    rng, n = np.random.default_rng(0), of.n_steps * of.cells
    genes = np.array(checkpoints.genes_like(of.tokens - 1), dtype=object)
    how = {"max_epochs": 1, "max_cells": of.cells, "device": str(device), **options}
    if kind == "integrate":
        with tempfile.TemporaryDirectory() as folder:
            write = {"cgc": checkpoints.cgc, "scgpt": checkpoints.scgpt}[name]
            path = write(Path(folder) / "m", list(genes), n_layers=of.n_layers, dim=of.dim, n_heads=of.heads)
            model = sgt.fm.load(name, checkpoint=path, device=device)
            x = _values(rng, n * 10 // 9, len(genes), share=0.999)
            integration = integration_method(name, model=model, **how)
            integration.fit(Batches(np.zeros((x.shape[0], 2)), np.arange(x.shape[0]) % 2, x, genes), rng=0)
        return integration, n
    how |= {"preset": "paper", "dim": of.dim, "n_layers": of.n_layers}
    targets = [(g,) for g in genes[:10]]
    known = relations(targets, [])
    if kind == "perturb":
        # half of them controls; a condition of ten chooses the epoch
        item = np.r_[np.full(n * 5 // 9, -1), np.arange(n * 5 // 9) % 10]
        x = _values(rng, len(item), len(genes), share=0.4)
        cells = PerturbedCells(x, item, np.zeros(len(item), dtype=np.int64))
        seen = Effects(targets, rng.normal(size=(10, len(genes))), np.ones(10), genes, known, cells)
        method = perturbation_method(name, n_controls=2, **how)
        method.fit(seen, rng=0)
        return method, method.notes["n_cells"]
    n = n * 10 // 9
    change = rng.normal(size=(n, len(genes)))
    label = (1 + (change > 1.5).astype(np.int8) - (change < -1.5)).astype(np.int8)
    target = np.array([genes[i % 10] for i in range(n)], dtype=object)
    edges, control = np.zeros(change.shape, np.float32), rng.gamma(2, 1, change.shape)
    method = knockout_method(name, **how)
    method.fit(Experiments(target, target, change, label, control, genes, known, edges, 0.7, 3), rng=0)
    return method, method.notes["n_experiments"]


def _values(rng: np.random.Generator, n: int, n_genes: int, *, share: float) -> sp.csr_array:
    x = rng.gamma(2, 0.5, (n, n_genes)).astype(np.float32)
    return sp.csr_array(np.where(rng.random(x.shape) < share, x, 0).astype(np.float32))


def operations(kind: str, name: str, of: Steps, n_cells: int) -> float:
    """Return the operations of forward and backward pass of the transformer and the head over cells of equal length."""
    lengths = np.full(n_cells, of.tokens)
    head = HEAD_LAYERS.get((kind, name), 4) * 2 * of.dim**2 * float(lengths.sum())
    return 3 * (encoder_flops(lengths, of.n_layers, of.dim, of.dim) + head)


def rows(
    of: Steps,
    device: torch.device,
    rate: float,
    clock: Callable[[], Any],
    *,
    both: bool = True,
    kinds: Iterable[str] = KINDS,
) -> Iterator[dict[str, Any]]:
    """Yield a row a task and network, ``both`` with and without graph; ``clock`` makes what measures ``seconds`` and ``peak``."""
    for kind in kinds:
        for name in NAMES:
            for options in ({}, {"graph": False}) if name == "cgc" and both else ({},):
                once = replace(of, n_steps=1)
                fitted(kind, name, once, device, **options)  # tables are read and kernels chosen
                with clock() as before:
                    _, less = fitted(kind, name, once, device, **options)
                with clock() as measured:
                    _, n = fitted(kind, name, of, device, **options)
                n, seconds = n - less, measured.seconds - before.seconds
                what = f"{kind}, {name}{' without graph' if options else ''}, {of.n_layers}x{of.dim}"
                row = {"what": what, "cells/s": n / seconds, "tokens a cell": of.tokens, "peak GB": measured.peak}
                share = operations(kind, name, of, n) / seconds / rate
                yield {**row, "of rate": share, "note": f"{n // of.cells} steps of {of.cells}, validation included"}


class Processor:
    """Seconds of this process's processor: what others do on the machine does not count."""

    def __enter__(self) -> "Processor":
        self.peak, self._start = float("nan"), time.process_time()
        return self

    def __exit__(self, *details: object) -> None:
        self.seconds = time.process_time() - self._start


def processor_rate(seconds: float = 2.0) -> float:
    """Return the rate of float32 matrix products over the processor's time."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    n, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        a @ b
        n += 1
    return 2 * 1024**3 * n / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="not used")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    args = parser.parse_args()
    sgt.settings.progress = sgt.settings.verbose = False
    torch.set_num_threads(1)
    of = Steps(args.width, 8, args.layers, args.tokens, args.cells, args.steps)
    rate = processor_rate()
    print(f"one core, matrix products {rate / 1e9:.1f} GFLOP/s by the processor's time")
    found = pd.DataFrame(rows(of, torch.device("cpu"), rate, Processor, kinds=args.kinds)).drop(columns="peak GB")
    print(found.to_string(index=False, float_format=lambda v: f"{v:,.3g}"))


if __name__ == "__main__":
    main()
