import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools import genes as genes_of_package
from scgnn_tools._errors import InputTypeError, InputValueError, LabelError, MissingKeyError

READERS = ("logistic regression", "SVM")


@pytest.fixture
def planted():
    """100 genes whose vectors hold a class that their expression does not."""
    rng = np.random.default_rng(0)
    genes = genes_of_package.prior()["target"].drop_duplicates().to_numpy()[:100]
    adata = ad.AnnData(
        sp.csr_matrix(rng.poisson(1.0, size=(60, 100)).astype(np.float32)), var=pd.DataFrame(index=genes)
    )
    adata.varm["x"] = (rng.normal(size=(100, 6)) + 3 * (np.arange(100) < 50)[:, None] * np.eye(6)[0]).astype(np.float32)
    return adata


def classes(adata):
    return {"a": list(adata.var_names[:50]), "b": list(adata.var_names[50:])}


@pytest.mark.slow
def test_a_planted_class_is_found_in_the_vectors_and_not_in_the_baselines(planted):
    before = planted.copy()
    table = sgt.tl.classify_genes(planted, classes(planted), use_rep="x", n_trees=8)
    assert changed(before, planted) == set()
    assert table.loc["x", "auc"] > 0.9
    readers = [f"x, {c}" for c in READERS]
    assert table["auc"].drop(["x", *readers]).max() < 0.75
    assert table.loc[readers, "auc"].min() > 0.85
    assert list(table.index) == ["x", "random", "coexpression (SVD)", "mean expression", *(f"x, {c}" for c in READERS)]
    assert (table["n_genes"] == 100).all()
    row = table.loc["random"]
    assert row["difference"] == pytest.approx(table.loc["x", "auc"] - row["auc"])


@pytest.fixture(scope="module")
def bundled():
    return sgt.fm.load("corpus-svd")


@pytest.mark.slow
def test_every_gene_of_a_model_without_an_object(planted, bundled):
    """Genes that the object lacks are classified too; what needs cells is left out."""
    given = classes(planted)
    half = planted[:, ::2].copy()
    some = sgt.tl.classify_genes(half, given, model=bundled, n_trees=5, n_folds=2)
    every = sgt.tl.classify_genes(None, given, model=bundled, n_trees=5, n_folds=2)
    assert list(some.index) == [
        "corpus-svd",
        "random",
        "coexpression (SVD)",
        "mean expression",
        *(f"corpus-svd, {c}" for c in READERS),
    ]
    assert list(every.index) == ["corpus-svd", "random", *(f"corpus-svd, {c}" for c in READERS)]
    named = sgt.tl.classify_genes(None, given, model="corpus-svd", n_trees=5, n_folds=2)
    pd.testing.assert_frame_equal(named, every)
    known = np.isin(planted.var_names, bundled.vocabulary)
    assert (every["n_genes"] == known.sum()).all()
    assert (some["n_genes"] == known[::2].sum()).all()


@pytest.mark.slow
def test_random_vectors_are_the_mean_of_ten_draws(planted):
    how = {"use_rep": "x", "n_trees": 5, "n_folds": 2}
    table = sgt.tl.classify_genes(planted, classes(planted), **how)
    assert table["spread"].notna().to_dict() == {name: name == "random" for name in table.index}
    assert 0.005 < table.loc["random", "spread"] < 0.2
    other = sgt.tl.classify_genes(planted, classes(planted), **how, rng=1)
    assert np.abs(np.array([t.loc["random", "auc"] for t in (table, other)]) - 0.5).max() < 0.12


def test_vectors_from_one_place(planted, bundled):
    with pytest.raises(InputValueError, match=r"pass model=, for example sgt\.fm\.load"):
        sgt.tl.classify_genes(None, classes(planted))
    with pytest.raises(InputValueError, match="not of both"):
        sgt.tl.classify_genes(planted, classes(planted), model=bundled, use_rep="x")
    with pytest.raises(InputValueError, match="sees genes in cells"):
        sgt.tl.classify_genes(None, classes(planted), model=network(planted), method="finetune")


