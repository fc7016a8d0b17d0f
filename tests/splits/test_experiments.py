import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.splits import split_experiments

TARGET = np.repeat([f"t{i}" for i in range(6)], 3)
STUDY = np.tile(["x", "y", "z"], 6)


@pytest.mark.parametrize("kind", ["unseen_target", "unseen_study", "unseen_both"])
def test_what_is_held_out_is_in_no_training(kind):
    table = split_experiments(TARGET, STUDY, kind, n_folds=3, rng=0)
    tested = []
    for _, fold in table.groupby("fold"):
        train, test = (fold.loc[fold["part"] == p, "experiment"].to_numpy() for p in ("train", "test"))
        tested += test.tolist()
        if kind != "unseen_study":
            assert not set(TARGET[train]) & set(TARGET[test])
        if kind != "unseen_target":
            assert not set(STUDY[train]) & set(STUDY[test])
        assert (fold["part"] == "left out").any() == (kind == "unseen_both")
    assert sorted(tested) == list(range(18))


def test_a_random_split_says_that_it_has_seen_the_targets():
    table = split_experiments(TARGET, STUDY, "random", n_folds=5)
    test = table[table["part"] == "test"]
    assert test["target_seen"].mean() > 0.9
    clean = split_experiments(TARGET, STUDY, "unseen_target")
    assert not clean["target_seen"].any()
    assert clean.loc[clean["part"] == "test", "study_seen"].all()


def test_bad_input():
    with pytest.raises(InputValueError, match=r"All experiments are of one study.*Pass another split=, or study_key="):
        split_experiments(TARGET, None, "unseen_study")
    with pytest.raises(InputValueError, match="All experiments are of one target"):
        split_experiments(np.repeat("t", 4))
    with pytest.raises(InputValueError, match="kind is 'unseen_target'"):
        split_experiments(TARGET, STUDY, "unseen")
    with pytest.raises(InputValueError, match="target holds 18 experiments and study 2"):
        split_experiments(TARGET, ["a", "b"])
    with pytest.raises(InputValueError, match="There are 1 experiments"):
        split_experiments(["t"], kind="random")
