import sys

import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.grn.tune import tune
from scgnn_tools.links import link_predictor
from scgnn_tools.metrics import grn

pytestmark = [
    pytest.mark.filterwarnings(
        f"ignore::{kind}"
    )  # Optuna announces the ends of its own dependencies' ways, not of ours
    for kind in ("DeprecationWarning", "FutureWarning", "PendingDeprecationWarning")
]


def test_the_best_options_are_those_that_validate_best(network):
    train, test, vectors, expression = network
    held = test.head(200)
    how = {"embedding": vectors, "expression": expression}
    options, trials = tune("scregnet", train, held, n_trials=3, rng=1, max_epochs=8, hidden=(8,), **how)
    assert len(trials) == 3
    assert trials["auprc"].is_monotonic_decreasing
    assert all(h == (8,) for h in trials["hidden"])  # what is fixed is not searched
    assert trials["lr"].nunique() == 3
    again = link_predictor("scregnet", rng=1, **options).fit(train, held, **how)
    assert grn(held["label"], again.score(held))["auprc"] == pytest.approx(trials["auprc"][0])
    same, _ = tune("scregnet", train, held, n_trials=3, rng=1, max_epochs=8, hidden=(8,), **how)
    assert same == options


def test_sctransnet_is_searched_too(network):
    train, _, vectors, expression = network
    options, trials = tune("sctransnet", train, n_trials=1, max_epochs=2, embedding=vectors, expression=expression)
    assert set(options) >= {"backbone", "hidden", "out", "head", "dropout", "lr", "weight_decay"}
    assert np.isfinite(trials["auprc"]).all()


def test_what_cannot_be_searched(network, monkeypatch):
    train, _, vectors, _ = network
    with pytest.raises(InputValueError, match="tune searches options of scregnet, sctransnet; got 'degree'"):
        tune("degree", train)
    with pytest.raises(InputValueError, match="has no option 'hiden'"):
        tune("scregnet", train, embedding=vectors, hiden=3)
    for wrong, says in (({"n_trials": 0}, "n_trials is a positive integer"), ({"timeout": 0}, "timeout is positive")):
        with pytest.raises(InputValueError, match=says):
            tune("scregnet", train, embedding=vectors, **wrong)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'scgnn_tools\[tune\]'"):
        tune("scregnet", train, embedding=vectors)