def test_ensembl_ids_a_series_and_genes_in_two_classes(planted):
    symbols = genes_of_package.tables.symbol_of_id()
    ids = pd.Series(symbols.index, index=symbols.to_numpy()).groupby(level=0).first()
    given = classes(planted)
    by_id = {k: [ids.get(g, g) for g in v] for k, v in given.items()}
    first = sgt.tl.classify_genes(planted, given, use_rep="x", n_trees=8, baselines=False)
    again = sgt.tl.classify_genes(planted, by_id, use_rep="x", n_trees=8, baselines=False)
    pd.testing.assert_frame_equal(first, again)
    series = pd.Series({g: k for k, v in given.items() for g in v})
    pd.testing.assert_frame_equal(
        sgt.tl.classify_genes(planted, series, use_rep="x", n_trees=8, baselines=False), first
    )
    given["b"].append(given["a"][0])
    given["b"].append("NOT A GENE")
    less = sgt.tl.classify_genes(planted, given, use_rep="x", n_trees=8, baselines=False)
    assert (less.loc["x", "n_genes"], less.loc["x", "n_lost"]) == (99, 1)


def test_what_is_wrong_is_said(planted):
    with pytest.raises(MissingKeyError, match=r"sgt\.tl\.embed"):
        sgt.tl.classify_genes(planted, classes(planted))
    with pytest.raises(LabelError, match="a: 5"):
        sgt.tl.classify_genes(
            planted, {"a": list(planted.var_names[:5]), "b": list(planted.var_names[50:])}, use_rep="x"
        )


@pytest.mark.parametrize(
    ("given", "how", "error", "says"),
    [
        (["a"], {}, InputValueError, "classes is a mapping of names"),
        ({}, {}, InputValueError, "got an empty one"),
        ({"a": None}, {}, InputTypeError, r"classes\['a'\] is a text or a list of them; got None"),
        (
            pd.Series("a", index=pd.MultiIndex.from_tuples([("A", "B")])),
            {},
            InputValueError,
            "an index of several levels",
        ),
        (
            None,
            {"n_folds": 51},
            InputValueError,
            "n_folds=51 is more than the smallest class has genes with a vector, 50",
        ),
        (None, {"n_cells": 0}, InputValueError, "n_cells is a positive integer; got 0"),
        (None, {"max_epochs": -1}, InputValueError, "max_epochs is a positive integer; got -1"),
        (None, {"adapt": "zzz"}, InputValueError, "adapt is 'lora', 'full' or 'head'; got 'zzz'"),
        (None, {"lr": -1}, InputValueError, "lr is positive or None; got -1"),
        (None, {"lr": 0.1, "adapt": "head"}, InputValueError, "adapt=, lr= would not be read by method='forest'"),
        (None, {"use_rep": []}, InputValueError, "the list is empty"),
    ],
)
def test_wrong_arguments_are_said_before_any_work(planted, given, how, error, says):
    with pytest.raises(error, match=says):
        sgt.tl.classify_genes(planted, classes(planted) if given is None else given, **{"use_rep": "x", **how})


def test_the_order_of_genes_and_classes_decides_nothing(planted):
    turned = {name: genes[::-1] for name, genes in reversed(classes(planted).items())}
    how = {"use_rep": "x", "n_trees": 5, "n_folds": 2, "baselines": False}
    one, other = (sgt.tl.classify_genes(planted, c, **how) for c in (classes(planted), turned))
    pd.testing.assert_frame_equal(one, other)


@pytest.fixture
def in_context():
    """Genes of one mean: those of class a are far above or below their median in each cell, those of b near it."""
    rng = np.random.default_rng(0)
    genes = genes_of_package.prior()["target"].drop_duplicates().to_numpy()[:60]
    counts = np.full((60, 60), 40.0)
    counts[:, :30] = np.where(rng.random((60, 30)) < 0.5, 72.0, 8.0)
    counts += rng.integers(0, 9, size=counts.shape)
    return ad.AnnData(sp.csr_matrix(counts.astype(np.float32)), var=pd.DataFrame(index=genes))


def of(adata):
    return {"a": list(adata.var_names[:30]), "b": list(adata.var_names[30:])}


def network(adata):
    from scgnn_tools.models.untrained import untrained_geneformer

    sizes = {"dim": 16, "heads": 2, "hidden": 32, "n_layers": 1, "max_length": 64, "dropout": 0.0, "device": "cpu"}
    return untrained_geneformer(adata, min_cells=1, **sizes)


def test_a_tuned_network_sees_what_only_the_cells_tell(in_context):
    model = network(in_context)
    before, weights = in_context.copy(), model.gene_table().copy()
    how = {"method": "finetune", "model": model, "n_trees": 5, "lr": 1e-2, "max_epochs": 12, "n_folds": 2}
    table = sgt.tl.classify_genes(in_context, of(in_context), **how)
    assert changed(before, in_context) == set()
    np.testing.assert_array_equal(model.gene_table(), weights)
    simple = ["random", "coexpression (SVD)", "mean expression", *(f"geneformer, {c}" for c in READERS)]
    assert list(table.index) == ["geneformer, tuned", "geneformer", *simple]
    assert table.loc["geneformer, tuned", "auc"] > 0.9
    assert table.loc[["geneformer", "random"], "auc"].max() < 0.75


