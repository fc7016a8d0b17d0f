import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools._errors import InputValueError
from scgnn_tools.perturbation import Effects, PerturbedCells, perturbation_method, relations

GENES = np.array(["STAT1", "IRF1", *[f"g{i}" for i in range(10)]], dtype=object)
HOW = {
    "dim": 16,
    "n_layers": 1,
    "cells_per_condition": 12,
    "max_cells": 12,
    "max_epochs": 2,
    "device": "cpu",
    "n_controls": 8,
}


def seen(n=30):
    """Three perturbations, of which one is not measured, raise half of the genes."""
    rng = np.random.default_rng(0)
    conditions = [("STAT1",), ("IRF1",), ("JAK9",)]
    item = np.repeat([-1, 0, 1, 2], n)
    x = rng.gamma(2, 0.5, size=(4 * n, 12)) + 1.5 * (item >= 0)[:, None] * (np.arange(12) < 6)
    change = np.stack([x[item == i].mean(0) - x[item == -1].mean(0) for i in range(3)])
    cells = PerturbedCells(sp.csr_array(x.astype(np.float32)), item, np.arange(4 * n) % 2)
    return Effects(conditions, change, np.ones(3), GENES, relations([*conditions, ("TP53",)], []), cells)


@pytest.mark.slow
def test_it_learns_what_perturbations_have_in_common():
    trained = perturbation_method("cgc", **{**HOW, "max_epochs": 20, "lr": 2e-2, "patience": 20, "max_cells": 4})
    trained.fit(seen(), rng=0)
    truth = seen().changes.mean(axis=0)
    made = trained.predict([("TP53",), ("JAK9", "TP53")])
    assert made.shape == (2, 12)
    assert ((made[0] - truth) ** 2).mean() < 0.3 * (truth**2).mean()
    assert len(trained.history) == 20


def test_perturbed_genes_are_flagged_tokens_measured_or_not():
    trained = perturbation_method("cgc", **{**HOW, "max_epochs": 1})
    trained.fit(seen(), rng=0)
    assert set(trained._names) == {*GENES, "JAK9", "TP53"}
    assert list(trained._trained.measured) == [True] * 12 + [False] * 2
    n = trained._trained.flags.sum(axis=1)
    assert set(n) == {0, 1}
    assert (n == 0).sum() == 30  # control cells, of which there are no more


def test_the_flag_reaches_the_prediction_and_no_training_is_no_change():
    import torch

    method = perturbation_method("cgc", **{**HOW, "max_epochs": 1, "lr": 1e-9})
    method.fit(seen(), rng=0)
    assert np.abs(method.predict([("STAT1",)])).max() < 1e-3
    with torch.no_grad():
        method._trained.head.fc[-1].weight.fill_(1.0)
        method._trained.special.weight[1] += 3
    one, other = method.predict([("STAT1",), ("IRF1",)])
    assert np.abs(one - other).max() > 1e-4


def test_a_training_that_was_stopped_goes_on_to_the_same_weights(tmp_path, ctrl_c):
    method = perturbation_method("cgc", **HOW)
    method.fit(seen(), rng=0)
    whole = method.predict([("TP53",)])
    ctrl_c(after=1)
    stopped = perturbation_method("cgc", **HOW, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(seen(), rng=0)
    again = perturbation_method("cgc", **HOW, folder=tmp_path)
    again.fit(seen(), rng=0)
    np.testing.assert_allclose(again.predict([("TP53",)]), whole, atol=1e-5)
    other = perturbation_method("cgc", **{**HOW, "lr": 0.1}, folder=tmp_path)
    with pytest.raises(InputValueError, match="holds another run, which differs in lr"):
        other.fit(seen(), rng=0)


def test_of_several_processes_only_the_first_forgets_what_is_there(tmp_path, monkeypatch):
    perturbation_method("cgc", **{**HOW, "max_epochs": 1}, folder=tmp_path).fit(seen(), rng=0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    other = perturbation_method("cgc", **{**HOW, "max_epochs": 1, "lr": 0.1}, folder=tmp_path, resume=False)
    with pytest.raises(InputValueError, match="holds another run, which differs in lr"):
        other.fit(seen(), rng=0)


def test_ablations_and_bad_input():
    for option in ("graph", "pretrain", "residual"):
        method = perturbation_method("cgc", **{**HOW, "max_epochs": 1}, **{option: False})
        method.fit(seen(), rng=0)
        assert np.isfinite(method.predict([("TP53",)])).all()
    with pytest.raises(InputValueError, match="graph is True or False"):
        perturbation_method("cgc", graph="no")
    some, method = seen(), perturbation_method("cgc")
    without = Effects(some.conditions, some.changes, some.noise, GENES, some.relations)
    with pytest.raises(InputValueError, match="cgc learns from cells"):
        method.fit(without)
