"""What a GPU owner wants to know, in under eight minutes on one card, in one table.

Usage: ``python -m benchmarks.gpu [--device cuda] [--only models attention …] [--budget 480] [--tiny]``

The published shapes with random weights on made-up cells with the lengths of real ones (1,460 genes on average, log-normal). "of rate" is
the share of the rate of bfloat16 matrix products that is measured on the card at the beginning; "cosine" compares the vectors of a few
cells with those of float32 on the CPU. A part that fails, or for which no time is left, says so and the others run. ``--tiny`` runs
everything in seconds on a CPU, in small shapes: the numbers mean nothing then, but the script cannot rot.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

import scgnn_tools as sgt
from benchmarks import checkpoints
from benchmarks.tasks import Steps
from benchmarks.tasks import rows as task_rows
from scgnn_tools.fm import NetworkModel
from scgnn_tools.fm.estimate import matmul_rate
from scgnn_tools.nn import Propagation, Segments, symmetric_normalized
from scgnn_tools.nn.attention import BACKENDS, attention

Row = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """A published model: how its checkpoint is written, and how many cells are timed."""

    name: str
    title: str
    write: Callable[[Path], Path]
    cells: int


@dataclass(frozen=True)
class Sizes:
    """How much is computed."""

    shapes: tuple[Shape, ...]
    genes_a_cell: float
    compared: int
    """Cells whose vectors are compared with the CPU's."""
    attention: tuple[int, int, int, int]
    """Cells, longest, heads, width of a head."""
    tuned: int
    steps: Steps
    """Of the networks for integration, perturbations and knock-outs."""
    nodes: int
    neighbours: int
    width: int


