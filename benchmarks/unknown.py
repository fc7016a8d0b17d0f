"""Are unknown cells found, is confidence honest, do the sets hold what they promise?

Usage: ``python -m benchmarks.unknown --data ../shared/data [--models cgc-mini corpus-svd] [--methods scgrapht logreg_pca] [--parts ...]``

removed    A type is taken out of the reference. AUROC of the novelty score: cells of that type against cells of the types that the
           reference has; the share of them that gets a label all the same, and of the others that is called Unknown. The signs and
           the allowance were chosen with the first two pairs of sets in sight; the others had no part in it.
foreign    The bundled immune reference asked about other blood (what is Unknown is wrong) and other tissues (what is not is wrong).
sets       Calibration error of all folds together (15 bins); coverage of 90 % sets, its standard error and their mean size: 5 folds of
           one set (exchangeable), and from one batch, condition or laboratory to another (shifted, where nothing is promised).
"""

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

import scgnn_tools as sgt
from benchmarks._cells import BLOOD, ISLET, OF_68K, named, read
from scgnn_tools import assets
from scgnn_tools.annotation.conformal import coverage_of
from scgnn_tools.annotation.inputs import one_object, references_and_query
from scgnn_tools.annotation.novelty import Novelty
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.run import run
from scgnn_tools.metrics import expected_calibration_error
from scgnn_tools.splits import split_cells

HOW = {"use_rep": None, "layer": None, "gene_key": None, "organism": None}
PAIRS = [("zheng_sorted_ref", "pbmc3k"), ("pbmc3k", "zheng_sorted_ref")]
REMOVED = ["B", "NK", "Mono"]
FOLDS = ["pbmc3k", "zheng_sorted_ref", "baron_mouse", "kang_ifnb"]
SHIFTED = [
    ("kang_ifnb", "condition", "control"),
    ("baron_mouse", "batch", "mouse1"),
    ("sc_mixology", "batch", "sc_celseq2_5cl_p1"),
]


def cases(data: Path) -> Iterator[tuple[str, ad.AnnData, np.ndarray, ad.AnnData, np.ndarray, list[str]]]:
    """Yield (name, reference, its labels, query, its labels, types to take out in turn)."""
    for one, other in PAIRS:
        a, b = read(data, one), read(data, other)
        yield f"{one} -> {other}", a, named(a, names=BLOOD), b, named(b, names=BLOOD), REMOVED
    # sets that nothing was chosen on
    query = read(data, "pbmc68k_reduced")
    for name in ("pbmc3k", "zheng_sorted_ref"):
        a = read(data, name)
        yield f"{name} -> pbmc68k", a, named(a, names=BLOOD), query, named(query, names=OF_68K), REMOVED
    lung = read(data, "corpus/zilionis_mouse_lung_800")
    at = (lung.obs["tissue"] == "healthy").to_numpy()
    a, b = lung[at].copy(), lung[~at].copy()
    yield "lung, healthy -> tumour", a, named(a), b, named(b), ["B cells", "NK cells", "Neutrophils", "T cells"]
    a, b = read(data, "baron_mouse"), read(data, "xin_pancreas_subset_log")
    yield "baron_mouse -> human islets", a, named(a, names={t: t for t in ISLET}), b, named(b), ISLET


def removed(data: Path, model: sgt.fm.FoundationModel) -> pd.DataFrame:
    rows = []
    for name, reference, own, query, true, types in cases(data):
        known, asked, _ = references_and_query({"": reference}, query, model, **HOW)
        for gone in types:
            kept = np.flatnonzero((own != gone) & (own != ""))
            _, codes = np.unique(own[kept], return_inverse=True)
            part, _ = split_cells(codes)
            cells, train = known.take(kept), np.flatnonzero(part == 0)
            novelty = Novelty().fit(
                cells.take(train), codes[train], cells.take(np.flatnonzero(part > 0)), same_experiment=False
            )
            score = novelty.score(asked.whole())
            new, old = score[true == gone], score[(true != gone) & (true != "")]
            auroc = roc_auc_score(np.repeat([1, 0], [len(new), len(old)]), np.r_[new, old])
            rows.append((f"{name}, no {gone}", auroc, (new <= 1).mean(), (old > 1).mean()))
    columns = ["case", "AUROC", "unknown cells labelled", "known cells Unknown"]
    return pd.DataFrame(rows, columns=columns).set_index("case")


