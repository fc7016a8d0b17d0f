"""The baselines to the letter."""

import numpy as np
import pandas as pd
import pytest

from scgnn_tools.links import link_predictor
from scgnn_tools.links.collaborative import _Features
from scgnn_tools.metrics import grn


def test_degree_by_hand():
    pairs = pd.DataFrame({"tf": list("AAAB"), "target": list("xyzx"), "label": [1, 1, 0, 0]})
    base = 0.5
    p_a, p_b, p_x = (2 + 3 * base) / 6, (0 + 3 * base) / 4, (1 + 3 * base) / 5
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    score = (
        link_predictor("degree").fit(pairs).score(pd.DataFrame({"tf": ["A", "B", "new"], "target": ["x", "x", "x"]}))
    )
    np.testing.assert_allclose(score, [logit(p_a) + logit(p_x), logit(p_b) + logit(p_x), logit(0.5) + logit(p_x)])


def test_collaborative_features_by_hand(network):
    train = network[0]
    f = _Features(train)
    tfs, targets = list(f.tfs), list(f.targets)
    label = (
        train.pivot_table(index="tf", columns="target", values="label").reindex(index=tfs, columns=targets).to_numpy()
    )
    rate = 1 / (1 + np.exp(-f.odds_tf.to_numpy()))
    residual = label - rate[:, None]
    i, t = 3, 7
    total = weight = 0.0
    for j in range(len(tfs)):
        if j == i:
            continue
        both = ~np.isnan(residual[i]) & ~np.isnan(residual[j])
        a, b = residual[i][both], residual[j][both]
        c = a @ b / np.sqrt((a @ a) * (b @ b))
        if not np.isnan(residual[j, t]):
            total += c * residual[j, t]
            weight += abs(c)
    x = f.of(pd.DataFrame({"tf": [tfs[i]], "target": [targets[t]]}))[0]
    np.testing.assert_allclose(x[2:4], [total / weight, total], rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network_name", "degree", "collaborative"),
    [
        ("hESC_500", (0.883, 0.617), (0.892, 0.632)),
        ("hHEP_500", (0.901, 0.836), (0.907, 0.847)),
        ("mESC_500", (0.925, 0.858), (0.945, 0.892)),
        ("mHSC-E_500", (0.921, 0.939), (0.929, 0.947)),
    ],
)
def test_counting_matches_the_published_state_of_the_art(test_data, network_name, degree, collaborative):
    pairs = pd.read_parquet(test_data / f"grn/scregnet_split/{network_name}/pairs.parquet")
    train, test = pairs[pairs["set"] == "train"], pairs[pairs["set"] == "test"]
    for name, expected in (("degree", degree), ("collaborative", collaborative)):
        m = grn(test["label"], link_predictor(name).fit(train).score(test))
        np.testing.assert_allclose([m["auroc"], m["auprc"]], expected, atol=0.005)


def test_pcc_is_pearson_and_its_sign_is_kept(network):
    _, test, _, expression = network
    from scgnn_tools.data import open_expression

    x = open_expression(expression).log_normalized().toarray()
    p = link_predictor("pcc").fit(test, expression=expression)
    some = test.head(30)
    at = expression.var_names.get_indexer
    r = [np.corrcoef(x[:, i], x[:, j])[0, 1] for i, j in zip(at(some["tf"]), at(some["target"]), strict=True)]
    np.testing.assert_allclose(p.signed(some), r, atol=1e-6)
    np.testing.assert_allclose(p.score(some), np.abs(r), atol=1e-6)


def test_pcc_of_constant_genes_and_of_too_few_cells_is_nan(network):
    _, test, _, expression = network
    flat = expression.copy()
    flat.X[:, 0] = 0
    assert np.isnan(link_predictor("pcc").fit(test, expression=flat).score(test[test["tf"] == "T0"])).all()
    few = link_predictor("pcc").fit(test, expression=expression[:9].copy())
    assert np.isnan(few.score(test)).all()


def test_cosine(network):
    _, test, vectors, _ = network
    s = link_predictor("cosine").fit(test, embedding=vectors).score(test.head(5))
    for row, value in zip(test.head(5).itertuples(), s, strict=True):
        a, b = vectors.loc[row.tf], vectors.loc[row.target]
        assert value == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_spearman_is_scipy_s(network):
    from scipy.stats import spearmanr

    _, test, _, expression = network
    some = test.head(20)
    at = expression.var_names.get_indexer
    r = [
        spearmanr(expression.X[:, i], expression.X[:, j])[0]
        for i, j in zip(at(some["tf"]), at(some["target"]), strict=True)
    ]
    p = link_predictor("spearman").fit(test, expression=expression)
    np.testing.assert_allclose(p.signed(some), r, atol=1e-6)
    few = link_predictor("spearman").fit(test, expression=expression[:9].copy())
    assert np.isnan(few.score(test)).all()


def test_mutual_information_is_scikit_learn_s(network, monkeypatch):
    from sklearn.metrics import mutual_info_score

    _, test, _, expression = network
    flat = expression.copy()
    flat.X[:, 5] = 1.0
    p = link_predictor("mi", bins=6).fit(test, expression=flat)
    codes, some = p._codes, test.sample(60, random_state=0)
    assert codes.max() == 5
    assert ((codes == 0) == (flat.X == 0)).all()
    score = p.score(some)
    at = flat.var_names.get_indexer
    for i, j, s in zip(at(some["tf"]), at(some["target"]), score, strict=True):
        expected = np.nan if 5 in (i, j) else mutual_info_score(codes[:, i], codes[:, j])
        np.testing.assert_allclose(s, expected, atol=1e-5)
    monkeypatch.setattr("scgnn_tools.links.mutual_information.GENES", 7)
    monkeypatch.setattr("scgnn_tools.links.mutual_information.CELLS", 11)
    np.testing.assert_allclose(p.score(some), score, atol=1e-6)
