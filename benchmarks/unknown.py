"""Are unknown cells found, is confidence honest, do the sets hold what they promise?

Usage: ``python -m benchmarks.unknown --data ../shared/data [--models cgc-mini corpus-svd] [--methods scgrapht logreg_pca] [--parts …]``

removed    Known cells of another laboratory or donor that are called Unknown; with a type taken out of the reference the AUROC of the
           novelty score (cells of that type against cells of the types that the reference has), and the share of them that is found. The
           signs were chosen on blood; of the pairs here, the allowance after the query's shift was fixed on the first half. Beside it
           stand the AUROC of a classifier's doubt (one less the largest probability of logistic regression) and of a vote as popV's (the
           share of five methods that do not call a cell what most do).
foreign    The bundled immune reference asked about other blood (what is Unknown is wrong), other tissues (what is not is wrong), a panel of
           133 genes of the brain, and blood with a tenth of other cells.
sets       Calibration error of all folds together (15 bins); coverage of 90 % sets, its standard error and their mean size: 5 folds of
           one set (exchangeable), and from one batch, condition or laboratory to another (shifted, where nothing is promised).
"""

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

import scgnn_tools as sgt
from benchmarks._cells import BLOOD, ISLET, OF_68K, named, read, references_and_query
from scgnn_tools import assets
from scgnn_tools.annotation.conformal import coverage_of
from scgnn_tools.annotation.inputs import one_object
from scgnn_tools.annotation.novelty import Novelty
from scgnn_tools.annotation.query import Query
from scgnn_tools.annotation.run import run
from scgnn_tools.data import open_expression
from scgnn_tools.genes import human_symbols
from scgnn_tools.labels import Cells, label_method
from scgnn_tools.metrics import expected_calibration_error
from scgnn_tools.splits import split_cells

HOW = {"use_rep": None, "layer": None, "gene_key": None, "organism": None}
SIBLINGS = {"NK", *ISLET, "T cells", "NK cells"}
"""Types that have a near relative in every reference: they are to go to the parent, not to be found."""
OF_KANG = {"B": "B", "NK": "NK", "CD4T": "CD4", "CD8T": "CD8", "CD14+Mono": "Mono", "FCGR3A+Mono": "Mono"}
PAIRS = [("zheng_sorted_ref", "pbmc3k"), ("pbmc3k", "zheng_sorted_ref")]
REMOVED = ["B", "NK", "Mono"]


@dataclass(frozen=True)
class Pair:
    """A reference and a query with labels of one vocabulary, "" where a cell has none in it, and the types to take out in turn."""

    role: str
    name: str
    reference: ad.AnnData
    own: np.ndarray
    query: ad.AnnData
    true: np.ndarray
    types: list[str]


FOLDS = ["pbmc3k", "zheng_sorted_ref", "baron_mouse", "kang_ifnb"]
SHIFTED = [
    ("kang_ifnb", "condition", "control"),
    ("baron_mouse", "batch", "mouse1"),
    ("sc_mixology", "batch", "sc_celseq2_5cl_p1"),
]


def islands(data: Path) -> Iterator[Pair]:
    """Yield pairs of laboratories or donors; on the first half the two allowances were fixed before the second was looked at."""
    sets = {
        name: read(data, name) for name in ("zheng_sorted_ref", "pbmc3k", "pbmc68k_reduced", "baron_mouse", "kang_ifnb")
    }
    kang = sets["kang_ifnb"][(sets["kang_ifnb"].obs["condition"] == "control").to_numpy()].copy()
    names = {"zheng_sorted_ref": BLOOD, "pbmc3k": BLOOD, "pbmc68k_reduced": OF_68K}
    blood = {n: (sets[n], named(sets[n], names=names[n])) for n in names} | {
        "kang control": (kang, named(kang, names=OF_KANG))
    }
    first = (sets["baron_mouse"].obs["batch"] == "mouse1").to_numpy()
    donors = {n: sets["baron_mouse"][at].copy() for n, at in (("donor 1", first), ("donor 2", ~first))}
    for role, one, other in (
        ("fixed on", "zheng_sorted_ref", "pbmc3k"), ("fixed on", "pbmc3k", "zheng_sorted_ref"),
        ("fixed on", "zheng_sorted_ref", "kang control"), ("judged", "pbmc3k", "pbmc68k_reduced"),
        ("judged", "zheng_sorted_ref", "pbmc68k_reduced"), ("judged", "pbmc3k", "kang control"),
    ):  # fmt: skip
        yield Pair(role, f"{one} -> {other}", *blood[one], *blood[other], REMOVED)
    for role, one, other in (("fixed on", "donor 1", "donor 2"), ("judged", "donor 2", "donor 1")):
        a, b = donors[one], donors[other]
        yield Pair(role, f"pancreas {one} -> {other}", a, named(a), b, named(b), ["beta", "ductal", "endothelial"])
    lung = read(data, "corpus/zilionis_mouse_lung_800")
    at = (lung.obs["tissue"] == "healthy").to_numpy()
    a, b = lung[at].copy(), lung[~at].copy()
    yield Pair(
        "judged", "lung, healthy -> tumour", a, named(a), b, named(b), ["B cells", "NK cells", "Neutrophils", "T cells"]
    )
    a, b = sets["baron_mouse"], read(data, "xin_pancreas_subset_log")
    yield Pair("judged", "baron_mouse -> human islets", a, named(a, names={t: t for t in ISLET}), b, named(b), ISLET)


