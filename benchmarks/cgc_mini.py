"""What ``cgc-mini`` is worth on cells that its corpus does not hold, and what each of its parts adds.

Usage: ``python -m benchmarks.cgc_mini --data ../shared/data [--scvi EPOCHS] [--transformer STEPS]``

Purity is the accuracy of 15 neighbours in 5 folds, the same folds for all; beside it the difference from cgc-mini, paired over the folds,
with its standard error. Mixing is the share of other batches among a cell's 15 nearest cells of its own type, over the share that chance
gives: 1 is perfectly mixed. ``--scvi`` trains scVI on the counts of the same cells (2,000 variable genes, 10 dimensions). ``--transformer``
trains Cell-Graph Compass networks (width 128, three blocks, 257 tokens) on the corpus by the published objective, with and without graph.
"""

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

import scgnn_tools as sgt
from scgnn_tools.data import open_expression
from scgnn_tools.fm.cgc_mini import CGCMini

DATASETS = ["pbmc3k", "zheng_sorted_ref", "kang_ifnb", "baron_mouse", "sc_mixology"]
BATCHES = {"sc_mixology": "batch", "baron_mouse": "batch"}
NEIGHBOURS = 15


def random_weights(model: CGCMini) -> CGCMini:
    """Return the model with random numbers in the place of its trained vectors, of the same size."""
    trained = model._stored.any(axis=1)
    drawn = np.random.default_rng(0).normal(size=model._stored.shape) * model._stored[trained].std()
    return model.changed(vectors=drawn * trained[:, None])


def scvi_vectors(adata: ad.AnnData, epochs: int) -> np.ndarray:
    """Return the latent space of scVI trained on these cells."""
    import scanpy as sc
    import scvi

    scvi.settings.seed = 0
    found = ad.AnnData(sp.csr_matrix(open_expression(adata).log_normalized()), obs=adata.obs[[]], var=adata.var[[]])
    found.layers["counts"] = sp.csr_matrix(adata.X).rint()  # the sets hold counts, those of Kang approximate ones
    sc.pp.highly_variable_genes(found, n_top_genes=2000, subset=True)
    scvi.model.SCVI.setup_anndata(found, layer="counts")
    model = scvi.model.SCVI(found)
    model.train(max_epochs=epochs, accelerator="cpu", enable_progress_bar=False, logger=False)
    return np.asarray(model.get_latent_representation())


def transformers(data: Path, steps: int) -> dict[str, sgt.fm.FoundationModel]:
    """Return CGC networks that were trained on the corpus, and one that was not."""
    from tempfile import TemporaryDirectory

    from scgnn_tools.models.untrained import untrained_cgc
    from scgnn_tools.train.corpus import Corpus
    from scgnn_tools.train.pretrain import Schedule, pretrain

    sizes = {
        "dim": 128,
        "heads": 4,
        "hidden": 256,
        "n_layers": 3,
        "n_graph_layers": 2,
        "max_length": 257,
        "dropout": 0.05,
    }
    source = [data / "corpus"]
    plan = Schedule(steps=steps, batch_size=64, warmup=max(1, steps // 7), lr=1e-3, decay=0.97, decay_every=20)
    out: dict[str, sgt.fm.FoundationModel] = {"transformer, random weights": untrained_cgc(source, graph=True, **sizes)}
    for name, graph in (("transformer, graph", True), ("transformer, no graph", False)):
        model = untrained_cgc(source, graph=graph, **sizes)
        with TemporaryDirectory() as folder:
            pretrain(model, Corpus(source, model), folder, schedule=plan, checkpoint_every=steps)
        out[name] = model
    return out


def mixing(vectors: np.ndarray, labels: np.ndarray, batches: np.ndarray) -> float:
    """Return how mixed the batches of a type are, mean over the cells of types that several batches have."""
    out = []
    for one in np.unique(labels):
        own, of = vectors[labels == one], batches[labels == one]
        if len(own) <= NEIGHBOURS or len(np.unique(of)) == 1:
            continue
        near = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(own).kneighbors(own, return_distance=False)[:, 1:]
        expected = np.array([(of != b).mean() for b in of])
        out.append((of[near] != of[:, None]).mean(axis=1) / expected)
    return float(np.concatenate(out).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--scvi", type=int, default=0, metavar="EPOCHS")
    parser.add_argument("--transformer", type=int, default=0, metavar="STEPS")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sgt.settings.progress = False
    mini = sgt.fm.load("cgc-mini")
    assert isinstance(mini, CGCMini)
    models = {
        "cgc-mini": mini,
        "with graph": mini.changed(settings=replace(mini.settings, step=1)),
        "without fixed vectors": mini.changed(settings=replace(mini.settings, weight=0)),
        "random weights": random_weights(mini),
        "corpus-svd": sgt.fm.load("corpus-svd"),
        **(transformers(options.data, options.transformer) if options.transformer else {}),
    }
    purity: dict[str, dict[str, str]] = {}
    mixed: dict[str, dict[str, str]] = {}
    for dataset in DATASETS:
        adata = ad.read_h5ad(options.data / f"cells/{dataset}.h5ad")
        labels = adata.obs["cell_type"].astype(str).to_numpy()
        x = sp.csr_matrix(open_expression(adata).log_normalized())
        vectors = {name: model.embed_cells(adata) for name, model in models.items()}
        vectors["cgc-mini, adapted"] = mini.adapt(adata).embed_cells(adata)
        vectors["PCA of the cells"] = PCA(50, svd_solver="arpack", random_state=0).fit_transform(x)
        if options.scvi:
            vectors["scVI of the cells"] = scvi_vectors(adata, options.scvi)
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        scores = {k: cross_val_score(KNeighborsClassifier(NEIGHBOURS), v, labels, cv=folds) for k, v in vectors.items()}
        for name, score in scores.items():
            off = score - scores["cgc-mini"]
            paired = "" if name == "cgc-mini" else f" ({off.mean():+.3f} ± {off.std(ddof=1) / 5**0.5:.3f})"
            purity.setdefault(name, {})[dataset] = f"{score.mean():.3f}{paired}"
        if dataset in BATCHES:
            batches = adata.obs[BATCHES[dataset]].astype(str).to_numpy()
            for name, v in vectors.items():
                mixed.setdefault(name, {})[dataset] = f"{mixing(v, labels, batches):.3f}"
        print(f"{dataset}: done", flush=True)
    print("\npurity (difference from cgc-mini)\n" + pd.DataFrame(purity).T.to_string())
    print("\nmixing of batches within a type\n" + pd.DataFrame(mixed).T.to_string())


if __name__ == "__main__":
    main()
