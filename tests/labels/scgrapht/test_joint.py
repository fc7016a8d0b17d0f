"""A fine-tuned foundation model beside the graph: its logits, and training with it."""

import anndata as ad
import numpy as np
import pytest
import torch
from tests.fm.conftest import GENES, write

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.data.normalize import log_normalize
from scgnn_tools.labels import Cells
from scgnn_tools.labels.scgrapht import ScGraPhT, entries, tuned_logits
from scgnn_tools.labels.scgrapht.tuned import TunedEncoder, as_anndata
from scgnn_tools.train import FineTuner

QUICK = {"device": "cpu", "max_epochs": 3, "width": 32, "lr": 1e-2, "n_genes": 100}


@pytest.fixture(scope="module")
def labelled():
    """90 cells of three classes, by real gene symbols."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    rate = np.full((90, len(GENES)), 0.5)
    for c in range(3):
        rate[y == c, 40 * c : 40 * (c + 1)] = 3.0
    out = ad.AnnData(rng.poisson(rate).astype(np.float32))
    out.var_names, out.obs["group"] = GENES, np.array(["a", "b", "c"])[y]
    return out


@pytest.fixture(scope="module")
def tuner(labelled, tmp_path_factory):
    model = sgt.fm.load("scgpt", checkpoint=write("scgpt", tmp_path_factory.mktemp("scgpt") / "m"), device="cpu")
    return FineTuner(model, labelled, labels_key="group", adapt="head").train(3, lr=1e-2)


@pytest.fixture(scope="module")
def parts(labelled):
    import scipy.sparse as sp

    counts = sp.csr_array(labelled.X)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    x = log_normalize(counts)
    vectors = np.asarray(x @ np.random.default_rng(2).normal(size=(len(GENES), 8))).astype(np.float32)
    everything = Cells(x, vectors, np.array(GENES, dtype=object), totals)
    y = np.arange(90) % 3
    at = np.split(np.random.default_rng(1).permutation(90), [50, 70])
    return [(everything.take(i), y[i]) for i in at]


def fit(parts, **options):
    (train, y), (validation, y_validation), _ = parts
    return ScGraPhT(**{**QUICK, **options}).fit(train, y, validation, y_validation, rng=0)


def test_cells_become_the_counts_that_they_were(labelled, parts):
    (train, _), *_ = parts
    back = as_anndata(train, {"layer": None, "gene_key": "name"})
    order = np.random.default_rng(1).permutation(90)[:50]
    np.testing.assert_array_equal(back.X.toarray(), labelled.X[order])
    assert list(back.var["name"]) == list(back.var_names) == GENES


def test_the_logits_of_a_tuned_model_go_in(labelled, tuner, parts):
    logits = tuned_logits(tuner)
    test, y = parts[2]
    expected = np.log(tuner.predict(as_anndata(test, {})).to_numpy())
    np.testing.assert_allclose(logits(test), expected, atol=1e-5)
    method = fit(parts, logits=logits, max_epochs=30)
    assert (method.scores(test).argmax(axis=1) == y).mean() > 0.9
    np.testing.assert_allclose(method.other_scores(test), expected, atol=1e-5)


@pytest.mark.parametrize(
    "pathway", ["P2", pytest.param("P4", marks=pytest.mark.slow), pytest.param("P1", marks=pytest.mark.slow)]
)
def test_joint_training_moves_both_and_renews_the_table_of_all_cells(tuner, parts, pathway):
    before = {k: v.clone() for k, v in tuner.model.network.state_dict().items()}
    method = fit(parts, scheme="joint", encoder=tuner, encoder_lr=1e-3, pathway=pathway, batch_size=16)
    after = method.fitted.other.model.network.state_dict()
    assert any(not torch.equal(after[k], before[k]) for k in before)
    assert all(torch.equal(v, before[k]) for k, v in tuner.model.network.state_dict().items())  # a copy was trained
    assert not any(p.requires_grad for p in method.fitted.other.model.network.parameters())
    (train, _), _, (test, _) = parts
    if pathway != "P1":  # the vectors in the graph are those that the tuned model gives at the end
        vectors = method.fitted.other.table(method.fitted.other.tokens(train))[0]
        np.testing.assert_allclose(method.fitted.assembler.vectors, vectors, atol=1e-5)
    assert list(method.history.columns) == ["loss", "validation"]
    assert method.scores(test).shape == (20, 3)
    together = method.scores(test)
    np.testing.assert_allclose(method.scores(test.take(np.array([3])))[0], together[3], atol=1e-4)


@pytest.mark.slow
def test_a_joint_model_comes_back_from_its_state(tuner, parts):
    method = fit(parts, scheme="joint", encoder=tuner, encoder_lr=1e-3, batch_size=16)
    test, _ = parts[2]
    back = ScGraPhT(**QUICK, scheme="joint", encoder=tuner).restore(*method.state())
    np.testing.assert_allclose(back.scores(test), method.scores(test), atol=1e-5)


@pytest.mark.slow
def test_joint_training_that_was_stopped_goes_on_as_if_it_had_not_been(tuner, parts, tmp_path):
    how = {"scheme": "joint", "encoder": tuner, "encoder_lr": 1e-3, "batch_size": 16, "patience": None}
    whole = fit(parts, **how, max_epochs=4)
    fit(parts, **how, max_epochs=2, checkpoint=tmp_path / "last.safetensors")
    resumed = fit(parts, **how, max_epochs=4, checkpoint=tmp_path / "last.safetensors")
    np.testing.assert_allclose(resumed.history, whole.history, rtol=1e-5)
    np.testing.assert_allclose(resumed.scores(parts[2][0]), whole.scores(parts[2][0]), atol=1e-4)


def test_what_does_not_fit(tuner, parts):
    with pytest.raises(InputValueError, match="scheme='joint' and encoder="):
        ScGraPhT(scheme="joint")
    with pytest.raises(InputValueError, match="pass both or none"):
        ScGraPhT(encoder=tuner)
    with pytest.raises(InputValueError, match="A trained FineTuner"):
        TunedEncoder("scgpt")
    (train, y), (validation, y_validation), _ = parts
    with pytest.raises(InputValueError, match="knows 3 classes and the training labels hold 2"):
        ScGraPhT(**QUICK, scheme="joint", encoder=tuner).fit(train, y % 2, validation, y_validation % 2)
    with pytest.raises(InputValueError, match="do not know the names of their genes"):
        as_anndata(Cells(train.expression, train.embedding), {})


def test_entries_of_the_tuned_vectors_sum_to_what_each_side_gains(tuner, parts):
    method = fit(parts, scheme="joint", encoder=tuner, encoder_lr=1e-3, batch_size=16, max_epochs=1)
    (train, y_train), _, (test, y) = parts
    vectors = entries.of_vectors(method.fitted, train, y_train, test, y)
    assert vectors.shape == entries.of_graph(method.fitted, test, y).shape == (len(tuner.task.mean), 3)
    head, usual = method.fitted.other.task.head, method.fitted.assembler.vectors.mean(axis=0)
    with torch.no_grad():
        after, before = (head(torch.as_tensor(v)) for v in (method.fitted.other.of(test)[0], usual[None]))
    gained = (after - after.mean(dim=1, keepdim=True) - before + before.mean()).numpy()
    expected = [gained[y == c, c].mean() for c in range(3)]
    np.testing.assert_allclose(vectors.sum(axis=0), expected, rtol=0.02)
