"""Cells per second and peak memory of ``tl.embed`` on a backed file, for several sizes side by side.

Usage: ``python -m benchmarks.memory --data ../shared/data [--cells 10000 100000]``

The file is made from real cells (pbmc3k, repeated with every count kept with probability 0.9), in pieces, so that making it takes
little memory either. Each size is embedded in a process of its own, and the memory is that process's peak.
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
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp


def make(source: Path, target: Path, n_cells: int) -> None:
    """Write ``n_cells`` cells to ``target``, a piece at a time."""
    real, rng = ad.read_h5ad(source), np.random.default_rng(0)
    empty = ad.AnnData(sp.csr_matrix((0, real.n_vars), dtype=np.float32), var=pd.DataFrame(index=real.var_names))
    empty.write_h5ad(target)
    with h5py.File(target, "r+") as file:
        del file["X"], file["obs"]
        ad.io.write_elem(file, "obs", pd.DataFrame(index=[f"c{i}" for i in range(n_cells)]))
        x = file.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (n_cells, real.n_vars)})
        arrays = {
            k: x.create_dataset(k, (0,), t, maxshape=(None,), chunks=(2**18,))
            for k, t in (("data", "f4"), ("indices", "i4"))
        }
        indptr = [np.zeros(1, dtype=np.int64)]
        for start in range(0, n_cells, real.n_obs):
            part = sp.csr_matrix(real.X[: min(real.n_obs, n_cells - start)])
            part.data = rng.binomial(part.data.astype(np.int64), 0.9).astype(np.float32)
            part.eliminate_zeros()
            for name, array in arrays.items():
                array.resize(len(array) + part.nnz, axis=0)
                array[-part.nnz :] = getattr(part, name)
            indptr.append(part.indptr[1:] + indptr[-1][-1])
        x.create_dataset("indptr", data=np.concatenate(indptr))


def measure(path: Path) -> None:
    """Embed a backed file and print seconds and peak memory as JSON; runs in a process of its own."""
    import scgnn_tools as sgt

    sgt.settings.progress = sgt.settings.verbose = False
    adata = ad.read_h5ad(path, backed="r")
    start = time.perf_counter()
    sgt.tl.embed(adata)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    print(json.dumps({"cells": adata.n_obs, "seconds": seconds, "cells/s": adata.n_obs / seconds, "peak GB": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure)
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n in args.cells:
            path = Path(folder) / f"{n}.h5ad"
            make(args.data / "cells/pbmc3k.h5ad", path, n)
            command = [sys.executable, "-m", "benchmarks.memory", "--measure", str(path)]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            rows.append({**json.loads(out.splitlines()[-1]), "file MB": path.stat().st_size / 1e6})
    table = pd.DataFrame(rows)
    table["memory / first"] = table["peak GB"] / table["peak GB"].iloc[0]
    print(table.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
