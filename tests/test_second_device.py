"""What trains a network keeps all its tensors on one device: shown without a GPU, on a pretended one."""

import inspect

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import scgnn_tools as sgt
from scgnn_tools.fm.scgpt import ScGPT
from scgnn_tools.integration import integration_method
from scgnn_tools.labels import METHODS, label_method
from scgnn_tools.links import PREDICTORS, link_predictor
from scgnn_tools.perturbation import perturbation_method
from scgnn_tools.perturbation.bulk import knockout_method
from tests._elsewhere import second_device
from tests.integration.test_methods import batches
from tests.labels.conftest import make
from tests.links.conftest import network as pairs
from tests.perturbation.test_bulk import experiments
from tests.perturbation.test_cgc import HOW, seen

SHORT = {"max_epochs": 2, "epochs_genes": 1, "iterations": 1}
SMALL = {"dim": 16, "n_layers": 1, "max_epochs": 1}


def options(method):
    return inspect.signature(type(method)).parameters


def short(build, name, device):
    known = options(build(name))
    return build(name, device=device, **{k: v for k, v in SHORT.items() if k in known})


TAKERS = [n for n, e in METHODS.items() if e.device and e.installed and n not in ("auto", "scanvi")]
"""``auto`` has some of the others in it, and scVI looks after its own device."""
PREDICT = [n for n in PREDICTORS if "device" in options(link_predictor(n))]


def marked(name):
    return pytest.param(name, marks=[pytest.mark.slow] if name in ("cgc", "cnnc", "deepdrim") else [])


@pytest.fixture
def device():
    with second_device() as name:
        yield name


def test_it_is_a_device(device):
    x = torch.ones(3, device=device)
    with pytest.raises(RuntimeError, match="two devices"):
        x + torch.ones(3)
    with pytest.raises(RuntimeError, match="numpy"):
        x.numpy()
    assert (x + 1).cpu().numpy().tolist() == [2, 2, 2]


@pytest.mark.parametrize("name", [marked(n) for n in TAKERS])
def test_labels(device, name):
    rng = np.random.default_rng(0)
    (train, y), (validation, y_validation), (test, _) = (make(n, rng=rng) for n in (80, 30, 20))
    method = short(label_method, name, device).fit(train, y, validation, y_validation, rng=0)
    assert np.isfinite(method.scores(test)).all()


@pytest.mark.parametrize("name", [marked(n) for n in PREDICT])
def test_links(device, name):
    train, test, vectors, expression = pairs.__wrapped__()
    method = short(link_predictor, name, device).fit(train, embedding=vectors, expression=expression)
    assert np.isfinite(method.score(test.head(50))).all()


def test_batches(device):
    method = integration_method("cgc", **SMALL, n_genes=20, max_length=16, device=device)
    assert np.isfinite(method.fit(batches(), rng=0)).all()
    sizes = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1, "max_length": 16}
    model = ScGPT.untrained(batches().genes, device=device, **sizes)
    method = integration_method("scgpt", model=model, max_epochs=1, device=device)
    assert np.isfinite(method.fit(batches(), rng=0)).all()


@pytest.mark.parametrize("name", ["cgc", "scgpt"])
def test_perturbations(device, name):
    method = perturbation_method(name, **{**HOW, "max_epochs": 1, "device": device})
    method.fit(seen(), rng=0)
    assert np.isfinite(method.predict([("STAT1",), ("TP53",)])).all()


@pytest.mark.parametrize("name", ["cgc", "scgpt"])
def test_knockouts(device, name):
    method = knockout_method(name, **SMALL, n_genes=40, device=device)
    method.fit(experiments(), rng=0)
    assert all(np.isfinite(part).all() for part in method.predict(experiments()))


def test_a_network_is_pretrained_tuned_and_embeds(device):
    rng = np.random.default_rng(0)
    cells = ad.AnnData(sp.csr_array(rng.poisson(2.0, (40, 30)).astype(np.float32)))
    cells.var_names = [f"G{i}" for i in range(30)]
    cells.obs = pd.DataFrame({"group": np.resize(["a", "b"], 40)}, index=cells.obs_names)
    sizes = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1, "max_length": 16, "device": device}
    sgt.models.CGC.setup_anndata(cells)
    model = sgt.models.CGC(cells, n_graph_layers=1, **sizes).model
    for how in ({"task": "masked"}, {"task": "expression", "adapt": "full"}, {"labels_key": "group"}):
        tuner = sgt.models.FineTuner(model, cells, **how).train(max_epochs=1)
        assert np.isfinite(tuner.model.embed_cells(cells)).all()
    assert np.isfinite(model.attention_received(cells).dropna()).all()


def test_a_network_with_a_graph_is_pretrained(device):
    rng = np.random.default_rng(0)
    cells = ad.AnnData(sp.csr_array(rng.poisson(2.0, (40, 30)).astype(np.float32)))
    cells.var_names = [f"G{i}" for i in range(30)]
    edges = pd.DataFrame({"source": cells.var_names[:-1], "target": cells.var_names[1:]})
    sizes = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1, "max_length": 16, "min_cells": 1, "device": device}
    sgt.models.ScNetFormer.setup_anndata(cells)
    net = sgt.models.ScNetFormer(cells, graph=edges, graph_layers=1, masked_layers="all", contrast=0.1, **sizes)
    assert np.isfinite(net.train(1, lr=1e-3).get_latent_representation()).all()
