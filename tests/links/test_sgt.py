"""Our own predictor: what it adds to counting, what it does without, and that evidence adds up."""

import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.links import link_predictor
from scgnn_tools.metrics import grn


@pytest.fixture(scope="module")
def planted():
    """Edges by hidden block of factor and target; the vectors know the blocks, the degrees do not."""
    rng = np.random.default_rng(1)
    tfs, targets = [f"T{i}" for i in range(18)], [f"g{i}" for i in range(150)]
    block = {n: k % 3 for names in (tfs, targets) for k, n in enumerate(names)}
    pairs = pd.DataFrame([(a, b) for a in tfs for b in targets], columns=["tf", "target"])
    same = pairs["tf"].map(block).to_numpy() == pairs["target"].map(block).to_numpy()
    pairs["label"] = (rng.random(len(pairs)) < np.where(same, 0.6, 0.15)).astype(int)
    at = np.array([block[n] for n in tfs + targets])
    vectors = pd.DataFrame(np.eye(3)[at] @ rng.normal(size=(3, 6)) * 2 + rng.normal(size=(168, 6)), index=tfs + targets)
    return pairs, vectors


def held(pairs, part):
    rng = np.random.default_rng(0)
    if part == "pair":
        out = rng.random(len(pairs)) < 0.3
    else:
        names = pairs[part].unique()
        out = pairs[part].isin(rng.permutation(names)[: len(names) // 3]).to_numpy()
    return pairs[~out], pairs[out]


@pytest.mark.parametrize(("part", "least"), [("pair", 0.05), ("tf", 0.15), ("target", 0.15)])
def test_it_finds_blocks_that_counting_cannot_see(planted, part, least):
    train, test = held(planted[0], part)
    p = link_predictor("sgt", rng=0, knowledge=False).fit(train, embedding=planted[1])
    assert p.sources == ["vectors"]
    auroc = [grn(test["label"], q.score(test))["auroc"] for q in (p, link_predictor("degree").fit(train))]
    assert auroc[0] > auroc[1] + least


def test_without_vectors_it_still_collaborates(planted):
    train, test = held(planted[0], "pair")
    p = link_predictor("sgt", rng=0, knowledge=False).fit(train)
    assert p.sources == []
    auroc = [grn(test["label"], q.score(test))["auroc"] for q in (p, link_predictor("degree").fit(train))]
    assert auroc[0] > auroc[1] + 0.05


def test_no_pair_is_without_score_and_unknown_genes_get_the_base_rate(planted):
    train, _ = held(planted[0], "pair")
    some = pd.DataFrame({"tf": ["T0", "nobody", "T0", "nobody"], "target": ["g1", "g1", "no gene", "no gene"]})
    for embedding in (None, planted[1]):
        p = link_predictor("sgt", rng=0, knowledge=False).fit(train, embedding=embedding)
        score = p.score(some)
        assert np.isfinite(score).all()
        assert 1 / (1 + np.exp(-score[3])) == pytest.approx(train["label"].mean(), abs=0.12)
        assert p.score(some.head(0)).shape == (0,)


def test_a_score_depends_on_the_pair_alone(planted):
    train, test = held(planted[0], "tf")
    p = link_predictor("sgt", rng=0).fit(train, embedding=planted[1])
    some = pd.concat([test.head(40), train.head(40), pd.DataFrame({"tf": ["new"], "target": ["g0"]})])
    np.testing.assert_allclose(p.score(some.iloc[::-1])[::-1], p.score(some), atol=1e-5)
    np.testing.assert_allclose(p.score(some.tail(1)), p.score(some)[-1:], atol=1e-5)


def test_the_seed_decides(planted):
    train, test = held(planted[0], "pair")
    one, same, other = (link_predictor("sgt", rng=r).fit(train, embedding=planted[1]).score(test) for r in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    shuffled = train.sample(frac=1, random_state=0)  # which pairs are a fold may change, little else
    again = link_predictor("sgt", rng=0).fit(shuffled, embedding=planted[1]).score(test)
    assert np.corrcoef(one, again)[0, 1] > 0.98


def test_genes_that_are_named_in_the_fit_change_nothing(planted):
    train, test = held(planted[0], "target")
    names = np.unique(test["target"])
    a, b = (link_predictor("sgt", rng=0).fit(train, embedding=planted[1], genes=g) for g in (None, names))
    np.testing.assert_allclose(a.score(test), b.score(test), atol=1e-4)


@pytest.mark.parametrize("part", ["pair", "tf", "target"])
def test_evidence_adds_up_to_the_score(planted, part):
    train, test = held(planted[0], part)
    p = link_predictor("sgt", rng=0).fit(train, embedding=planted[1])
    some = test.sample(50, random_state=0)
    table = p.evidence(some)
    assert table.index.equals(some.index)
    np.testing.assert_allclose(table.sum(axis=1), p.score(some), atol=1e-5)
    assert (table["similar_tfs" if part == "tf" else "similar_targets"].std() > 0) or part == "pair"


def test_probabilities_are_calibrated(planted):
    train, test = held(planted[0], "pair")
    p = 1 / (1 + np.exp(-link_predictor("sgt", rng=0, knowledge=False).fit(train, embedding=planted[1]).score(test)))
    assert p.mean() == pytest.approx(test["label"].mean(), abs=0.03)
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 1)):
        here = (p >= low) & (p < high)
        assert p[here].mean() == pytest.approx(test["label"][here].mean(), abs=0.08)


def test_expression_is_a_source(network):
    train, test, _, expression = network
    p = link_predictor("sgt", rng=0, knowledge=False).fit(train, expression=expression)
    assert p.sources == ["coexpression"]
    bare = link_predictor("sgt", rng=0, knowledge=False).fit(train)
    new = test.assign(target=test["target"])
    assert grn(new["label"], p.score(new))["auroc"] >= grn(new["label"], bare.score(new))["auroc"] - 0.02


def test_knowledge_of_genes_is_used_where_the_names_are_known():
    rng = np.random.default_rng(0)
    tfs, targets = (
        ["SOX2", "FOXA1", "GATA1", "GATA2"],
        ["RPL3", "RPS6", "CD3E", "CD19", "LYZ", "NKG7", "ACTB", "INS"] * 3,
    )
    pairs = pd.DataFrame([(a, b) for a in tfs for b in dict.fromkeys(targets)], columns=["tf", "target"])
    pairs["label"] = rng.integers(2, size=len(pairs))
    assert link_predictor("sgt").fit(pairs).sources == ["bundled", "family", "position"]
    mouse = pairs.assign(tf=pairs["tf"].str.title(), target=pairs["target"].str.title())
    assert "bundled" in link_predictor("sgt").fit(mouse).sources


def test_few_pairs_few_factors(planted):
    pairs = planted[0]
    one_tf = pairs[pairs["tf"] == "T0"]
    assert np.isfinite(link_predictor("sgt").fit(one_tf, embedding=planted[1]).score(pairs.head(300))).all()
    assert np.isfinite(
        link_predictor("sgt")
        .fit(pd.concat([pairs[pairs.label == 1].head(1), pairs[pairs.label == 0].head(2)]))
        .score(pairs.tail(9))
    ).all()
    with pytest.raises(InputValueError, match="labels 0 and 1"):
        link_predictor("sgt").fit(one_tf.assign(label=1))


def test_few_known_pairs_are_kept_sparse_and_say_the_same(planted, monkeypatch):
    from scgnn_tools.links.sgt import tables

    train, test = held(planted[0], "pair")
    scores = []
    for share in (0.0, 2.0):
        monkeypatch.setattr(tables, "SPARSE", share)
        scores.append(link_predictor("sgt", rng=0, knowledge=False).fit(train, embedding=planted[1]).score(test))
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-3)


def test_a_table_without_targets_is_refused(planted):
    p = link_predictor("sgt", knowledge=False).fit(planted[0])
    with pytest.raises(InputValueError, match="missing: target"):
        p.score(planted[0][["tf"]])
