"""What both networks have in common; ``test_cgc.py`` has what Cell-Graph Compass has of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import checkpoints
from tests.perturbation.test_cgc import HOW, seen

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.perturbation import perturbation_method

NETWORKS = ["cgc", "scgpt"]


@pytest.fixture(scope="module")
def scgpt(tmp_path_factory):
    """An scGPT that does not know g9 and TP53."""
    genes = ["STAT1", "IRF1", "JAK9", *[f"g{i}" for i in range(9)]]
    return checkpoints.scgpt(tmp_path_factory.mktemp("scgpt"), genes, n_layers=1, dim=16, n_heads=2)


def test_scgpt_begins_with_no_change_and_its_flag_reaches_the_prediction():
    method = perturbation_method("scgpt", **{**HOW, "max_epochs": 1, "lr": 1e-9})
    method.fit(seen(), rng=0)
    assert set(method._names) == {*seen().genes, "JAK9", "TP53"}
    assert np.abs(method.predict([("STAT1",)])).max() < 1e-3
    with torch.no_grad():
        method._trained.head.shift.fc[-1].weight.fill_(1.0)
        method._trained.special.weight[1] += 3
    one, other = method.predict([("STAT1",), ("IRF1",)])
    assert np.abs(one - other).max() > 1e-4
    assert method.notes["weights"] == "random"


def test_a_given_scgpt_lends_its_weights_and_is_not_changed(scgpt):
    model = sgt.fm.load("scgpt", checkpoint=scgpt, device="cpu")
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    how = {k: HOW[k] for k in HOW if k not in ("dim", "n_layers")} | {"max_epochs": 1}
    method = perturbation_method("scgpt", model=model, **how)
    method.fit(seen(), rng=0)
    assert "g9" not in method._names
    assert method.notes["weights"] == "given"
    out = method.predict([("STAT1",), ("TP53",), ("TP53", "JAK9")])
    np.testing.assert_array_equal(out[1], method._fallback)  # no token to flag
    assert np.isfinite(out).all()
    assert all((before[k] == v).all() for k, v in model.network.state_dict().items())
    again = perturbation_method("scgpt", checkpoint=scgpt, **how)
    again.fit(seen(), rng=0)
    np.testing.assert_allclose(again.predict([("STAT1",)]), out[:1], atol=1e-5)


def test_the_preset_has_the_published_sizes_and_what_is_given_beside_it_wins(scgpt):
    for name, epochs in (("cgc", 30), ("scgpt", 15)):
        method = perturbation_method(name, preset="paper", max_cells=8)
        assert {k: method.sizes[k] for k in ("dim", "heads", "n_layers")} == {"dim": 512, "heads": 8, "n_layers": 12}
        chosen = {k: method._chosen[k] for k in ("residual", "cell_token", "max_epochs", "max_cells", "lr")}
        assert chosen == {"residual": False, "cell_token": False, "max_epochs": epochs, "max_cells": 8, "lr": 1e-4}
    small = {"preset": "paper", "n_layers": 1, "max_epochs": 1, "n_controls": 4, "max_cells": 12, "device": "cpu"}
    method = perturbation_method("scgpt", checkpoint=scgpt, **small)
    method.fit(seen(12), rng=0)
    assert np.isfinite(method.predict([("STAT1",)])).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_flag_means_is_saved_with_a_tuned_network_and_read_again(tmp_path, name):
    method = perturbation_method(name, **{**HOW, "max_epochs": 1})
    method.fit(seen(12), rng=0)
    method.save_network(tmp_path / "tuned")
    table = method._trained.special.weight.detach()
    loaded = sgt.fm.load(name, checkpoint=tmp_path / "tuned", device="cpu")
    assert loaded.config["n_special"] == 3
    np.testing.assert_array_equal(loaded.network.special.weight.detach(), table)
    how = {k: HOW[k] for k in HOW if k not in ("dim", "n_layers")} | {"max_epochs": 1, "lr": 1e-12}
    again = perturbation_method(name, checkpoint=tmp_path / "tuned", **how)
    again.fit(seen(12), rng=1)
    np.testing.assert_allclose(again._trained.special.weight.detach(), table, atol=1e-6)
    assert method.model.config["n_special"] == 0  # the network in hand is as it was


BAD = [
    ({"model": 3}, "model is a network of scGPT"),
    ({"model": 3, "checkpoint": "x"}, "not both"),
    ({"preset": "big"}, "preset is None or 'paper'"),
    ({"n_controls": 0}, "n_controls is a positive integer"),
    ({"patience": 0}, "patience is a positive integer or None; got 0"),
    ({"residual": "no"}, "residual is"),
    ({"lr": 0}, "lr is positive"),
    ({"graph": True}, "scgpt has no option 'graph'"),
]


@pytest.mark.parametrize(("options", "says"), BAD)
def test_bad_options(options, says):
    with pytest.raises(InputValueError, match=says):
        perturbation_method("scgpt", **options)


TRAIN = """
import sys
from tests.perturbation.test_cgc import HOW, seen
from scgnn_tools.perturbation import perturbation_method
perturbation_method(sys.argv[1], **{**HOW, "max_epochs": 6, "patience": 6}, folder=sys.argv[2]).fit(seen(), rng=0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_that_was_killed_goes_on_and_another_one_is_refused(tmp_path, name):
    how = {**HOW, "max_epochs": 6, "patience": 6}
    whole = perturbation_method(name, **how)
    whole.fit(seen(), rng=0)
    child = subprocess.Popen([sys.executable, "-c", TRAIN, name, str(tmp_path)], cwd=Path(__file__).parents[2])
    while not list(tmp_path.glob("*/last.ckpt")) and child.poll() is None:
        time.sleep(0.02)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    again = perturbation_method(name, folder=tmp_path, **how)
    again.fit(seen(), rng=0)
    np.testing.assert_allclose(again.predict([("TP53",)]), whole.predict([("TP53",)]), atol=1e-5)
    other = perturbation_method(name, folder=tmp_path, **{**how, "residual": False})
    with pytest.raises(InputValueError, match=r"differs in .*residual"):
        other.fit(seen(), rng=0)
