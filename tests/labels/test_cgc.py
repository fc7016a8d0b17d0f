"""``cgc``: its genes, its graph, its pretraining, and networks that were trained before."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import GeneMatchError, InputValueError
from scgnn_tools.fm import cgc
from scgnn_tools.fm.cgc.sources import read_graph
from scgnn_tools.labels import Cells, label_method
from scgnn_tools.labels.cgc import CGCLabels, _markers

SMALL = {"dim": 16, "n_layers": 1, "max_epochs": 2, "pretrain_epochs": 1}
NAMES = genes.prior()["target"].drop_duplicates().to_numpy()[:120].astype(object)


def named(cells: Cells) -> Cells:
    return Cells(cells.expression, cells.embedding, NAMES)


def fit(problem, *, some=None, **options):
    (train, y), (validation, y_validation), _ = problem
    return CGCLabels(**{**SMALL, **options}).fit(named(train), y, named(validation), y_validation, rng=0)


def test_markers_differ_between_classes_and_not_within():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = rng.normal(5, 2.0, size=(90, 30)).clip(0.1)
    x[:, 4] = 1 + (y == 1) + 0.1 * rng.random(90)
    x[:, 9] = 1 + (y == 2) + 0.1 * rng.random(90)
    np.testing.assert_array_equal(_markers(sp.csr_array(x.astype(np.float32)), y, 2), [4, 9])


def test_faint_genes_of_a_small_class_do_not_crowd_out_what_cells_express():
    y = np.repeat([0, 1, 2], [40, 40, 10])
    x = np.zeros((90, 120), dtype=np.float32)
    x[y == 1, :20] = np.random.default_rng(0).uniform(0, 2, size=(40, 20))
    x[y == 2, 20:] = 0.5  # without any spread: on their own scale they tell the classes apart best
    np.testing.assert_array_equal(_markers(sp.csr_array(x), y, 20), np.arange(20))


def test_the_graph_is_of_the_prior_positions_and_training_cells(problem):
    fitted = fit(problem)
    assert fitted.model.graph.regulates.any() or fitted.model.graph.distance.any()
    assert set(fitted.model.vocabulary) <= set(NAMES)
    bare = CGCLabels(**SMALL, max_length=33)
    (train, y), (validation, y_validation), _ = problem
    bare.fit(train, y, validation, y_validation, rng=0)  # no names
    assert not bare.model.graph.regulates.any()
    assert bare.model.sizes.n_graph_layers == 1


def test_the_ablations_leave_out_what_they_say(problem):
    whole, plain = fit(problem), fit(problem, graph=False, pretrain=False)
    assert list(whole.history) == ["pretrain", "tune"]
    assert list(plain.history) == ["tune"]
    assert (whole.model.sizes.n_graph_layers, plain.model.sizes.n_graph_layers) == (1, 0)
    assert plain.model.graph.n_edges == 0


def test_a_pretrained_network_is_tuned_in_a_copy(problem, tmp_path):
    graph = read_graph(NAMES, {})
    sizes = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1, "n_graph_layers": 1, "max_length": 65, "dropout": 0.0}
    model = cgc.CGCModel.untrained(NAMES, graph=graph, device="cpu", **sizes)
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    fitted = fit(problem, model=model, lr=1e-2)
    assert all(torch.equal(v, before[k]) for k, v in model.network.state_dict().items())
    assert not torch.equal(fitted.model.network.genes.embedding.weight, before["genes.embedding.weight"])
    assert list(fitted.history) == ["tune"]
    alone = fit(problem, model=model, graph=False, lr=1e-2)  # the ablation: its weights without its messages
    assert len(alone.model.network.graph) == 0 < len(model.network.graph)
    assert np.abs(alone.scores(named(problem[2][0])) - fitted.scores(named(problem[2][0]))).max() > 1e-3
    model.save(tmp_path / "m")
    again = fit(problem, checkpoint=tmp_path / "m", lr=1e-2)
    np.testing.assert_array_equal(again.scores(named(problem[2][0])), fitted.scores(named(problem[2][0])))


def test_what_is_wrong_is_said(problem):
    model = cgc.CGCModel.untrained(
        NAMES, graph=read_graph(NAMES, {}), dim=8, heads=2, n_layers=1, hidden=8, device="cpu"
    )
    with pytest.raises(InputValueError, match="not both"):
        CGCLabels(model=model, checkpoint="folder")
    with pytest.raises(InputValueError, match="Cell-Graph Compass"):
        CGCLabels(model="cgc-mini")
    (train, y), (validation, y_validation), _ = problem
    with pytest.raises(InputValueError, match="names of the genes"):
        CGCLabels(model=model).fit(train, y, validation, y_validation)
    strange = Cells(train.expression, train.embedding, np.array([f"X{i}" for i in range(120)], dtype=object))
    with pytest.raises(GeneMatchError):
        CGCLabels(model=model).fit(strange, y, validation, y_validation)


def test_it_is_a_method_by_name():
    assert isinstance(label_method("cgc", graph=False), CGCLabels)
    assert sgt.fm.cgc is cgc


def test_the_preset_of_the_paper_and_what_is_given_beside_it(problem):
    assert CGCLabels(preset="paper")._sizes == {
        "dim": 512, "heads": 8, "hidden": 512, "n_layers": 12, "n_graph_layers": 3, "max_length": 3001, "dropout": 0.2, "variant": "paper",
    }  # fmt: skip
    small = {"dim": 8, "heads": 2, "hidden": 8, "n_layers": 1, "n_graph_layers": 1, "max_epochs": 1, "n_genes": 40}
    fitted = fit(problem, preset="paper", **small)
    assert len(fitted.model.vocabulary) == 40
    assert fitted.model.sizes.max_length == 3001
    assert fitted.scores(problem[2][0]).shape == (len(problem[2][0]), problem[0][1].max() + 1)
    given = cgc.CGCModel.untrained(
        NAMES, graph=read_graph(NAMES, {}), dim=8, heads=2, n_layers=1, hidden=8, device="cpu"
    )
    few = fit(problem, model=given, preset="paper", n_genes=10, max_epochs=1)
    assert (np.diff(few._tokens(named(problem[2][0]).expression).offsets) <= 11).all()
    with pytest.raises(InputValueError, match="preset is None or 'paper'"):
        CGCLabels(preset="papper")
