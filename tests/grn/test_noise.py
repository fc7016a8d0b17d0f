import numpy as np
import pandas as pd
import pytest

from scgnn_tools.grn.inputs import LinkInputs
from scgnn_tools.grn.noise import noise_study, turned


@pytest.fixture(scope="module")
def popular():
    """Pairs whose target's popularity tells the label."""
    rng = np.random.default_rng(0)
    tfs, targets = [f"T{i}" for i in range(30)], [f"g{i}" for i in range(120)]
    pairs = pd.DataFrame([(a, b) for a in tfs for b in targets], columns=["tf", "target"])
    odds = np.tile(rng.beta(0.4, 1.2, size=120), 30)
    pairs["label"] = (rng.random(len(pairs)) < odds).astype(int)
    return LinkInputs(pairs, pd.DataFrame(index=targets), np.array(targets, dtype=object), None)


def test_a_share_of_the_labels_is_turned(popular):
    noisy = turned(popular.pairs, 0.25, np.random.default_rng(1))
    assert (noisy["label"] != popular.pairs["label"]).sum() == 900
    assert noisy["label"].isin([0, 1]).all()
    pd.testing.assert_frame_equal(noisy[["tf", "target"]], popular.pairs[["tf", "target"]])


def test_methods_fall_as_labels_are_turned_and_half_leaves_nothing(popular):
    table = noise_study(popular, ["degree", "collaborative"], [0.0, 0.2, 0.5], split="random_pair", n_draws=3, rng=0)
    assert table[["method", "share"]].to_numpy().tolist() == [
        [m, s] for m in ("degree", "collaborative") for s in (0, 0.2, 0.5)
    ]
    assert table["n_draws"].tolist() == [1, 3, 3] * 2
    assert table["sd_auprc"].isna().tolist() == [True, False, False] * 2
    degree = table[table["method"] == "degree"]["auprc"].to_numpy()
    chance = table["chance"].iloc[0]
    assert degree[0] > degree[1] > chance + 0.1
    assert abs(degree[2] - chance) < 0.1
