"""Link predictors beside the counting baselines on the published splits: pooled, per factor, and with the degree taken away.

Usage: ``python -m benchmarks.grn --data ../shared/data [--networks hESC_500 ...] [--methods ...]``
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import scgnn_tools as sgt
from scgnn_tools._errors import LeakageError
from scgnn_tools.splits import audit_pairs, degree_matched

NETWORKS = ["hESC_500", "hHEP_500", "mESC_500", "mHSC-E_500"]
SHOWN = ["auroc", "auprc", "auroc_per_tf", "density"]


def read(data: Path, network: str) -> pd.DataFrame:
    pairs = pd.read_parquet(data / f"grn/scregnet_split/{network}/pairs.parquet")
    return pairs[["tf", "target", "label", "set"]].astype({"tf": str, "target": str, "set": str})


def vectors(data: Path, network: str) -> pd.DataFrame | None:
    file = data / f"grn/expression/{network}_geneformer_896d.npz"
    if not file.is_file():
        return None
    with np.load(file) as z:
        return pd.DataFrame(z["embedding"].astype(np.float32), index=z["gene"].astype(str))


def bundled_vectors() -> pd.DataFrame:
    model = sgt.fm.load(sgt.fm.best_bundled())
    return pd.DataFrame(model.gene_table(), index=model.vocabulary).dropna()


def rows(data: Path, network: str, methods: list[str]) -> list[dict]:
    pairs = read(data, network)
    train, test = pairs[pairs["set"] == "train"], pairs[pairs["set"] == "test"]
    try:
        audit_pairs(train, test)
    except LeakageError as error:
        print(f"{network}: {str(error).split(',')[0]}")
    matched = test[
        degree_matched(pairs, base=lambda p, **_: np.where(p["set"] == "test", 2, 0).astype("int8"))[
            pairs["set"] == "test"
        ]
        == 2
    ]
    own, out = vectors(data, network), []
    embedding, name = (own, "geneformer-896") if own is not None else (bundled_vectors(), sgt.fm.best_bundled())
    for method in methods:
        start = time.perf_counter()
        fitted = sgt.models.link_predictor(method, rng=0).fit(
            train, embedding=embedding, genes=pairs["target"].unique()
        )
        seconds = time.perf_counter() - start
        shown = method + (f" ({name})" if method in ("scregnet", "cosine") else "")
        for label, part in (("random_pair", test), ("degree_matched", matched)):
            m = sgt.metrics.grn(part["label"], fitted.score(part), part["tf"])
            out.append(
                {"network": network, "split": label, "method": shown, **{k: m[k] for k in SHOWN}, "seconds": seconds}
            )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--methods", nargs="+", default=["degree", "collaborative", "cosine", "scregnet"])
    args = parser.parse_args()
    table = pd.DataFrame([r for n in args.networks for r in rows(args.data, n, args.methods)])
    wide = table.pivot_table(
        index=["network", "method"], columns="split", values=["auroc", "auprc", "auroc_per_tf"], sort=False
    )
    wide = wide.swaplevel(axis=1)[
        [(s, v) for s in ("random_pair", "degree_matched") for v in ("auroc", "auprc", "auroc_per_tf")]
    ]
    wide.columns = [
        f"{'random' if s == 'random_pair' else 'matched'} {v.replace('auroc_per_tf', 'per TF')}"
        for s, v in wide.columns
    ]
    print(wide.round(3).to_string())


if __name__ == "__main__":
    main()