def test_genes_of_the_test_fold_are_in_no_loss(in_context):
    """The loss of a fold does not change with the labels of its other genes."""
    from scgnn_tools.train.gene_classes import GeneClassification

    model = network(in_context)
    tokens = model.tokenize(in_context)
    codes = np.arange(60) % 2
    train = np.arange(60) < 40
    task = GeneClassification(16, codes, train, ~train)
    other = GeneClassification(16, np.where(train, codes, 1 - codes), train, ~train)
    other.load_state_dict(task.state_dict())
    losses = [float(t.loss(model, tokens, np.arange(60), np.random.default_rng(0)).detach()) for t in (task, other)]
    assert losses[0] == losses[1]
    held = [
        float(t.eval().loss(model, tokens, np.arange(60), np.random.default_rng(0)).detach()) for t in (task, other)
    ]
    assert held[0] != held[1]


def test_what_is_wrong_with_tuning_is_said(in_context):
    with pytest.raises(InputValueError, match="wants model="):
        sgt.tl.classify_genes(in_context, of(in_context), method="finetune")
    both = {"model": network(in_context), "use_rep": "v"}
    with pytest.raises(InputValueError, match="tunes model=, and no vectors of use_rep"):
        sgt.tl.classify_genes(in_context, of(in_context), method="finetune", **both)
    with pytest.raises(InputValueError, match="'forest' or 'finetune'"):
        sgt.tl.classify_genes(in_context, of(in_context), method="svm")
    few = {"a": list(in_context.var_names[:5]), "b": list(in_context.var_names[30:])}
    with pytest.raises(LabelError, match="a: 5"):
        sgt.tl.classify_genes(in_context, few, method="finetune", model=network(in_context))


def test_the_baselines_of_the_papers_are_of_counts_and_ranks(planted):
    x = planted.X.toarray()
    x[:, :50] += 2 * (np.arange(60) < 30)[:, None]  # a class that cells tell
    planted.X = sp.csr_matrix(x)
    table = sgt.tl.classify_genes(
        planted, classes(planted), use_rep="x", n_trees=8, n_folds=3, baselines="paper", n_cells=40
    )
    rows = [f"{of}, {name}" for of in ("counts", "ranks") for name in ("forest", *READERS)]
    assert list(table.index[-6:]) == rows
    assert (table.loc[rows, "auc"] > 0.9).all()
    assert (table["n_genes"] == 100).all()
    with pytest.raises(InputValueError, match="pass an object"):
        sgt.tl.classify_genes(None, classes(planted), baselines="paper")
    with pytest.raises(InputValueError, match="baselines"):
        sgt.tl.classify_genes(planted, classes(planted), use_rep="x", baselines="papers")


def test_classes_may_be_called_by_numbers(planted):
    how = {"use_rep": "x", "n_trees": 5, "n_folds": 2}
    named = sgt.tl.classify_genes(planted, classes(planted), **how)
    number = pd.Series(np.arange(100) // 50, index=planted.var_names)
    pd.testing.assert_frame_equal(sgt.tl.classify_genes(planted, number, **how), named)


def test_a_gene_whose_class_has_no_name_is_of_none(planted):
    how = {"use_rep": "x", "n_trees": 5, "n_folds": 2, "baselines": False}
    given = {"a": list(planted.var_names[:30]), "b": list(planted.var_names[30:60])}
    named = sgt.tl.classify_genes(planted, given, **how)
    for no_name in (None, np.nan, " "):
        more = {**given, no_name: list(planted.var_names[60:])}
        pd.testing.assert_frame_equal(sgt.tl.classify_genes(planted, more, **how), named)
        series = pd.Series({gene: name for name, genes in more.items() for gene in genes}, dtype=object)
        pd.testing.assert_frame_equal(sgt.tl.classify_genes(planted, series, **how), named)


def test_classes_and_keys_that_cannot_be_told_apart(planted):
    alike = {1: list(planted.var_names[:50]), "1": list(planted.var_names[50:])}
    with pytest.raises(InputValueError, match="classes holds 1 and the text '1'"):
        sgt.tl.classify_genes(planted, alike, use_rep="x")
    with pytest.raises(InputValueError, match="use_rep holds 'x' twice"):
        sgt.tl.classify_genes(planted, classes(planted), use_rep=["x", "x"])
