"""Cells per second of the foundation models, beside the official code, on the same random weights and real cells, in one run.

Usage: ``python -m benchmarks.embed --data ../shared/data [--official FOLDER] [--models scgpt …] [--cells 48] [--device cuda]``

FOLDER holds a clone of bowang-lab/scGPT as ``scGPT``; Geneformer's network is that of the package transformers. What is absent is left out.
Variants are run in turn and the best of ``--repeats`` counts, as machines are noisy; the rate of matrix products in the model's precision
is measured in between, and ``share`` is what the network's own operations are of it.
"""

import argparse
import importlib.util
import sys
import tempfile
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

import scgnn_tools as sgt
from benchmarks import checkpoints
from scgnn_tools.data import Tokens
from scgnn_tools.fm import NetworkModel
from scgnn_tools.fm.estimate import encoder_flops, matmul_rate

SHAPES = {  # published shapes: model, checkpoint, operations of a forward pass over lengths
    "scgpt": ("scgpt", lambda f: checkpoints.scgpt(f, checkpoints.genes_like(60694)), (12, 512, 512)),
    "geneformer-v1-6l": (
        "geneformer",
        lambda f: checkpoints.geneformer(
            f, checkpoints.genes_like(25424, ensembl=True), series="V1", n_layers=6, dim=256, n_heads=4
        ),
        (6, 256, 512),
    ),
    "geneformer-v2-12l": (
        "geneformer",
        lambda f: checkpoints.geneformer(
            f, checkpoints.genes_like(20271, ensembl=True), n_layers=12, dim=512, n_heads=8, hidden=1024
        ),
        (12, 512, 1024),
    ),
    "geneformer-v2-104m": (
        "geneformer",
        lambda f: checkpoints.geneformer(
            f, checkpoints.genes_like(20271, ensembl=True), n_layers=12, dim=768, n_heads=12
        ),
        (12, 768, 3072),
    ),
}


@dataclass
class Variant:
    """One way to run a model over tokens."""

    name: str
    run: Callable[[Tokens], np.ndarray]
    layers_run: int