def learnt(known: Cells, labels: np.ndarray, experiments: np.ndarray | None = None) -> Novelty:
    """Return what is usual of labelled cells."""
    _, codes = np.unique(labels, return_inverse=True)
    part, _ = split_cells(codes)
    train, rest = np.flatnonzero(part == 0), np.flatnonzero(part > 0)
    of_train = None if experiments is None else experiments[train]
    return Novelty().fit(known.take(train), codes[train], known.take(rest), experiments=of_train, same_experiment=False)


def judged(novelty: Novelty, query: Query) -> tuple[np.ndarray, float]:
    """Return how strange each cell is and how far the query lies from the reference."""
    look = novelty.look()
    for cells in query.blocks():
        look.add(cells)
    strange, _, shift = look.judge()
    return strange, shift.distance


VOTERS = ("logreg_pca", "centroid", "spearman_genes", "lda_pca", "knn_pca")
"""Methods that vote, in the manner of popV: what no two of them call the same is strange."""


def beside(known: Cells, labels: np.ndarray, query: Cells) -> dict[str, np.ndarray]:
    """Return what else could tell cells of a missing type, (n_query,) each: a classifier's doubt, and disagreement of five methods."""
    codes = np.unique(labels, return_inverse=True)[1]
    part, _ = split_cells(codes, test=0)
    a, b = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    scores = [
        label_method(name).fit(known.take(a), codes[a], known.take(b), codes[b], rng=0).scores(query) for name in VOTERS
    ]
    votes = np.stack([s.argmax(axis=1) for s in scores])
    most = np.stack([(votes == c).sum(axis=0) for c in range(codes.max() + 1)]).max(axis=0)
    return {"doubt": 1 - softmax(scores[0], axis=1).max(axis=1), "vote": 1 - most / len(VOTERS)}


def apart(new: np.ndarray, old: np.ndarray) -> float:
    return roc_auc_score(np.repeat([1, 0], [len(new), len(old)]), np.r_[new, old]) if len(new) else np.nan


def removed(data: Path, model: sgt.fm.FoundationModel) -> pd.DataFrame:
    rows = []
    for pair in islands(data):
        known, asked = references_and_query({"": pair.reference}, pair.query, model)
        for gone in [None, *pair.types]:
            kept = np.flatnonzero((pair.own != gone) & (pair.own != ""))
            score, distance = judged(learnt(known.take(kept), pair.own[kept]), asked)
            is_old, is_new = np.isin(pair.true, np.unique(pair.own[kept])), pair.true == gone
            old, new = score[is_old], score[is_new] if gone is not None else score[:0]
            others = {} if gone is None else beside(known.take(kept), pair.own[kept], asked.whole())
            theirs = [apart(x[is_new], x[is_old]) for x in others.values()] or [np.nan, np.nan]
            found = (new > 1).mean() if len(new) else np.nan
            sibling = "yes" if gone in SIBLINGS else ""
            rows.append(
                (
                    pair.role,
                    f"{pair.name}{f', no {gone}' if gone else ''}",
                    sibling,
                    apart(new, old),
                    *theirs,
                    found,
                    (old > 1).mean(),
                    distance,
                )
            )
    columns = ["role", "case", "sibling", "AUROC", "doubt", "vote", "removed found", "known Unknown", "distance"]
    return pd.DataFrame(rows, columns=columns).set_index(["role", "case"])


def foreign(data: Path, model: sgt.fm.FoundationModel) -> pd.DataFrame:
    reference = assets.immune_reference()
    sets = reference.obs["dataset"].astype(str)
    parts = {n: reference[(sets == n).to_numpy()] for n in sets.unique()}
    labels = np.concatenate([p.obs["cell_type"].astype(str).to_numpy() for p in parts.values()])
    experiments = np.repeat(np.arange(len(parts)), [p.n_obs for p in parts.values()])
    rows = []
    for name, query, strange in foreign_queries(data):
        known, cells = references_and_query(parts, query, model)
        score, distance = judged(learnt(known, labels, experiments), cells)
        share = [(score[at] > 1).mean() if at.any() else np.nan for at in (~strange, strange)]
        rows.append((name, len(cells), *share, distance))
    return pd.DataFrame(rows, columns=["cells", "n", "blood Unknown", "foreign Unknown", "distance"]).set_index("cells")