def _geneformer(n_layers: int, dim: int, heads: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        genes = checkpoints.genes_like(20271, ensembl=True)
        return checkpoints.geneformer(folder, genes, n_layers=n_layers, dim=dim, n_heads=heads)

    return write


def _published(name: str) -> Callable[[Path], Path]:
    return lambda folder: checkpoints.WRITERS[name](folder, None)


WHOLE = Sizes(
    shapes=(
        Shape("scgpt", "scGPT 12x512", _published("scgpt"), 16384),
        Shape("geneformer", "Geneformer V2-104M 12x768", _geneformer(12, 768, 12), 4096),
        Shape("geneformer", "Geneformer V2-316M 18x1152", _geneformer(18, 1152, 18), 1536),
        Shape("scfoundation", "scFoundation encoder 12x768", _published("scfoundation"), 2048),
        Shape("cgc", "Cell-Graph Compass 12x512", _published("cgc"), 1024),
    ),
    genes_a_cell=1460,
    compared=6,
    attention=(32, 2048, 8, 64),
    tuned=512,
    steps=Steps(),
    nodes=1_000_000,
    neighbours=15,
    width=64,
)


def tiny() -> Sizes:
    """Return shapes that a CPU computes in seconds."""
    genes = checkpoints.genes_like(200)
    ids = checkpoints.ensembl_of(genes)
    small = {"n_layers": 2, "dim": 32}
    decoder = {"decoder_layers": 1, "decoder_dim": 32, "decoder_heads": 2, "sets": ("cell", "gene")}
    return Sizes(
        shapes=(
            Shape("scgpt", "scGPT", lambda f: checkpoints.scgpt(f, genes, n_heads=4, **small), 24),
            Shape("geneformer", "Geneformer", lambda f: checkpoints.geneformer(f, ids, n_heads=4, **small), 24),
            Shape("scfoundation", "scFoundation", lambda f: checkpoints.scfoundation(f, genes, n_heads=4, **small, **decoder), 24),
            Shape("cgc", "Cell-Graph Compass", lambda f: checkpoints.cgc(f, genes, n_layers=2, dim=64), 24),
        ),
        genes_a_cell=60, compared=4, attention=(4, 40, 2, 16), tuned=24, steps=Steps(16, 2, 1, 30, 4, 2),
        nodes=500, neighbours=5, width=8,
    )  # fmt: skip


def cells_like(names: np.ndarray, n_cells: int, genes_a_cell: float) -> ad.AnnData:
    """Return counts with log-normal numbers of genes a cell; common genes are common in all."""
    rng = np.random.default_rng(0)
    lengths = np.minimum(rng.lognormal(np.log(genes_a_cell) - 0.18, 0.6, n_cells), 0.6 * len(names)).astype(int) + 3
    common = np.sort(rng.random(len(names)))
    rows = [np.unique((rng.random(n) ** 1.5 * len(names)).astype(np.int32)) for n in lengths]
    indptr = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    indices = np.concatenate(rows)
    counts = rng.poisson(1 + 4 * common[indices]).astype(np.float32) + 1
    matrix = sp.csr_matrix(
        (counts, rng.permutation(len(names)).astype(np.int32)[indices], indptr), (n_cells, len(names))
    )
    matrix.sort_indices()
    return ad.AnnData(matrix, var=pd.DataFrame(index=names))


class Clock:
    """Seconds and peak memory of what runs in it, on the device."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds, self.peak = device, 0.0, float("nan")

    def __enter__(self) -> "Clock":
        self._wait()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        self._start = time.perf_counter()
        return self

    def __exit__(self, *details: object) -> None:
        self._wait()
        self.seconds = time.perf_counter() - self._start
        if self.device.type == "cuda":
            self.peak = torch.cuda.max_memory_allocated(self.device) / 2**30

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def models(sizes: Sizes, device: torch.device, rate: float) -> Iterator[Row]:
    """Cells a second end to end, beside the tokeniser alone, and what the vectors are worth."""
    for shape in sizes.shapes:
        with tempfile.TemporaryDirectory() as folder:
            path = shape.write(Path(folder) / "model")
            model = cast("NetworkModel", sgt.fm.load(shape.name, checkpoint=path, device=device))
            adata = cells_like(np.asarray(model.vocabulary), shape.cells, sizes.genes_a_cell)
            model.embed_cells(adata[: sizes.compared].copy())  # kernels are chosen, compiled and loaded
            with Clock(device) as tokenising:
                tokens = model.tokenize(adata)
            lengths = model.lengths(tokens)
            with Clock(device) as whole:
                model.embed_cells(adata)
            some = adata[: sizes.compared].copy()
            on_cpu = sgt.fm.load(shape.name, checkpoint=path, device="cpu", precision="float32")
            row = {"what": shape.title, "cells/s": shape.cells / whole.seconds, "tokens a cell": lengths.mean()}
            row |= {"of rate": model.flops(lengths) / whole.seconds / rate, "peak GB": whole.peak}
            row |= {"cosine": cosine(model.embed_cells(some), on_cpu.embed_cells(some))}
            yield {**row, "note": f"tokeniser alone {shape.cells / tokenising.seconds:,.0f} cells/s"}
            yield {"what": f"{shape.title}, batch halved", "cosine": halved(model, some), "note": "to the whole batch"}


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the least cosine of a cell."""
    return float(((a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def halved(model: Any, adata: ad.AnnData) -> float:
    """Return the least cosine of cells embedded in one batch and in batches that became smaller when memory ran out."""
    whole, vectors, failed = model.embed_cells(adata), model.cell_vectors, []

    def first_fails(tokens: Any) -> np.ndarray:
        if not failed:
            failed.append(1)
            msg = "out of memory, said by the benchmark"
            raise torch.OutOfMemoryError(msg)
        return vectors(tokens)

    budget, model.cell_vectors = model.max_tokens, first_fails
    try:
        return cosine(model.embed_cells(adata), whole)
    finally:
        del model.cell_vectors
        model.max_tokens = budget


def attention_kernels(sizes: Sizes, device: torch.device, rate: float) -> Iterator[Row]:
    """Milliseconds of a forward pass of each back-end over cells of different length, and its distance from the one written out."""
    n, longest, heads, width = sizes.attention
    lengths = np.sort(np.random.default_rng(0).integers(longest // 8, longest + 1, n))[::-1]
    segments = Segments(np.concatenate([[0], np.cumsum(lengths)]), device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    draws = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(int(lengths.sum()), heads, width, generator=draws).to(device, dtype) for _ in range(3))
    flops = float(4 * (lengths.astype(float) ** 2).sum() * heads * width)
    with torch.inference_mode():
        wanted = attention(q, k, v, segments, backend="eager").float()
        for name in BACKENDS:
            try:
                got = attention(q, k, v, segments, backend=name).float()
            except ValueError as error:  # of this package: it cannot run here
                yield {"what": f"attention {name}", "note": f"cannot run here: {str(error)[:60]}…"}
                continue
            with Clock(device) as clock:
                for _ in range(5):
                    attention(q, k, v, segments, backend=name)
            far = float((got - wanted).abs().max())
            row = {"what": f"attention {name}", "ms": clock.seconds * 200, "of rate": 5 * flops / clock.seconds / rate}
            yield {**row, "peak GB": clock.peak, "note": f"largest difference {far:.1e}"}


def tuning(sizes: Sizes, device: torch.device, rate: float) -> Iterator[Row]:
    """Cells a second of an epoch of masked tuning with adapters."""
    shape = sizes.shapes[0]
    with tempfile.TemporaryDirectory() as folder:
        path = shape.write(Path(folder) / "model")
        model = cast("NetworkModel", sgt.fm.load(shape.name, checkpoint=path, device=device))
        adata = cells_like(np.asarray(model.vocabulary), sizes.tuned, sizes.genes_a_cell)
        sgt.models.FineTuner(model, adata[:16].copy(), task="masked").train(max_epochs=1)  # kernels are loaded
        for adapt in ("lora", "full"):
            tuner = sgt.models.FineTuner(model, adata, task="masked", adapt=adapt)
            with Clock(device) as clock:
                tuner.train(max_epochs=1, early_stopping=False)
            flops = 3 * model.flops(model.lengths(tuner.tokens))
            row = {"what": f"{shape.title}, epoch of tuning ({adapt})", "cells/s": sizes.tuned / clock.seconds}
            yield {**row, "of rate": flops / clock.seconds / rate, "peak GB": clock.peak}


def tasks(sizes: Sizes, device: torch.device, rate: float) -> Iterator[Row]:
    """Cells a second and memory of a few hundred steps of each network for integration, perturbations and knock-outs in bulk."""
    yield from task_rows(sizes.steps, device, rate, lambda: Clock(device), both=False)


def products(sizes: Sizes, device: torch.device, rate: float) -> Iterator[Row]:
    """Milliseconds of an epoch of two graph convolutions over a graph of cells, forward and backward."""
    rng, n, k = np.random.default_rng(0), sizes.nodes, sizes.neighbours
    indptr = np.arange(0, n * k + 1, k)
    graph = sp.csr_array((np.ones(n * k, dtype=np.float32), rng.integers(n, size=n * k), indptr), shape=(n, n))
    spread = Propagation(symmetric_normalized(graph), device=device)
    x = torch.randn(n, sizes.width, device=device)
    layers = torch.nn.ModuleList(torch.nn.Linear(sizes.width, sizes.width) for _ in range(2)).to(device)

    def epoch() -> None:
        h = spread @ torch.relu(layers[0](x))
        (spread @ layers[1](torch.relu(h))).square().mean().backward()

    epoch()
    with Clock(device) as clock:
        epoch()
    gathered = 4 * (n * (k + 1)) * sizes.width * 4 / clock.seconds / 1e9
    row = {"what": f"graph convolution, {n:,} cells, epoch", "ms": clock.seconds * 1e3, "peak GB": clock.peak}
    yield {**row, "note": f"{gathered:,.0f} GB/s gathered"}


PARTS = {"models": models, "tasks": tasks, "attention": attention_kernels, "products": products, "tuning": tuning}


def table(sizes: Sizes, device: torch.device, *, only: list[str] | None = None, budget: float = 480.0) -> pd.DataFrame:
    """Return the table; a part that fails is a row that says so."""
    start, rows = time.perf_counter(), []
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    rate = matmul_rate(device, dtype, seconds=0.5 if device.type == "cuda" else 0.05)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    rows.append({"what": f"matrix products on {name}", "note": f"{rate / 1e12:,.2f} TFLOP/s, {str(dtype)[6:]}"})
    for part in only or PARTS:
        if time.perf_counter() - start > budget:
            rows.append({"what": part, "note": "no time left"})
            continue
        try:
            for row in PARTS[part](sizes, device, rate):
                rows.append(row)
                print(f"{time.perf_counter() - start:6.0f} s  {row['what']}", flush=True)
                if time.perf_counter() - start > budget:
                    rows.append({"what": part, "note": "no time left for the rest"})
                    break
        except Exception as error:  # noqa: BLE001 (a card has little time: the other parts are still worth knowing)
            rows.append({"what": part, "note": f"failed: {type(error).__name__}: {str(error)[:120]}"})
    columns = ["what", "cells/s", "ms", "tokens a cell", "of rate", "peak GB", "cosine", "note"]
    return pd.DataFrame(rows).reindex(columns=columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="not used")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", choices=list(PARTS))
    parser.add_argument("--budget", type=float, default=480.0, help="seconds after which nothing new begins")
    parser.add_argument("--steps", type=int, default=Steps.n_steps, help="of each network of the part tasks")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    device = torch.device(args.device if args.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not args.tiny:
        parser.error("the published shapes take hours on a CPU: pass --tiny, or --device cuda")
    sgt.settings.progress = sgt.settings.verbose = False
    sizes = tiny() if args.tiny else replace(WHOLE, steps=replace(WHOLE.steps, n_steps=args.steps))
    found = table(sizes, device, only=args.only, budget=args.budget)
    print(found.to_string(index=False, na_rep="", float_format=lambda v: f"{v:,.4g}"))


if __name__ == "__main__":
    main()
