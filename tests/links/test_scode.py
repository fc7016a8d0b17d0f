import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools.links import link_predictor
from scgnn_tools.links import scode as module


@pytest.fixture(scope="module")
def driven():
    """Genes that follow dx = A x dt with two hidden variables, noise, and one that is constant."""
    rng = np.random.default_rng(0)
    time = np.sort(rng.random(200))
    weights, rates = rng.uniform(0.2, 2, size=(30, 2)), np.array([-6.0, 1.0])
    x = np.exp(np.outer(time, rates)) @ weights.T
    x = np.maximum(x + 0.05 * rng.normal(size=x.shape), 0)
    x = np.concatenate([x, np.ones((200, 1))], axis=1).astype(np.float32) / 3
    names = [f"G{i:02d}" for i in range(30)] + ["flat"]
    obs = pd.DataFrame({"time": 5 + 3 * time}, index=[f"c{i}" for i in range(200)])
    return ad.AnnData(x, obs=obs, var=pd.DataFrame(index=names)), weights, rates


def every(x):
    return pd.DataFrame([(a, b) for a in x.var_names for b in x.var_names], columns=["tf", "target"])


def test_the_rates_and_the_equation_are_found(driven):
    x, weights, rates = driven
    time = ((x.obs["time"] - x.obs["time"].min()) / np.ptp(x.obs["time"])).to_numpy()
    found, b = module.search(module.sp.csr_array(x.X[:, :30]), time, 2, 400, np.random.default_rng(0))
    np.testing.assert_allclose(np.sort(b), rates, atol=0.8)
    z = np.exp(np.outer(time, b))
    np.testing.assert_allclose(z @ found.T, x.X[:, :30], atol=0.15)

    score = link_predictor("scode", pseudotime="time", n_hidden=2, n_trials=400).fit(expression=x).score(every(x))
    told = score.reshape(31, 31)
    truth = np.abs(weights @ np.diag(rates) @ np.linalg.pinv(weights)).T  # factor in the row
    apart = ~np.eye(30, dtype=bool)
    assert np.corrcoef(told[:30, :30][apart], truth[apart])[0, 1] > 0.8
    assert (told[30] == 0).all()  # a constant gene
    assert (np.diag(told) == 0).all()


def test_without_a_time_cells_lie_along_a_component_and_their_order_does_not_show(driven):
    x = driven[0]
    columns = module.read_expression(x, "scode")
    assert abs(np.corrcoef(module.along_a_component(columns), x.obs["time"])[0, 1]) > 0.9
    make = lambda data: link_predictor("scode", n_trials=20).fit(expression=data).score(every(x))  # noqa: E731
    np.testing.assert_allclose(make(x[::-1].copy()), make(x), rtol=1e-4)


@pytest.mark.parametrize(
    ("time", "error", "message"),
    [
        ("when", MissingKeyError, "obs has no 'when' for pseudotime=; it has time"),
        ([1.0, 2.0], InputValueError, "a number for each of the 200 cells; got 2 numbers"),
        (np.ones(200), InputValueError, "has to differ over at least 10 cells"),
        (np.full(200, np.nan), InputValueError, "0 of 200 have one"),
    ],
)
def test_a_time_that_is_none_is_refused(driven, time, error, message):
    with pytest.raises(error, match=message):
        link_predictor("scode", pseudotime=time).fit(expression=driven[0])
