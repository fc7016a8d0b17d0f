"""Integration methods beside their baselines on four sets: bio, batch and total, and who wins.

Usage: ``python -m benchmarks.integration --data ../shared/data [--sets mixology …] [--methods harmony …] [--networks] [--splits]``

A method ``X_cgc-mini+harmony`` is Harmony on the vectors of ``sgt.tl.embed``; ``X_cgc-mini`` alone is what they are uncorrected. The labels
of the three chemistries are frozen in ``chemistries.csv.gz`` (``scripts/label_chemistries.py``). Control rows say what a score is worth.
``--splits`` maps cells that a method was not fitted on (unseen cells, an unseen batch), and takes one type out of one batch.
``--networks`` trains a small Cell-Graph Compass on the cells, with the published loss and without parts of it (``NETWORKS``), each alone
and under Harmony.
"""

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

import scgnn_tools as sgt
from scgnn_tools.integration import METHODS, Integrator
from scgnn_tools.integration.evaluation import evaluate, verdict
from scgnn_tools.integration.inputs import batch_column, label_column
from scgnn_tools.splits import split_batches

COLUMNS = ["paper", "bio", "batch", "total", "total_se", "mixing", "total_mixing", "ilisi", "bras", "pcr", "seconds"]
BASELINES = ["pca", "center", "combat", "harmony", "scvi"]
DEFAULT = [*BASELINES, "X_cgc-mini", "X_cgc-mini+harmony"]
PLAIN = {"method": "cgc", "n_genes": 1000, "ecs": 0, "dar": 0}
NETWORKS = {
    "cgc": {**PLAIN, "ecs": 10, "dar": 1},
    "cgc plain": PLAIN,
    "cgc plain, no graph": {**PLAIN, "graph": False},
    "cgc plain, no pretraining": {**PLAIN, "pretrain": False},
}
"""Options by row: the published loss; without elastic similarity and adversary ("plain"), and then without graph or without pretraining."""


@dataclass(frozen=True)
class Set:
    """Cells of several batches with labels."""

    path: str
    batch_key: str
    labels: str | None = None


SETS = {
    "mixology": Set("cells/sc_mixology.h5ad", "batch"),
    "baron_mouse": Set("cells/baron_mouse.h5ad", "batch"),
    "kang": Set("cells/kang_ifnb.h5ad", "condition"),
    "chemistries": Set("corpus/pbmc_10x_3chem.h5ad", "batch", "chemistries.csv.gz"),
}


def read(data: Path, one: Set) -> ad.AnnData:
    """Return the cells that have a label of at least ten cells."""
    adata = ad.read_h5ad(data / one.path)
    if one.labels is not None:
        frozen = pd.read_csv(Path(__file__).with_name(one.labels), index_col="cell")["cell_type"]
        adata.obs["cell_type"] = frozen.reindex(adata.obs_names)
    return adata


def parts(method: str) -> tuple[str | None, str]:
    """Return the vectors that a method corrects (None for components) and its name in the registry."""
    rep, _, name = method.rpartition("+")
    if name.startswith("X_"):
        rep, name = name, "none"
    return rep or None, "none" if name == "pca" else name


def scored(adata: ad.AnnData, one: Set, methods: list[str], seed: int) -> tuple[pd.DataFrame, str]:
    """Return a row a method, all scored on the same cells, and the verdict of Harmony."""
    vectors, seconds = {}, {}
    for method in ["pca", *(m for m in methods if m != "pca")]:
        rep, name = parts(method)
        if rep in vectors:
            adata.obsm[rep] = vectors[rep]
        elif rep is not None and rep not in adata.obsm:
            sgt.tl.embed(adata, rep.removeprefix("X_"), genes=False)
        start = time.perf_counter()
        how = {"method": name, "use_rep": rep, "labels_key": "cell_type", "evaluate": False, "rng": seed}
        sgt.tl.integrate(adata, one.batch_key, **(how | NETWORKS.get(method, {})))
        vectors[method], seconds[method] = adata.obsm["X_sgt_integrated"], time.perf_counter() - start
    kinds = {m: "baseline" if m in BASELINES else "method" for m in vectors}
    found = evaluate(
        vectors,
        kinds,
        batch_column(adata, one.batch_key),
        label_column(adata, "cell_type"),
        before=vectors["pca"],
        rng=seed,
    )
    found.table["seconds"] = pd.Series(seconds)
    return found.table, verdict(found, "harmony") if "harmony" in vectors else ""


