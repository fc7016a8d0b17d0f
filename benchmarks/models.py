"""Cells per second and peak memory of ``tl.embed`` with each published model, from random weights in its native format.

Usage: ``python -m benchmarks.models --data ../shared/data [--models scgpt …] [--layers 2] [--cells 64]``

The vocabularies and widths are the published ones, and so is the depth unless ``--layers`` is given. Each model runs on pbmc3k (all of
it unless ``--cells`` is given) in a process of its own, and the memory is that process's peak, the object and the weights included.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from benchmarks import checkpoints


def measure(name: str, checkpoint: Path, data: Path, n_cells: int | None) -> None:
    """Embed and print what it took as JSON; runs in a process of its own."""
    import scgnn_tools as sgt

    adata = ad.read_h5ad(data / "cells/pbmc3k.h5ad")[:n_cells].copy()
    sgt.settings.progress = False
    start = time.perf_counter()
    sgt.tl.embed(adata, model=name, checkpoint=checkpoint)
    seconds = time.perf_counter() - start
    vectors = adata.obsm[f"X_{name}"]
    if not np.isfinite(vectors).all() or (vectors.std(axis=0) == 0).all():
        msg = f"{name} gave no vectors"
        raise RuntimeError(msg)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    row = {"model": name, "cells": adata.n_obs, "dimension": vectors.shape[1], "seconds": seconds}
    print(json.dumps({**row, "cells/s": adata.n_obs / seconds, "peak GB": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", nargs="+", choices=list(checkpoints.WRITERS), default=list(checkpoints.WRITERS))
    parser.add_argument("--layers", type=int)
    parser.add_argument("--cells", type=int)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.models[0], args.measure, args.data, args.cells)
        return
    rows = []
    for name in args.models:
        with tempfile.TemporaryDirectory() as folder:
            path = checkpoints.WRITERS[name](Path(folder) / name, args.layers)
            command = [sys.executable, "-m", "benchmarks.models", "--data", str(args.data), "--models", name]
            command += ["--measure", str(path)] + ([] if args.cells is None else ["--cells", str(args.cells)])
            out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            rows.append(json.loads(out.splitlines()[-1]))
    print(pd.DataFrame(rows).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