def module(path: Path, name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def official_scgpt(root: Path, checkpoint: Path, device: str) -> list[Variant]:
    """Return the published network, batches of 64 in file order padded to their longest, with and without PyTorch's fast path."""
    package = types.ModuleType("scgpt_model")
    package.__path__ = [str(root / "scgpt" / "model")]
    sys.modules["scgpt_model"] = package
    for part in ("flash_attn_compat", "dsbn", "grad_reverse", "model"):
        code = module(root / "scgpt" / "model" / f"{part}.py", f"scgpt_model.{part}")
    tensors = torch.load(checkpoint / "best_model.pt", weights_only=True)
    tensors = {k.replace("Wqkv.", "in_proj_"): v for k, v in tensors.items() if "flag" not in k}
    n, pad = len(tensors["encoder.embedding.weight"]), len(tensors["encoder.embedding.weight"]) - 3
    network = code.TransformerModel(
        n, 512, 8, 512, 12, nlayers_cls=3, n_cls=1, vocab={"<pad>": pad}, dropout=0.2, pad_value=-2, do_mvc=True, use_fast_transformer=False
    )  # fmt: skip
    network.load_state_dict(tensors)
    network.eval().to(device)

    def run(fast: bool) -> Callable[[Tokens], np.ndarray]:
        def embed(tokens: Tokens) -> np.ndarray:
            torch.backends.mha.set_fastpath_enabled(fast)
            out = []
            with torch.no_grad(), torch.autocast("cuda", enabled=device != "cpu"):
                for start in range(0, tokens.n_cells, 64):
                    part = tokens.select(np.arange(start, min(start + 64, tokens.n_cells)))
                    ids, values, mask = padded(part, pad, -2.0)
                    out.append(
                        network._encode(ids.to(device), values.to(device), mask.to(device))[:, 0].float().cpu().numpy()
                    )
            torch.backends.mha.set_fastpath_enabled(True)
            cells = np.concatenate(out)
            return cells / np.linalg.norm(cells, axis=1, keepdims=True)

        return embed

    return [Variant("official, fast path", run(fast=True), 12), Variant("official, fast path off", run(fast=False), 12)]


def official_geneformer(checkpoint: Path, device: str, n_layers: int) -> list[Variant]:
    """Return transformers' network, cells sorted by length as the published extractor does, with its head, as it is called there."""
    import transformers

    network = transformers.BertForMaskedLM.from_pretrained(checkpoint, output_hidden_states=True).eval().to(device)
    series = "V2" if (checkpoint / "model.safetensors").is_file() else "V1"

    def embed(tokens: Tokens) -> np.ndarray:
        out = np.empty((tokens.n_cells, network.config.hidden_size), dtype=np.float32)
        order = np.argsort(-tokens.lengths, kind="stable")
        with torch.no_grad():
            for start in range(0, tokens.n_cells, 16):
                cells = order[start : start + 16]
                part = tokens.select(cells)
                ids, _, mask = padded(part, 0, 0.0)
                hidden = (
                    network(input_ids=ids.to(device), attention_mask=(~mask).long().to(device))
                    .hidden_states[-2]
                    .float()
                    .cpu()
                )
                if series == "V2":
                    out[cells] = hidden[:, 0].numpy()
                else:
                    keep = (~mask).float().unsqueeze(-1)
                    out[cells] = ((hidden * keep).sum(1) / keep.sum(1)).numpy()
        return out

    return [Variant(f"transformers {transformers.__version__}", embed, n_layers)]


def padded(tokens: Tokens, pad: int, value: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = int(tokens.lengths.max())
    mask = np.arange(longest)[None] >= tokens.lengths[:, None]
    ids = np.full((tokens.n_cells, longest), pad)
    values = np.full((tokens.n_cells, longest), value, dtype=np.float32)
    ids[~mask] = tokens.ids
    if tokens.values is not None:
        values[~mask] = tokens.values
    return torch.from_numpy(ids), torch.from_numpy(values), torch.from_numpy(mask)


def ours(model: sgt.fm.FoundationModel, n_layers: int) -> Variant:
    def embed(tokens: Tokens) -> np.ndarray:
        out = np.zeros((tokens.n_cells, model.card.dimension), dtype=np.float32)
        model._embed_chunk(tokens, out, None, lambda _: None)
        return out

    return Variant("scgnn_tools", embed, n_layers)


def measure(name: str, adata: ad.AnnData, args: argparse.Namespace, folder: Path) -> list[dict]:
    registered, write, (n_layers, dim, hidden) = SHAPES[name]
    checkpoint = write(folder / name)
    loaded = sgt.fm.load(registered, checkpoint=checkpoint, device=args.device, precision=args.precision)
    model = cast("NetworkModel", loaded)
    tokens = model.tokenize(adata)
    variants = [ours(model, n_layers - (registered == "geneformer"))]
    if registered == "scgpt" and args.official is not None:
        variants += official_scgpt(args.official / "scGPT", checkpoint, args.device)
    if registered == "geneformer" and importlib.util.find_spec("transformers") is not None:
        variants += official_geneformer(checkpoint, args.device, n_layers)
    best, rate, results = dict.fromkeys((v.name for v in variants), np.inf), 0.0, {}
    for _ in range(args.repeats):
        for v in variants:
            rate = max(rate, matmul_rate(model.device, model.dtype, seconds=0.5))
            begin = time.perf_counter()
            results[v.name] = v.run(tokens)
            best[v.name] = min(best[v.name], time.perf_counter() - begin)
    reference, rows = results["scgnn_tools"], []
    for v in variants:
        work = encoder_flops(tokens.lengths, v.layers_run, dim, hidden)
        cosine = (
            (reference * results[v.name]).sum(1)
            / np.linalg.norm(reference, axis=1)
            / np.linalg.norm(results[v.name], axis=1)
        )
        rows.append({
            "model": name, "code": v.name, "cells/s": tokens.n_cells / best[v.name], "times": best[v.name] / best["scgnn_tools"],
            "GFLOP/s": work / best[v.name] / 1e9, "share": work / best[v.name] / rate, "tokens": tokens.lengths.mean(),
            "least cosine": cosine.min(),
        })  # fmt: skip
    if args.device != "cpu":
        exact = sgt.fm.load(registered, checkpoint=checkpoint, device=args.device, precision="float32")
        with_float = ours(exact, n_layers).run(tokens)
        cosine = (
            (reference * with_float).sum(1) / np.linalg.norm(reference, axis=1) / np.linalg.norm(with_float, axis=1)
        )
        print(f"{name}: cosine of {args.precision} and float32 vectors at least {cosine.min():.5f}")
    return rows


def tokenisers(adata: ad.AnnData) -> pd.DataFrame:
    """Return cells per second of tokenisation on this machine's cores, ours and as the official code does it, a row at a time."""
    from scgnn_tools.data.binning import bin_values
    from scgnn_tools.fm.geneformer.tokens import tokenize

    rows = sp.csr_array(adata.X)
    medians, ids = np.ones(rows.shape[1]), np.arange(rows.shape[1], dtype=np.int32)

    def quantiles() -> None:
        for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
            values = rows.data[a:b]
            edges = np.quantile(values, np.linspace(0, 1, 50))
            left, right = np.digitize(values, edges), np.digitize(values, edges, right=True)
            np.ceil(np.random.rand(len(values)) * (right - left) + left)  # noqa: NPY002

    def ranks() -> None:
        for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
            ids[rows.indices[a:b]][np.argsort(-(rows.data[a:b] / medians[rows.indices[a:b]]))]

    def rank() -> None:
        tokenize(rows, ids, medians, max_length=2048, cls_id=-1, eos_id=-1)

    runs = {
        "bins, scgnn_tools": lambda: bin_values(rows),
        "bins, numpy": quantiles,
        "ranks, scgnn_tools": rank,
        "ranks, numpy": ranks,
    }
    out = {}
    for name, run in runs.items():
        run()
        begin = time.perf_counter()
        run()
        out[name] = rows.shape[0] / (time.perf_counter() - begin)
    return pd.DataFrame({"cells/s": pd.Series(out)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--official", type=Path)
    parser.add_argument("--models", nargs="+", choices=list(SHAPES), default=list(SHAPES)[:3])
    parser.add_argument("--cells", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    args = parser.parse_args()
    sgt.settings.progress = sgt.settings.verbose = False
    whole = ad.read_h5ad(args.data / "cells" / "pbmc3k.h5ad")
    adata = whole[np.random.default_rng(0).choice(whole.n_obs, size=min(args.cells, whole.n_obs), replace=False)].copy()
    print(f"{adata.n_obs} cells of pbmc3k, torch {torch.__version__}, {torch.get_num_threads()} threads, {args.device}")
    print(tokenisers(whole).round(0).to_string())
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for name in args.models for row in measure(name, adata, args, Path(folder))]
    table = pd.DataFrame(rows).set_index(["model", "code"])
    print(table.round({"cells/s": 2, "times": 2, "GFLOP/s": 0, "share": 2, "tokens": 0, "least cosine": 6}).to_string())


if __name__ == "__main__":
    main()