def held_out(adata: ad.AnnData, one: Set, methods: list[str], seed: int) -> pd.DataFrame:
    """Return the scores of cells that were mapped, by split and method; those of a type that one batch lacks, for all methods."""
    batch, labels = batch_column(adata, one.batch_key), label_column(adata, "cell_type")
    rows = {}
    for kind in ("unseen_cells", "unseen_batch"):
        part = split_batches(batch.codes, labels.codes, kind, rng=seed)
        new = part == "query"
        for method in (m for m in methods if m in METHODS and METHODS[m].inductive):
            if kind == "unseen_batch" and (method == "center" or len(batch.names) < 3):
                continue  # center has no mean of a new batch; one batch that is left is nothing to integrate
            model = Integrator.fit(adata[~new].copy(), one.batch_key, method=method, rng=seed, labels_key="cell_type")
            vectors = np.empty((adata.n_obs, model.vectors.shape[1]), dtype=np.float32)
            vectors[~new], vectors[new] = model.vectors, model.transform(adata[new].copy(), one.batch_key)
            rows[kind, method] = of_query(vectors, new, batch.of_cells(), labels.of_cells())
    return pd.DataFrame.from_dict(rows, orient="index")


def of_query(vectors: np.ndarray, new: np.ndarray, batch: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return how often the nearest fitted cells tell a mapped cell's label, and how well all are mixed."""
    from sklearn.neighbors import KNeighborsClassifier

    named = labels != ""
    near = KNeighborsClassifier(15).fit(vectors[~new & named], labels[~new & named].astype(str))
    found = near.predict(vectors[new & named])
    out = sgt.metrics.annotation(labels[new & named].astype(str), found)
    scores = sgt.metrics.integration(
        vectors[named], batch[named], labels[named], which=["bio", "mixing", "total_mixing"]
    )
    return {"n": out["n"], "accuracy": out["accuracy"], "macro_f1": out["macro_f1"], **scores}


def shifted(adata: ad.AnnData, one: Set, methods: list[str], seed: int) -> pd.DataFrame:
    """Take one type out of one batch: how many of its other cells get neighbours of that batch, which can only be of other types?"""
    batch, labels = batch_column(adata, one.batch_key), label_column(adata, "cell_type")
    part = split_batches(batch.codes, labels.codes, "label_shift", rng=seed)
    left = adata[part != "removed"].copy()
    gone = part == "removed"
    of, where = labels.names[labels.codes[gone][0]], batch.names[batch.codes[gone][0]]
    rows = {}
    for method in (m for m in methods if m in (*METHODS, "pca")):
        name = "none" if method == "pca" else method
        sgt.tl.integrate(left, one.batch_key, method=name, labels_key="cell_type", evaluate=False, rng=seed)
        rows[method] = {"type": of, "batch": where, **mixed(left, of, where, one.batch_key)}
    return pd.DataFrame.from_dict(rows, orient="index")


def mixed(adata: ad.AnnData, of: str, where: str, batch_key: str) -> dict[str, float]:
    near = sgt.graph.knn(adata.obsm["X_sgt_integrated"].astype(np.float64), 30).indices.reshape(adata.n_obs, -1)
    labels, batch = adata.obs["cell_type"].astype(str).to_numpy(), adata.obs[batch_key].astype(str).to_numpy()
    own = near[labels == of]
    return {
        "wrong type": float((labels[own] != of).mean()),
        "of the batch that lacks it": float((batch[own] == where).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--methods", nargs="*", default=DEFAULT)
    parser.add_argument("--networks", action="store_true", help="in place of the methods: Harmony and small networks")
    parser.add_argument("--splits", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.networks:
        args.methods = ["harmony", *(m for n in NETWORKS for m in (n, f"{n}+harmony"))]
    sgt.settings.progress = sgt.settings.verbose = False
    warnings.simplefilter("ignore")
    pd.set_option("display.width", 200, "display.max_columns", 30)
    for name in args.sets:
        start, adata = time.perf_counter(), read(args.data, SETS[name])
        table, words = scored(adata, SETS[name], args.methods, args.seed)
        print(f"\n{name}: {int(table['n'].iloc[0]):,} cells, batches by {SETS[name].batch_key}")
        print(table[[c for c in COLUMNS if c in table]].round(3).to_string())
        if words:
            print(words)
        if args.splits:
            print(
                f"\n{name}: cells that were mapped\n{held_out(adata, SETS[name], args.methods, args.seed).round(3).to_string()}"
            )
            print(
                f"\n{name}: one type taken out of one batch\n{shifted(adata, SETS[name], args.methods, args.seed).round(3).to_string()}"
            )
        print(f"({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