def foreign(data: Path, model: sgt.fm.FoundationModel) -> pd.DataFrame:
    reference = assets.immune_reference()
    sets = reference.obs["dataset"].astype(str)
    parts = {n: reference[(sets == n).to_numpy()] for n in sets.unique()}
    labels = np.concatenate([p.obs["cell_type"].astype(str).to_numpy() for p in parts.values()])
    experiments = np.repeat(np.arange(len(parts)), [p.n_obs for p in parts.values()])
    _, codes = np.unique(labels, return_inverse=True)
    part, _ = split_cells(codes)
    train = np.flatnonzero(part == 0)
    kang = read(data, "kang_ifnb")
    asked = {
        f"blood, kang_ifnb {c}": kang[(kang.obs["condition"] == c).to_numpy()].copy() for c in ("control", "stimulated")
    }
    asked["blood, pbmc_frozen_donorA"] = read(data, "corpus/pbmc_frozen_donorA")
    asked["blood, pbmc_10x_3chem"] = read(data, "corpus/pbmc_10x_3chem")
    names = {"baron_mouse": "mouse pancreas", "xin_pancreas_subset_log": "human islets", "sc_mixology": "cancer lines"}
    asked |= {f"foreign, {what}": read(data, name) for name, what in names.items()}
    rows = []
    for name, query in asked.items():
        known, cells, _ = references_and_query(parts, query, model, **HOW)
        novelty = Novelty().fit(
            known.take(train),
            codes[train],
            known.take(np.flatnonzero(part > 0)),
            experiments=experiments[train],
            same_experiment=False,
        )
        score = novelty.score(cells.whole())
        rows.append((name, len(cells), (score > 1).mean(), float(np.median(score))))
    return pd.DataFrame(rows, columns=["cells", "n", "Unknown", "median novelty"]).set_index("cells")


def folds(data: Path, model: sgt.fm.FoundationModel, methods: list[str]) -> pd.DataFrame:
    rows = []
    for name in FOLDS:
        adata = read(data, name)
        labels = named(adata)
        cells, _ = one_object(adata, model, **HOW)
        for method in methods:
            proba, sets, codes = [], [], []
            for fold, (rest, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels)):
                got = run(
                    cells.take(rest),
                    labels[rest],
                    Query.of(cells.take(test)),
                    method=method,
                    reject=False,
                    coverage=0.9,
                    rng=fold,
                )
                at = np.searchsorted(got.classes, labels[test]).clip(0, len(got.classes) - 1)
                known = got.classes[at] == labels[test]  # a class may be in one fold only
                proba.append(got.proba[known])
                sets.append(got.sets[known])
                codes.append(at[known])
            rows.append(_row("exchangeable", name, method, proba, sets, codes))
            print(rows[-1], flush=True)
    return _table(rows)


def shifted(data: Path, model: sgt.fm.FoundationModel, methods: list[str]) -> pd.DataFrame:
    asked_of = {}
    for one, other in PAIRS:
        reference, query = read(data, one), read(data, other)
        known, asked, _ = references_and_query({"": reference}, query, model, **HOW)
        asked_of[f"{one} -> {other}"] = known, named(reference, names=BLOOD), asked, named(query, names=BLOOD)
    for name, key, one in SHIFTED:
        adata = read(data, name)
        cells, _ = one_object(adata, model, **HOW)
        labels, here = named(adata), named(adata, key) == one
        a, b = np.flatnonzero(here), np.flatnonzero(~here)
        asked_of[f"{name}, {one} -> rest"] = cells.take(a), labels[a], Query.of(cells.take(b)), labels[b]
    rows = []
    for case, (known, own, asked, true) in asked_of.items():
        labelled = np.flatnonzero(own != "")
        for method in methods:
            got = run(known.take(labelled), own[labelled], asked, method=method, reject=False, coverage=0.9)
            at = np.searchsorted(got.classes, true).clip(0, len(got.classes) - 1)
            has = got.classes[at] == true
            rows.append(_row("shifted", case, method, [got.proba[has]], [got.sets[has]], [at[has]]))
            print(rows[-1], flush=True)
    return _table(rows)


def _row(kind: str, name: str, method: str, proba: list, sets: list, codes: list) -> tuple:
    y = np.concatenate(codes)
    top = np.concatenate([q.max(axis=1) for q in proba])
    hit = np.concatenate([q.argmax(axis=1) for q in proba]) == y
    parts = [coverage_of(a, b) for a, b in zip(sets, codes, strict=True)]
    n = np.array([len(b) for b in codes])
    share, size = (float(np.average([q[i] for q in parts], weights=n)) for i in (0, 2))
    error = float(np.sqrt(share * (1 - share) / n.sum()))
    return kind, name, method, int(n.sum()), hit.mean(), expected_calibration_error(hit, top), share, error, size


def _table(rows: list[tuple]) -> pd.DataFrame:
    columns = ["split", "dataset", "method", "n", "accuracy", "ece", "coverage", "± se", "mean size"]
    return pd.DataFrame(rows, columns=columns).set_index(columns[:3])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", nargs="+", default=["cgc-mini", "corpus-svd"])
    parser.add_argument("--methods", nargs="+", default=["scgrapht", "logreg_pca"])
    parser.add_argument("--parts", nargs="+", default=["removed", "foreign", "sets"])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sgt.settings.progress = False
    out = []
    for name in args.models:
        model = sgt.fm.load(name)
        for part, make in (("removed", removed), ("foreign", foreign)):
            if part in args.parts:
                out.append(f"{part}, vectors of {name}\n{make(args.data, model).round(3).to_string()}")
                print(out[-1], flush=True)
    if "sets" in args.parts:
        model = sgt.fm.load(args.models[0])
        table = pd.concat([make(args.data, model, args.methods) for make in (folds, shifted)])
        out.append(f"calibration and 90 % sets, vectors of {args.models[0]}\n{table.round(3).to_string()}")
    print("\n" + "\n\n".join(out))


if __name__ == "__main__":
    main()
