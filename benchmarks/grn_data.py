"""The networks of BEELINE with the published splits, and the harder ones made from them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import scgnn_tools as sgt
from scgnn_tools.splits import degree_matched, split_pairs

CELLS = ["hESC", "hHEP", "mDC", "mESC", "mHSC-E"]
QUICK = ["beeline1:hESC_500", "beeline1:hHEP_500", "beeline1:mDC_500", "beeline1:mHSC-E_500"]


def networks(data: Path, samples: list[int]) -> list[str]:
    """Return the networks as "source:name": the files of scRegNet and samples of BEELINE, small ones first."""
    found = []
    for size in (500, 1000):
        for source, folder in (("scregnet", "scregnet_split"), *((f"beeline{k}", "beeline") for k in samples)):
            found += [
                f"{source}:{c}_{size}" for c in CELLS if (data / "grn" / folder / f"{c}_{size}/pairs.parquet").is_file()
            ]
    return found


def read(data: Path, network: str) -> pd.DataFrame:
    """Return ``tf``, ``target``, ``label`` and ``part``: 0 train, 1 validation, 2 test; scRegNet's files have no validation."""
    source, name = network.split(":")
    folder = "scregnet_split" if source == "scregnet" else "beeline"
    pairs = pd.read_parquet(data / f"grn/{folder}/{name}/pairs.parquet")
    if source != "scregnet":
        pairs = pairs[pairs["split"] == f"sample{source[-1]}"]
    pairs = pairs.astype({"tf": str, "target": str, "set": str}).reset_index(drop=True)
    return pairs.assign(part=pairs["set"].map({"train": 0, "val": 1, "test": 2}).astype(np.int8))


def splits(pairs: pd.DataFrame, wanted: list[str]) -> Iterator[tuple[list[tuple[str, pd.DataFrame]], pd.DataFrame]]:
    """Yield the test sets, named, that share a training set, and the pairs with their ``part``."""
    if {"random", "degree_matched"} & set(wanted):
        tests = {"random": pairs[pairs["part"] == 2]}
        matched = degree_matched(pairs, base=lambda p, **_: p["part"].to_numpy().copy())
        tests["degree_matched"] = pairs[matched == 2]
        yield [(n, t) for n, t in tests.items() if n in wanted], pairs
    for name in ("unseen_tf", "unseen_target"):
        if name in wanted:
            split = pairs.assign(part=split_pairs(name, pairs, rng=0))
            yield [(name, split[split["part"] == 2])], split


def vectors(data: Path, network: str) -> pd.DataFrame | None:
    """Return the real gene vectors of a published model on the network's own cells; there are some for one network."""
    file = data / f"grn/expression/{network.split(':')[1]}_geneformer_896d.npz"
    if not file.is_file():
        return None
    with np.load(file) as z:
        return pd.DataFrame(z["embedding"].astype(np.float32), index=z["gene"].astype(str))


def expression(data: Path, network: str):
    """Return the real expression; there is some for one network."""
    import anndata as ad

    file = data / f"grn/expression/{network.split(':')[1]}.h5ad"
    return ad.read_h5ad(file) if file.is_file() else None


def bundled_vectors() -> pd.DataFrame:
    """Return the vectors of the best bundled model, for methods that need some."""
    model = sgt.fm.load(sgt.fm.best_bundled())
    return pd.DataFrame(model.gene_table(), index=model.vocabulary).dropna()
