"""Every section ``Examples`` of a public docstring runs, as it stands, on a small real object.

An example finds ``sgt``, ``np``, ``pd`` and

``adata``
    206 real blood cells × 1,000 genes, counts, with ``obs["cell_type"]`` and ``obs["batch"]``, after the usual calls of ``tl``: embedded,
    labelled, with a network, programs, and so on. ``obs["guide"]`` deals names of perturbations out at random: a screen without effect.
``query``
    50 other such cells, as they come from a file: counts alone.
``bulk``
    Sums of the counts of some cells, in pairs of a "knock-out" and a control.
``pairs``
    Known edges of twenty transcription factors and other pairs of their genes: ``tf``, ``target``, ``label``.

It runs in an empty folder. What it prints is compared; ``...`` stands for anything.
"""

import doctest
import inspect
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools import assets
from tests.test_signatures import FUNCTIONS, PUBLIC

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
OBJECTS = {name: thing for name, thing in PUBLIC.items() if name in FUNCTIONS and name.count(".") == 1}
OBJECTS |= {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}
OBJECTS |= {"settings": type(sgt.settings), "print_versions": sgt.print_versions}
INNER = {"grn", "labels", "links", "nn"}
"""Rooms for who builds methods: an example is welcome there, not asked for."""

MOST_SKIPPED = 12
"""Lines that are shown and not run: downloads, published weights, a minute of training."""

EXAMPLES = list(
    {
        id(thing): test
        for name, thing in reversed(OBJECTS.items())  # what two rooms show runs once
        for test in [doctest.DocTestParser().get_doctest(thing.__doc__ or "", {}, f"sgt.{name}", None, None)]
        if test.examples
    }.values()
)


def blood(step: int, first: int = 0) -> "ad.AnnData":
    """Every so many cells of the bundled reference, of five types."""
    cells = assets.immune_reference()[first::step]
    return cells[cells.obs["cell_type"].isin(TYPES)].copy()


TYPES = ["B cell", "CD14+ monocyte", "CD4 T cell", "CD8 T cell", "NK cell"]


@pytest.fixture(scope="module")
def prepared():
    """What every example gets a copy of."""
    adata, query = blood(22), blood(88, 11)
    expressed = np.asarray((adata.X > 0).sum(axis=0)).ravel()
    genes = np.sort(np.argsort(-expressed, kind="stable")[:1000])
    adata, query = adata[:, genes].copy(), query[:, genes].copy()
    adata.obs = adata.obs[["cell_type"]].astype(str).astype("category")
    adata.obs["batch"] = pd.Categorical([f"b{i % 2}" for i in range(adata.n_obs)])
    guides = ["control", "B2M", "CD3D", "LYZ", "NKG7"]
    adata.obs["guide"] = np.random.default_rng(0).permutation(np.resize(guides, adata.n_obs))
    query.obs = query.obs[[]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calls(adata)
    return {"adata": adata, "query": query, "bulk": knockouts(adata), "pairs": labelled_pairs()}


def calls(adata: "ad.AnnData") -> None:
    """Fill the object by the calls that a user makes one after the other, in their fastest form."""
    sgt.tl.embed(adata)
    adata.obsm["X_pca"] = adata.obsm["X_cgc-mini"][:, :20]
    adata.obsm["X_umap"] = adata.obsm["X_cgc-mini"][:, :2]
    known = adata.obs["cell_type"].astype(object)
    adata.obs["partly"] = known.where(np.arange(adata.n_obs) % 4 > 0, "Unknown")
    sgt.tl.annotate(adata, "partly", method="logreg_pca")
    sgt.tl.explain(adata, "partly", method="logreg_pca", n_cells=5, n_genes=20)
    prior = sgt.genes.prior()
    small = prior[prior["source"].isin(["CEBPB", "FOS", "JUN", "SPI1"])]
    sgt.tl.infer_grn(adata, small, groupby="cell_type", n_runs=1, controls=False)
    sgt.tl.tf_activity(adata)
    sgt.tl.gene_programs(adata, groupby="cell_type")
    sgt.tl.integrate(adata, "batch", labels_key="cell_type", method="center", baselines=("pca",))
    sgt.tl.perturb(adata, "guide", n_halves=1, n_genes=200)


def knockouts(adata: "ad.AnnData") -> "ad.AnnData":
    """Twelve experiments of a control and a knock-out, each the sum of eight cells; in a knock-out the gene itself is gone."""
    rows, about = [], []
    genes = ["B2M", "CD3D", "LYZ", "NKG7", "CD74", "JUN"]
    for i in range(24):
        gene, role = genes[i // 2 % 6], ("control", "knockout")[i % 2]
        row = np.asarray(adata.X[8 * i : 8 * i + 8].sum(axis=0)).ravel() * 50
        rows.append(np.where((adata.var_names == gene) & (role == "knockout"), 0, row))
        about.append({"target": gene, "experiment": f"e{i // 2}", "role": role, "study": f"s{i // 12}"})
    names = [f"sample{i}" for i in range(24)]
    return ad.AnnData(np.array(rows, dtype=np.float32), obs=pd.DataFrame(about, index=names), var=adata.var[[]].copy())


def labelled_pairs() -> pd.DataFrame:
    """Known edges of the twenty best known factors, each with four times as many other targets."""
    known = sgt.genes.prior()
    known = known[known["source"].isin(known["source"].value_counts().index[:20])]
    rng, tables = np.random.default_rng(0), []
    for tf, own in known.groupby("source"):
        others = np.setdiff1d(known["target"], own["target"])
        targets = [*own["target"], *rng.choice(others, min(4 * len(own), len(others)), replace=False)]
        tables.append(pd.DataFrame({"tf": tf, "target": targets, "label": np.arange(len(targets)) < len(own)}))
    return pd.concat(tables, ignore_index=True).astype({"label": int})


@pytest.mark.parametrize("example", [pytest.param(e, id=e.name) for e in EXAMPLES])
def test_the_example_runs(example, prepared, tmp_path, monkeypatch, quick_umap):
    monkeypatch.chdir(tmp_path)
    example.globs = {"sgt": sgt, "np": np, "pd": pd} | {name: cells.copy() for name, cells in prepared.items()}
    said = []
    with warnings.catch_warnings(), sgt.settings.override(cache_dir=tmp_path / "cache"):
        warnings.simplefilter("ignore")  # few cells of a class
        doctest.DocTestRunner(optionflags=FLAGS).run(example, out=said.append)
    if said:
        pytest.fail("".join(said), pytrace=False)


@pytest.mark.parametrize("name", [n for n in OBJECTS if n.split(".")[0] not in INNER])
def test_what_is_public_has_an_example(name):
    lines = inspect.cleandoc(OBJECTS[name].__doc__ or "").splitlines()
    assert "Examples" in lines
    after = lines[lines.index("Examples") + 2 :]
    assert lines[lines.index("Examples") + 1] == "--------"
    assert any(line.startswith(">>> ") for line in after)


def test_few_lines_are_shown_and_not_run():
    lines = [line for example in EXAMPLES for line in example.examples]
    assert sum(doctest.SKIP in line.options for line in lines) <= MOST_SKIPPED
