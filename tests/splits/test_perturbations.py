import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import InputValueError, LeakageError
from scgnn_tools.splits import audit_perturbations, split_perturbations

SINGLES = [f"g{i:02d}" for i in range(12)]
DOUBLES = [f"g{i:02d}+g{j:02d}" for i in range(12) for j in range(i + 1, 12) if (i + j) % 2]
ALL = ["ctrl", *SINGLES, *DOUBLES]


def genes(table, part):
    return {g for c in table.loc[table["part"] == part, "condition"] for g in c.split("+")}


@pytest.mark.parametrize("kind", ["unseen", "leave_one_out"])
def test_a_gene_that_is_held_out_is_in_no_training_condition(kind):
    table = split_perturbations(ALL, kind, rng=1)
    tested = set()
    for _, fold in table.groupby("fold"):
        assert set(fold["condition"]) == set(SINGLES + DOUBLES)
        single = fold[(fold["part"] == "test") & ~fold["condition"].str.contains("+", regex=False)]
        assert not set(single["condition"]) & genes(fold, "train")
        assert set(single["subgroup"]) == {"unseen_single"}
        tested |= set(fold.loc[fold["part"] == "test", "condition"])
    assert tested == set(SINGLES + DOUBLES)
    assert table["fold"].nunique() == (5 if kind == "unseen" else 12)


def test_simulation_has_the_four_subgroups_of_gears():
    table = split_perturbations(ALL, "simulation", rng=0)
    assert table["fold"].nunique() == 1
    test = table[table["part"] == "test"]
    assert set(test["subgroup"]) == {"unseen_single", "combo_seen0", "combo_seen1", "combo_seen2"}
    seen = genes(table, "train")
    assert len(seen) == 9
    for name, subgroup in zip(test["condition"], test["subgroup"], strict=True):
        n = sum(g in seen for g in name.split("+"))
        assert subgroup == (f"combo_seen{n}" if "+" in name else "unseen_single")
    both = [c for c in DOUBLES if set(c.split("+")) <= seen]
    assert (test["subgroup"] == "combo_seen2").sum() == len(both) - round(0.75 * len(both))


def test_unseen_combinations_have_all_singles_in_training():
    table = split_perturbations(ALL, "unseen_combo", rng=0)
    assert set(table.loc[table["part"] == "test", "condition"]) == set(DOUBLES)
    for _, fold in table.groupby("fold"):
        assert set(SINGLES) <= set(fold.loc[fold["part"] == "train", "condition"])


def test_a_cell_type_is_held_out_and_what_no_other_type_saw_is_left_out():
    conditions, groups = ["ctrl", "A", "A", "B", "ctrl", "A"], ["T", "T", "T", "T", "B", "B"]
    table = split_perturbations(conditions, "unseen_cell_type", groups=groups)
    rows = {(r.fold, r.condition, r.group): r.part for r in table.itertuples()}
    assert rows == {
        (0, "A", "B"): "test", (0, "A", "T"): "train", (0, "B", "T"): "train",
        (1, "A", "B"): "train", (1, "A", "T"): "test", (1, "B", "T"): "left out",
    }  # fmt: skip


def test_spellings_are_one_condition_and_the_seed_decides():
    spelt = ["ctrl", "g1+g0", "g0+g1", "g0,g1", "g0+ctrl", "g1", "g2"]
    table = split_perturbations(spelt, "leave_one_out")
    assert set(table["condition"]) == {"g0", "g1", "g2", "g0+g1"}
    one, again, other = (split_perturbations(ALL, rng=r) for r in (0, 0, 1))
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(other)


def test_the_audit_sees_the_same_condition_under_another_spelling_and_a_gene_of_a_test_condition():
    def table(*rows):
        return pd.DataFrame(
            [(0, c, "", p, s) for c, p, s in rows], columns=["fold", "condition", "group", "part", "subgroup"]
        )

    with pytest.raises(LeakageError, match=r"Fold 0: 'B\+A' is tested"):
        audit_perturbations(table(("A+B", "train", ""), ("B+A", "test", "combo_seen2")))
    with pytest.raises(LeakageError, match="'A' is tested"):
        audit_perturbations(table(("A+B", "train", ""), ("A", "test", "unseen_single")))
    audit_perturbations(table(("A+B", "train", ""), ("C", "test", "unseen_single")))


def test_bad_input():
    with pytest.raises(InputValueError, match=r"kind is 'unseen'.*Did you mean 'simulation'"):
        split_perturbations(ALL, "simulaton")
    with pytest.raises(InputValueError, match="1 perturbed gene; at least 2"):
        split_perturbations(["ctrl", "A"])
    with pytest.raises(InputValueError, match="0 conditions are combinations"):
        split_perturbations(SINGLES, "unseen_combo")
    with pytest.raises(InputValueError, match=r"leaves no condition to train on, or none to test, of these 1: A\+B"):
        split_perturbations(["A+B", "ctrl"], "leave_one_out")
    with pytest.raises(InputValueError, match=r"wants the batch of each.*pass groups="):
        split_perturbations(SINGLES, "unseen_batch")
    with pytest.raises(InputValueError, match=r"1 of 4 conditions are of no batch .NaN or blank text. in groups="):
        split_perturbations(["A", "B", "A", "ctrl"], "unseen_batch", groups=[1, 2, np.nan, np.nan])
    with pytest.raises(InputValueError, match="All perturbed cells are of one cell type"):
        split_perturbations(SINGLES, "unseen_cell_type", groups=np.repeat("T", 12))


def test_doses_of_a_drug_are_held_out_together_or_one_at_a_time():
    doses = ["A@1", "A@10", "B@1", "B@10", "C@100", "control"]
    for _, fold in split_perturbations(doses, "leave_one_out").groupby("fold"):
        parts = {p: {c.split("@")[0] for c in own["condition"]} for p, own in fold.groupby("part")}
        assert not parts["train"] & parts["test"]
    found = split_perturbations(doses, "unseen_dose")
    assert set(found["fold"]) == {0, 1}  # C was given at 100 alone
    test = found[found["part"] == "test"]
    assert set(test["condition"]) == {"A@1", "A@10", "B@1", "B@10"}
    with pytest.raises(InputValueError, match="No gene or drug was given at two doses"):
        split_perturbations(["A@1", "B@10"], "unseen_dose")


def test_several_controls_are_no_genes():
    split = split_perturbations(["A", "B", "ctrl", "NT"], "leave_one_out")
    assert set(split["condition"]) == {"A", "B"}


@pytest.mark.parametrize("kind", ["unseen", "leave_one_out", "simulation", "unseen_combo"])
def test_every_fold_trains_and_tests(kind):
    for seed in range(5):
        split = split_perturbations(["A+B", "A+C", "A+D", "E", "ctrl"], kind, rng=seed)
        assert (split.groupby("fold")["part"].nunique() == 2).all()
