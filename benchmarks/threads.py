"""Seconds of the four calls with 1, 2 and 8 threads asked for, idle and beside busy cores; the default comes first.

Usage: ``python -m benchmarks.threads [--busy 0 1] [--threads default 1 2 8] [--calls embed annotate infer_grn train]``

Each row is a process of its own. "asked" is what a user sets, ``OMP_NUM_THREADS``; "default" sets nothing. A busy core is a process that
adds up numbers. CPU seconds beside the wall clock show threads that wait without sleeping. What else the machine does is said by its load.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pandas as pd

BUSY = "while True: sum(range(10**6))"


def calls() -> dict:
    import scanpy as sc

    import scgnn_tools as sgt

    cells = sc.datasets.pbmc68k_reduced()
    labelled = cells.raw.to_adata()
    labelled.obs["label"] = cells.obs["bulk_labels"].astype(str)

    def train() -> None:
        sgt.models.ScGraPhT.setup_anndata(labelled, labels_key="label")
        sgt.models.ScGraPhT(labelled).train(max_epochs=60)

    return {
        "embed": lambda: sgt.tl.embed(cells),
        "annotate": lambda: sgt.tl.annotate(cells),
        "infer_grn": lambda: sgt.tl.infer_grn(cells),
        "train": train,
    }


def measure(names: list[str]) -> None:
    """Print seconds of each call as JSON; runs in a process of its own."""
    import scgnn_tools as sgt

    warnings.simplefilter("ignore")
    sgt.settings.progress = sgt.settings.verbose = False
    there, row = calls(), {}
    for name in names:
        start, used = time.perf_counter(), _cpu()
        there[name]()
        row |= {f"{name} s": time.perf_counter() - start, f"{name} CPU s": _cpu() - used}
    print(json.dumps(row))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="not used")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--threads", nargs="+", default=["default", "1", "2", "8"])
    parser.add_argument("--calls", nargs="+", default=["embed", "annotate", "infer_grn", "train"])
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.calls)
        return
    rows = []
    for busy in args.busy:
        others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
        try:
            for asked in args.threads:
                env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
                env |= {} if asked == "default" else {"OMP_NUM_THREADS": asked}
                command = [
                    sys.executable,
                    "-W",
                    "ignore",
                    "-m",
                    "benchmarks.threads",
                    "--measure",
                    "--calls",
                    *args.calls,
                ]
                out = subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout
                load = f"{os.getloadavg()[0]:.1f}"
                rows.append({"busy cores": busy, "load": load, "asked": asked, **json.loads(out.splitlines()[-1])})
        finally:
            for other in others:
                other.kill()
                other.wait()
    print(pd.DataFrame(rows).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
