"""Label noise: a share of the training labels is turned, edges into none and the other way round; the test labels are as published.

A label is drawn with equal chance whatever it is, so that at 50 % nothing is left to learn. Each row is the mean over ``--draws`` draws
of which labels are turned. ``--store`` keeps what is scored, a line each, so that a run that was stopped goes on.

Usage: ``python -m benchmarks.grn_noise --data ../shared/data [--networks scregnet:hESC_500 …] [--methods …] [--draws 3] [--store FILE]``
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

import scgnn_tools as sgt
from benchmarks import grn_data
from scgnn_tools.grn.noise import turned
from scgnn_tools.links import PREDICTORS

SHARES = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5]
METHODS = ["degree", "collaborative", "scregnet", "sgt"]
ONE_DRAW = {"scregnet", "sgt"}
"""Trained for seconds to minutes: one draw each."""


class Store:
    """Rows that are kept in a file, a line each, by what they are of."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path is not None and path.is_file() else []
        self._rows = {tuple(r["of"]): r["row"] for r in map(json.loads, lines)}

    def row(self, of: tuple, make: Callable[[], dict]) -> dict:
        """Return the kept row, or make it."""
        if of not in self._rows:
            self._rows[of] = make()
            if self._path is not None:
                with self._path.open("a") as file:
                    file.write(json.dumps({"of": of, "row": self._rows[of]}) + "\n")
        return self._rows[of]


def scored(data: Path, network: str, method: str, share: float, draw: int) -> dict:
    """Train a method on turned labels and score it on the true ones."""
    pairs = grn_data.read(data, network)
    cells, vectors = grn_data.expression(data, network), grn_data.vectors(data, network)
    train, validation, test = (pairs[pairs["part"] == p] for p in range(3))
    rng = np.random.default_rng(draw)
    train = turned(train, share, rng)
    held = turned(validation, share, rng) if len(validation) else None
    given = {"genes": np.unique(pairs[["tf", "target"]].to_numpy(dtype=object).ravel())}
    if method == "sgt" or "embedding" in PREDICTORS[method].needs:
        given["embedding"] = grn_data.bundled_vectors() if vectors is None else vectors
    if cells is not None and (method == "sgt" or "expression" in PREDICTORS[method].needs):
        given["expression"] = cells
    fitted = sgt.models.link_predictor(method, rng=draw).fit(train, held, **given)
    m = sgt.metrics.grn(test["label"], fitted.score(test), test["tf"])
    return {"AUROC": m["auroc"], "AUPRC": m["auprc"], "AUROC/TF": m["auroc_per_tf"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--networks", nargs="+", default=["scregnet:hESC_500", "scregnet:mHSC-E_500"])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--store", type=Path)
    args = parser.parse_args()
    sgt.settings.progress = False
    store, rows = Store(args.store), []
    for of in product(args.networks, args.shares, args.methods, range(args.draws)):
        network, share, method, draw = of
        if draw and (share == 0 or method in ONE_DRAW):
            continue
        start = time.perf_counter()
        found = store.row(of, lambda: scored(args.data, network, method, share, draw))  # noqa: B023 (called at once)
        rows.append({"network": network, "turned": share, "method": method, **found})
        print(
            f"# {network} {share:.0%} {method} {draw}: {found['AUPRC']:.3f}, {time.perf_counter() - start:.0f} s",
            flush=True,
        )
    table = pd.DataFrame(rows)
    wide = table.pivot_table(index=["network", "turned"], columns="method", values=["AUPRC", "AUROC/TF"], sort=False)
    wide = wide.reindex(columns=[(v, m) for v in ("AUPRC", "AUROC/TF") for m in args.methods])
    wide.columns = [f"{v} {m}" for v, m in wide.columns]
    wide.index = wide.index.set_levels([f"{s:.0%}" for s in wide.index.levels[1]], level=1)
    print(wide.round(3).to_string())


if __name__ == "__main__":
    main()
