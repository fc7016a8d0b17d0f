"""The whole job on 700 real cells that ship inside scanpy: embed, annotate, infer a network, plot; offline."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import scgnn_tools as sgt
from scgnn_tools._keys import UNKNOWN, EmbeddingKeys, GrnKeys, LabelKeys
from scgnn_tools._write import write_whole

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.figure import Figure

TRUTH, SHOWN = "bulk_labels", "cell_type"
BASELINES = ("logreg_pca", "centroid", "knn_pca")


def demo(folder: Path) -> str:
    """Run the demo and write ``pbmc.h5ad``, ``umap.png``, ``annotation.png`` and ``grn.png`` into ``folder``.

    Returns
    -------
    str
        A table: what was done, the result, the baselines it has to beat, seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    adata = _cells()
    table = _Table()

    with table.step("load 700 PBMCs, hide half of the labels") as row:
        hidden = adata.obs[SHOWN].isna().to_numpy()
        row["result"] = f"{hidden.sum()} of {adata.n_obs} labels hidden, {adata.obs[TRUTH].nunique()} cell types"

    with table.step("sgt.tl.embed") as row:
        sgt.tl.embed(adata)
        rep = EmbeddingKeys(sgt.fm.best_bundled()).obsm
        row["result"] = f"obsm[{rep!r}], kNN accuracy {_knn_accuracy(adata, rep):.3f}"
        row["baselines"] = f"PCA {_knn_accuracy(adata, 'X_pca'):.3f}"

    with table.step("sgt.tl.annotate") as row:
        sgt.tl.annotate(adata)
        row["result"] = f"accuracy {_hidden_accuracy(adata, hidden):.3f} on the hidden half"
        unknown = (adata.obs[LabelKeys().obs] == UNKNOWN).to_numpy()
        row["note"] = f"{(unknown & hidden).sum()} hidden cells called {UNKNOWN} (counted as wrong)"

    for method in BASELINES:
        other = adata.copy()
        sgt.tl.annotate(other, method=method)
        row["baselines"] = f"{row.get('baselines', '')}{method} {_hidden_accuracy(other, hidden):.3f}  "

    with table.step("sgt.tl.infer_grn") as row:
        sgt.tl.infer_grn(adata)
        grn = adata.uns[GrnKeys().uns]
        row["result"], row["baselines"], row["note"] = _grn_words(grn)

    with table.step("neighbours, UMAP, three figures") as row:
        _save(folder / "umap.png", _umap(adata, rep))
        sgt.pl.annotation(adata, labels_key=TRUTH, save=folder / "annotation.png")
        sgt.pl.grn(adata, save=folder / "grn.png")
        row["result"] = f"{folder}/umap.png, annotation.png, grn.png"

    with table.step("write the AnnData") as row:
        write_whole(folder / "pbmc.h5ad", adata.write_h5ad)
        row["result"] = f"{folder}/pbmc.h5ad"
    return table.text()


def _cells() -> "AnnData":
    """700 PBMCs: scaled ``X``, log-normalised ``raw``; half of the labels, drawn at random, is shown."""
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file is of an old AnnData format
        adata = sc.datasets.pbmc68k_reduced()
    hide = np.random.default_rng(0).permutation(adata.n_obs) < adata.n_obs // 2
    adata.obs[SHOWN] = adata.obs[TRUTH].astype("category").where(~hide)
    return adata


def _hidden_accuracy(adata: "AnnData", hidden: np.ndarray) -> float:
    predicted = adata.obs[LabelKeys().obs].astype(str).to_numpy()
    return float((predicted == adata.obs[TRUTH].astype(str).to_numpy())[hidden].mean())


def _knn_accuracy(adata: "AnnData", rep: str) -> float:
    """Share of cells whose label a vote of 15 neighbours in ``obsm[rep]`` finds (5-fold)."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(cross_val_score(KNeighborsClassifier(15), adata.obsm[rep], adata.obs[TRUTH], cv=folds).mean())


def _grn_words(grn: dict) -> tuple[str, str, str]:
    """Put the evaluation of a network into words: the method, its baselines, what was evaluated."""
    table, method = grn["evaluation"]["table"], grn["params"]["method"]
    scored = table.loc[table["auprc"].notna(), "auprc"]
    others = "  ".join(f"{name} {value:.3f}" for name, value in scored.items() if name != method)
    note = f"{len(grn['edges']):,} edges; split {grn['evaluation']['split']}, density {table['density'].iloc[0]:.2f}"
    return f"AUPRC {scored.get(method, np.nan):.3f}", others, note


def _umap(adata: "AnnData", rep: str) -> "Figure":
    """Write the UMAP of ``obsm[rep]`` and return its figure, through scanpy."""
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap and numba talk about threads and seeds
        sc.pp.neighbors(adata, use_rep=rep, random_state=0)
        sc.tl.umap(adata, random_state=0)
        return sc.pl.umap(
            adata, color=TRUTH, title=f"UMAP of {rep}, cell types as published", frameon=False, size=60, return_fig=True
        )


def _save(path: Path, figure: "Figure") -> None:
    write_whole(path, lambda part: figure.savefig(part, dpi=150, bbox_inches="tight"))


class _Table:
    """Rows of the demo, timed."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    @contextmanager
    def step(self, what: str, clock: Callable[[], float] = time.perf_counter) -> Iterator[dict[str, str]]:
        row = {"what": what, "result": "", "baselines": "", "note": ""}
        start = clock()
        yield row
        row["seconds"] = f"{clock() - start:.1f}"
        self.rows.append(row)

    def text(self) -> str:
        frame = pd.DataFrame(self.rows)[["what", "result", "baselines", "note", "seconds"]]
        width = {c: max(len(c), *frame[c].str.len()) for c in frame}
        lines = [
            "  ".join(str(v).ljust(width[c]) for c, v in zip(frame, row, strict=True)).rstrip()
            for row in frame.to_numpy()
        ]
        head = "  ".join(c.ljust(width[c]) for c in frame)
        return "\n".join([head, "-" * len(head), *lines])
