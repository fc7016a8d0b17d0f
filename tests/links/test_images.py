import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from scgnn_tools.links import link_predictor
from scgnn_tools.links._expression import GeneColumns
from scgnn_tools.links._histograms import BINS, images, levels
from scgnn_tools.links.deepdrim import nearest
from scgnn_tools.metrics import grn


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(300, 30)), 0).astype(np.float32)
    x[:, 7] = 0
    return GeneColumns(sp.csc_array(x), pd.Index([f"g{i}" for i in range(30)]))


def test_a_histogram_is_numpy_s_on_the_scale_of_the_paper(columns):
    x = columns.x.toarray()
    got = images(levels(columns.x), np.array([0, 3, 7]), np.array([1, 3, 2]))
    assert got.shape == (3, BINS, BINS)
    for image, (a, b) in zip(got[:2], [(0, 1), (3, 3)], strict=True):
        counts = np.histogram2d(x[:, a], x[:, b], bins=BINS)[0]
        np.testing.assert_allclose(image, (np.log10(counts / 300 + 1e-4) + 4) / 4, atol=1e-6)
    assert (got[2][1:] == got[2][1, 0]).all()  # a constant gene fills one row


def test_the_nearest_genes(columns):
    r = np.corrcoef(np.delete(columns.x.toarray(), 7, axis=1).T)
    np.fill_diagonal(r, -2)
    names = np.delete(np.arange(30), 7)
    near = nearest(columns, 10)
    np.testing.assert_array_equal(near[0, :3], names[np.argsort(-r[0])[:3]])
    assert not (near == np.arange(30)[:, None]).any()
    two = GeneColumns(columns.x[:, :2], columns.genes[:2])
    assert nearest(two, 10).tolist() == [[1] * 10, [0] * 10]


def test_a_gene_without_expression_has_no_score(network):
    train, test, _, expression = network
    some = expression[:, expression.var_names != "g0"].copy()
    p = link_predictor("cnnc", max_epochs=1).fit(
        train.head(400), genes=expression.var_names.to_numpy(), expression=some
    )
    score = p.score(test)
    np.testing.assert_array_equal(np.isnan(score), test["target"] == "g0")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnnc", "deepdrim"])
def test_they_see_a_dependence_between_genes_never_seen(name):
    rng = np.random.default_rng(0)
    driver = np.repeat(rng.normal(size=(300, 6)), 10, axis=1)
    x = np.maximum(driver + 0.4 * rng.normal(size=(300, 60)), 0).astype(np.float32)
    names = np.array([f"g{i}" for i in range(60)])
    i, j = np.triu_indices(60, 1)
    pairs = pd.DataFrame({"tf": names[i], "target": names[j], "label": (i // 10 == j // 10).astype(int)})
    new = (i // 10 == 5) | (j // 10 == 5)  # the last group of genes is in no training pair
    expression = AnnData(x, var=pd.DataFrame(index=names))
    p = link_predictor(name, max_epochs=25, batch_size=32).fit(pairs[~new], genes=names, expression=expression)
    assert grn(pairs[new]["label"], p.score(pairs[new]))["auroc"] > 0.9