def foreign_queries(data: Path) -> Iterator[tuple[str, ad.AnnData, np.ndarray]]:
    """Yield (name, query, whether each cell is foreign to blood)."""
    kang = read(data, "kang_ifnb")
    blood = {f"kang {c}": kang[(kang.obs["condition"] == c).to_numpy()].copy() for c in ("control", "stimulated")}
    blood |= {n: read(data, f"corpus/{n}") for n in ("pbmc_frozen_donorA", "pbmc_10x_3chem", "pbmc1000_pisces")}
    files = {"mouse pancreas": "baron_mouse", "human islets": "xin_pancreas_subset_log", "cancer lines": "sc_mixology"}
    others = {name: read(data, of) for name, of in files.items()}
    brain = read(data, "corpus/mouse_10x_10k_1000genes")[::10].copy()
    others |= {"mouse brain": brain, "mouse brain, 133 genes": brain[:, panel(brain)].copy()}
    for name, query in blood.items():
        yield f"blood, {name}", query, np.zeros(query.n_obs, dtype=bool)
    for name, query in others.items():
        yield f"foreign, {name}", query, np.ones(query.n_obs, dtype=bool)
    for one in ("pbmc_frozen_donorA", "kang control"):
        for other in ("mouse pancreas", "human islets", "cancer lines"):
            yield f"a tenth of {other} in {one}", *mixed(blood[one], others[other])


def panel(adata: ad.AnnData) -> np.ndarray:
    """Return the 133 genes of the highest counts among those that the bundled reference has, as positions."""
    known = np.isin(human_symbols(adata.var_names.to_numpy()), assets.immune_reference().var_names)
    total = np.asarray(adata.X.sum(axis=0)).ravel() * known
    return np.sort(np.argsort(-total, kind="stable")[:133])


def mixed(blood: ad.AnnData, other: ad.AnnData) -> tuple[ad.AnnData, np.ndarray]:
    """Return blood with a tenth of other cells, over the genes of both by their human symbols, and which cells are the others."""
    n = min(other.n_obs, blood.n_obs // 9)
    drawn = other[np.random.default_rng(0).choice(other.n_obs, n, replace=False)]
    both = []
    for adata in (blood, drawn):
        opened = open_expression(adata)
        rows = sp.vstack([r for _, r in opened.rows()]).tocsr()
        if opened.kind.kind == "log1p":
            rows.data = np.expm1(rows.data)
        part = ad.AnnData(sp.csr_matrix(rows), var=pd.DataFrame(index=human_symbols(opened.var.index.to_numpy())))
        both.append(part[:, (part.var_names != "") & ~part.var_names.duplicated()].copy())
    return ad.concat(both, index_unique="-"), np.repeat([False, True], [blood.n_obs, n])


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
        known, asked = references_and_query({"": reference}, query, model)
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


def summary(table: pd.DataFrame) -> str:
    """Return the figures that the targets name."""
    lines = []
    for role in ("fixed on", "judged"):
        part = table.loc[role]
        whole = part[part["AUROC"].isna()]["known Unknown"]
        apart = part[part["sibling"] == ""]["AUROC"].dropna()
        lines.append(
            f"{role}: known cells Unknown {whole.min():.3f} to {whole.max():.3f} (wanted: at most 0.10); removed types that are no "
            f"siblings, AUROC mean {apart.mean():.3f} (wanted: 0.90), lowest {apart.min():.3f} (wanted: 0.80), with siblings "
            f"{part['AUROC'].mean():.3f}; the same by doubt {part['doubt'].mean():.3f}, by a vote {part['vote'].mean():.3f}"
        )
    return "\n" + "\n".join(lines)


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
                table = make(args.data, model).round(3)
                out.append(
                    f"{part}, vectors of {name}\n{table.to_string(na_rep='')}{summary(table) if part == 'removed' else ''}"
                )
                print(out[-1], flush=True)
    if "sets" in args.parts:
        model = sgt.fm.load(args.models[0])
        table = pd.concat([make(args.data, model, args.methods) for make in (folds, shifted)])
        out.append(f"calibration and 90 % sets, vectors of {args.models[0]}\n{table.round(3).to_string()}")
    print("\n" + "\n\n".join(out))


if __name__ == "__main__":
    main()
