import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import checkpoints
from tests.perturbation.test_bulk import GENES, TARGETS, experiments

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.perturbation.bulk import Experiments, knockout_method
from scgnn_tools.perturbation.bulk.network import calibrated
from scgnn_tools.train.two_step_task import Loss, TwoStep, focal, two_step

NETWORKS = ["cgc", "scgpt"]
HOW = {"dim": 16, "n_layers": 1, "n_genes": 60, "max_epochs": 2, "device": "cpu"}


def test_the_focal_loss_without_focus_is_cross_entropy_and_without_changes_there_is_no_second_step():
    logits, truth = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1, 0, 0])
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth.float(), reduction="none")
    torch.testing.assert_close(focal(logits, truth, 0.0, 0.5) / 0.5, entropy)
    assert focal(logits, truth, 2.0, 0.5)[0] < 0.05 * entropy[0]  # that one is right already
    way, none = torch.zeros(3, 1), torch.ones(3, dtype=torch.long)
    assert float(two_step(logits, way, none, 3, Loss(0.0, 0.5))) == pytest.approx(
        float(focal(logits, none * 0, 0, 0.5).mean() / 0.5)
    )
    up = torch.tensor([2, 1, 1])
    twice = two_step(logits, way, up, 3, Loss(0.0, 0.5, direction=2.0)) - two_step(logits, way, up, 3, Loss(0.0, 0.5))
    assert float(twice) == pytest.approx(np.log(2))


def test_unchanged_genes_are_drawn_anew_for_each_that_changed():
    label = np.r_[np.zeros(3, int), np.ones(40, int), -np.ones(5, int)]
    task = TwoStep(4, label, np.zeros(48, bool), np.array([0, 48]), 3, Loss(), negatives=2)
    one, other = (task._drawn(label, np.random.default_rng(i)) for i in (0, 1))
    assert one.sum() == other.sum() == 9
    assert one[:3].all()
    assert not one[43:].any()
    assert (one != other).any()
    task.negatives = None
    assert task._drawn(label, np.random.default_rng(0)).sum() == 43


def test_probabilities_are_moved_to_the_rate_in_training():
    logits = np.random.default_rng(0).normal(2, 1, size=500)
    p = 1 / (1 + np.exp(-(logits + calibrated(logits, 0.04))))
    assert p.mean() == pytest.approx(0.04, abs=1e-6)


@pytest.mark.parametrize("n_classes", [3, 5])
def test_it_learns_which_genes_change_and_which_way(n_classes):
    of = experiments(n_classes)
    train, test = np.r_[0:6, 8:14], np.array([6, 7, 14, 15])
    method = knockout_method(
        "scgpt", **{**HOW, "n_genes": 80, "lr": 2e-2, "max_epochs": 25, "patience": 25, "max_cells": 2}
    )
    method.fit(of.take(train), rng=0)
    p, change = method.predict(of.take(test))
    moved = 1 - p[:, :, n_classes // 2]
    assert moved[:, 30:35].mean() > moved[:, 40:].mean() + 0.2  # these always rise
    assert (change[:, 30:35] > 0).mean() > 0.8
    assert len(method.history) == 25


def test_genes_without_a_token_get_their_frequency_and_controls_may_be_unknown():
    of = experiments()
    rest = knockout_method("frequency")
    rest.fit(of)
    method = knockout_method("cgc", **{**HOW, "n_genes": 20, "max_epochs": 1, "graph": False})
    method.fit(of, rng=0)
    p, _ = method.predict(of)
    same = (p == rest.predict(of)[0]).all(axis=2)
    assert (same.sum(axis=1) == 60).all()
    unknown = Experiments(**{**vars(of), "control": None})
    method.fit(unknown, rng=0)
    p, _ = method.predict(unknown)
    assert not (p == rest.predict(of)[0]).all(axis=2)[:, 30:35].any()  # those that change most often are the tokens


def test_a_given_network_knows_some_targets(tmp_path):
    names = [*TARGETS[:6], *GENES]
    model = sgt.fm.load(
        "scgpt", checkpoint=checkpoints.scgpt(tmp_path, names, n_layers=1, dim=16, n_heads=2), device="cpu"
    )
    method = knockout_method("scgpt", model=model, n_genes=30, max_epochs=1)
    of = experiments()
    method.fit(of, rng=0)
    assert method.notes["n_without_a_token_of_the_target"] == 4
    assert method.notes["weights"] == "given"
    p, _ = method.predict(of)
    rest = knockout_method("frequency")
    rest.fit(of)
    np.testing.assert_array_equal(p[12:], rest.predict(of)[0][12:])


BAD = [
    ({"gamma": -1}, "gamma is"),
    ({"alpha": 1}, "alpha is"),
    ({"negatives": 0}, "negatives is"),
    ({"n_genes": 0}, "n_genes is a positive integer"),
    ({"preset": "x"}, "preset is None or 'paper'"),
]


@pytest.mark.parametrize(("options", "says"), BAD)
def test_bad_options(options, says):
    with pytest.raises(InputValueError, match=says):
        knockout_method("cgc", **options)


def test_the_preset_is_the_published_training():
    chosen = knockout_method("cgc", preset="paper", n_layers=2)._chosen
    wanted = {
        "dim": 512,
        "n_layers": 2,
        "n_genes": 2048,
        "gamma": 0.0,
        "alpha": 0.5,
        "negatives": None,
        "max_epochs": 30,
        "lr": 1e-4,
    }
    assert {k: chosen[k] for k in wanted} == wanted


TRAIN = """
import sys
from tests.perturbation.test_bulk import experiments
from tests.perturbation.test_bulk_network import HOW
from scgnn_tools.perturbation.bulk import knockout_method
knockout_method(sys.argv[1], **{**HOW, "max_epochs": 20, "patience": 20}, folder=sys.argv[2]).fit(experiments(), rng=0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_training_that_was_killed_goes_on_and_another_one_is_refused(tmp_path, name):
    how, of = {**HOW, "max_epochs": 20, "patience": 20}, experiments()
    whole = knockout_method(name, **how)
    whole.fit(of, rng=0)
    child = subprocess.Popen([sys.executable, "-c", TRAIN, name, str(tmp_path)], cwd=Path(__file__).parents[2])
    while not list(tmp_path.glob("*/last.ckpt")) and child.poll() is None:
        time.sleep(0.02)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    again = knockout_method(name, folder=tmp_path, **how)
    again.fit(of, rng=0)
    np.testing.assert_allclose(again.predict(of)[0], whole.predict(of)[0], atol=1e-5)
    with pytest.raises(InputValueError, match="differs in loss"):
        knockout_method(name, folder=tmp_path, gamma=1.0, **how).fit(of, rng=0)
