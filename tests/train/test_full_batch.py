import os
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from scgnn_tools._errors import InputValueError, WeightsError
from scgnn_tools.store import RunFolder
from scgnn_tools.train import fit_full_batch
from scgnn_tools.train.trainer import WholeFiles

X = torch.linspace(-1, 1, 50)[:, None]
Y = 3 * X + 1


def loss(module):
    return nn.functional.mse_loss(module(X), Y)


def fit(**kwargs):
    options = {"lr": 0.1, "max_epochs": 200, "rng": 0} | kwargs
    return fit_full_batch(lambda: nn.Linear(1, 1), loss, lambda m: loss(m).item(), **options)


def test_it_learns_and_returns_the_history():
    module, history = fit()
    assert not module.training
    assert loss(module).item() < 1e-3
    assert list(history.columns) == ["loss", "validation"]
    assert history["validation"].min() == pytest.approx(loss(module).item())


def test_the_same_seed_the_same_weights_and_no_global_state():
    before = torch.get_rng_state()
    a, b, c = fit(max_epochs=5)[0], fit(max_epochs=5)[0], fit(max_epochs=5, rng=1)[0]
    assert torch.equal(a.weight, b.weight)
    assert not torch.equal(a.weight, c.weight)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_it_stops_and_keeps_the_best_weights():
    scores = iter([3.0, 1.0, 2.0, 2.0, 2.0, 0.0])
    weights = []

    def validate(module):
        weights.append(module.weight.detach().clone())
        return next(scores)

    module, history = fit_full_batch(lambda: nn.Linear(1, 1), loss, validate, patience=3, max_epochs=50, rng=0)
    assert len(history) == 5
    assert torch.equal(module.weight, weights[1])


def test_ctrl_c_keeps_the_best_so_far():
    calls = []

    def interrupted(module):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return loss(module)

    module, history = fit_full_batch(lambda: nn.Linear(1, 1), interrupted, lambda m: loss(m).item(), lr=0.1, rng=0)
    assert len(history) == 3
    assert loss(module).item() == pytest.approx(history["validation"].min())


def test_ctrl_c_before_the_first_epoch_is_raised():
    def interrupted(module):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_full_batch(lambda: nn.Linear(1, 1), interrupted, lambda m: 0.0)


def test_two_threads_train_as_one_does_and_leave_nothing_behind():
    from concurrent.futures import ThreadPoolExecutor

    def go(_):
        build = lambda: nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))  # noqa: E731
        return fit_full_batch(build, loss, lambda m: loss(m).item(), max_epochs=8, rng=0)[1]

    alone, state = go(0), torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        assert all(h.equals(alone) for h in pool.map(go, range(8)))
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("damage", ["cut", "flip", "other shape"])
def test_a_damaged_state_is_an_error(tmp_path, damage):
    file = tmp_path / "last.safetensors"
    fit(max_epochs=2, checkpoint=file, plan={"rng": 0})
    data = file.read_bytes()
    file.write_bytes(
        {"cut": data[: len(data) // 2], "flip": data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]}.get(damage, data)
    )
    width = 2 if damage == "other shape" else 1
    with pytest.raises(WeightsError, match="resume=False"):
        fit_full_batch(lambda: nn.Linear(1, width), loss, lambda m: 0.0, checkpoint=file, plan={"rng": 0})
    with pytest.raises(InputValueError, match=r"differs in rng \(0 there, 1 here\)"):
        fit(max_epochs=2, checkpoint=file, plan={"rng": 1})


def test_fewer_epochs_than_a_folder_holds_are_refused_and_a_run_that_stopped_early_is_done(tmp_path):
    file = tmp_path / "last.safetensors"
    with_state = partial(fit, checkpoint=file, plan={}, patience=3, lr=0.9)
    _, stopped = with_state(max_epochs=200)
    n = len(stopped)
    assert 3 < n < 200
    for most in (n, n + 1, 500):
        assert with_state(max_epochs=most)[1].equals(stopped)
    with pytest.raises(
        InputValueError, match=rf"holds a run of {n} epochs; {n - 1} are asked for\. Pass at least {n}, "
    ):
        with_state(max_epochs=n - 1)


@pytest.mark.skipif(os.name != "posix", reason="limits of a process")
@pytest.mark.parametrize("kind", ["full batch", "lightning", "finished run"])
def test_a_full_disk_is_said_in_a_line_and_what_was_there_stays(tmp_path, kind):
    import resource

    def write(value):
        if kind == "finished run":
            RunFolder(tmp_path, {}).matrix(f"run{value}", lambda: np.full((100, 100), value))
        elif kind == "lightning":
            WholeFiles().save_checkpoint({"state_dict": {"a": torch.full((100, 100), value)}}, tmp_path / "last.ckpt")
        else:
            file, wide = tmp_path / "last.safetensors", partial(nn.Linear, 1, 10_000)
            fit_full_batch(wide, lambda m: m(X).mean(), lambda m: 0.0, max_epochs=1 + value, checkpoint=file, plan={})

    write(0)
    files, before = {p: p.read_bytes() for p in tmp_path.iterdir()}, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(InputValueError, match=r"(last|run1)\..* cannot be written: .*What is finished stays"):
            write(1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == files
