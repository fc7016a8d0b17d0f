import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools.metrics import energy_distance, perturbation
from scgnn_tools.metrics._perturbation import average_precision, chance_precision

GENES = np.array([f"g{i}" for i in range(40)])


def draws(seed=0, n=5):
    rng = np.random.default_rng(seed)
    control = rng.uniform(1, 2, size=40)
    change = rng.normal(size=(n, 40))
    return control, change


def test_by_hand():
    control, change = draws()
    found = perturbation(control + change, control + 0.5 * change, control, reference=control, top=(3,))
    np.testing.assert_allclose(found["mse"], (0.25 * change**2).mean(axis=1))
    np.testing.assert_allclose(found["mae"], np.abs(0.5 * change).mean(axis=1))
    np.testing.assert_allclose(found["pearson_delta"], 1)
    np.testing.assert_allclose(found["slope"], 0.5)
    np.testing.assert_allclose(found[["direction_3", "overlap_3", "centroid"]], 1)
    assert not found["shared_control"].any()


def test_a_prediction_without_change_scores_nothing():
    control, change = draws()
    found = perturbation(control + change, np.tile(control, (5, 1)), control, top=(3,), significant=np.abs(change) > 1)
    assert (found[["pearson_delta", "slope", "direction_3", "overlap_3", "precision_3"]] == 0).all().all()
    np.testing.assert_allclose(found["auprc_de"], found["auprc_de_base"])
    assert found["centroid"].mean() == pytest.approx(0.5)
    assert found["shared_control"].all()


def test_shared_controls_fake_a_correlation_that_disjoint_ones_do_not():
    """Pseudo-perturbations cut from the controls themselves, as measured in the paper's protocol: about .25."""
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(2400, 2000))
    first, second, groups = cells[:600], cells[600:1200], np.split(cells[1200:], 6)
    truth = np.stack([g.mean(axis=0) for g in groups])
    mean = np.stack([np.delete(truth, i, axis=0).mean(axis=0) for i in range(6)])
    shared = perturbation(truth, mean, first.mean(axis=0))["pearson_delta"].mean()
    apart = perturbation(truth, mean, first.mean(axis=0), reference=second.mean(axis=0))["pearson_delta"].mean()
    assert shared > 0.2
    assert abs(apart) < 0.06


def test_the_perturbed_gene_is_left_out():
    control, change = draws(n=2)
    change[:, 0] = -50
    made = change.copy()
    made[:, 0] = 0
    tables = [pd.DataFrame(control + c, index=["g0", "g0+g1"], columns=GENES) for c in (change, made)]
    out = perturbation(*tables, control)
    np.testing.assert_allclose(out["mse"], 0)
    assert perturbation(*tables, control, exclude_target=False)["mse"].min() > 1


def test_genes_are_ranked_by_the_statistic_and_small_changes_have_no_direction():
    control, change = draws(n=1)
    t = np.zeros((1, 40))
    t[0, [4, 7]] = 9
    change[0, [4, 7]], made = [1.0, 0.1], change.copy()
    made[0, [4, 7]] = [2.0, -0.1]
    found = perturbation(control + change, control + made, control, t=t, error=np.full((1, 40), 0.5), top=(2,)).iloc[0]
    assert found["mse_2"] == pytest.approx((1 + 0.04) / 2)
    assert found["direction_2"] == 0.5
    assert found["direction3_2"] == 1


def test_of_genes_that_change_alike_the_names_decide_and_not_where_they_stand():
    control, change = draws(n=3)
    change[:, 10:] = 0  # thirty genes that tell nothing
    made = change + np.random.default_rng(1).normal(size=change.shape)
    names, moved = np.array([f"g{i:02}" for i in range(40)]), np.random.default_rng(2).permutation(40)
    one, other = (
        perturbation(
            (control + change)[:, at], (control + made)[:, at], control[at], genes=names[at], t=change[:, at], top=(20,)
        )
        for at in (np.arange(40), moved)
    )
    pd.testing.assert_frame_equal(one, other)


def test_the_reference_of_systema_gives_the_mean_nothing():
    control, change = draws()
    mean = control + change.mean(axis=0)
    found = perturbation(control + change, np.tile(mean, (5, 1)), control, others=mean)
    assert (found["pearson_delta_ref"] == 0).all()


def test_the_share_of_the_most_changed_genes_in_the_middle_of_the_true_cells():
    truth, t = np.array([[1.0, 2, 3, 4]]), np.array([[4.0, 3, 2, 1]])
    low, high = truth - 0.5, truth + 0.5
    low[0, 1] = np.nan  # not asked for
    given = {"central": {50: (low, high)}, "t": t, "top": (3,)}
    out = perturbation(truth, np.array([[1.1, 9, 9, 4]]), np.zeros(4), **given)
    assert out["in_central_50"].tolist() == [0.5]


@pytest.mark.parametrize(
    ("error", "says", "change"),
    [
        (InputValueError, r"truth is \(5, 40\), predicted is \(4, 40\)", {"predicted": np.zeros((4, 40))}),
        (InputValueError, "predicted holds NaN or infinity in 5 of 5", {"predicted": np.full((5, 40), np.nan)}),
        (InputTypeError, "truth is a matrix of numbers", {"truth": np.full((5, 40), "a")}),
        (InputValueError, r"control has the shape \(3,\)", {"control": np.zeros(3)}),
        (InputValueError, "conditions holds 2 names for 5", {"conditions": ["a", "b"]}),
    ],
)
def test_bad_input(error, says, change):
    with pytest.raises(error, match=says):
        perturbation(**{"truth": np.zeros((5, 40)), "predicted": np.zeros((5, 40)), "control": np.zeros(40)} | change)


def test_the_energy_distance_is_that_of_all_pairs_and_its_p_value_is_fair():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(40, 4)) + 1
    far = np.linalg.norm(np.r_[x, y][:, None] - np.r_[x, y], axis=2)
    by_hand = 2 * far[:30, 30:].mean() - far[:30, :30].sum() / (30 * 29) - far[30:, 30:].sum() / (40 * 39)
    found, p = energy_distance(x, y, n_permutations=99)
    assert found == pytest.approx(by_hand)
    assert p == 0.01
    alike = [
        energy_distance(rng.normal(size=(20, 3)), rng.normal(size=(25, 3)), n_permutations=39)[1] for _ in range(30)
    ]
    assert 0.3 < np.mean(alike) < 0.7
    with pytest.raises(InputValueError, match="at least two cells"):
        energy_distance(x[:1], y)


def test_the_average_precision_is_that_of_scikit_learn_ties_and_all():
    from sklearn.metrics import average_precision_score

    from scgnn_tools.metrics._perturbation import average_precision

    rng = np.random.default_rng(0)
    for labels, scores in [
        (rng.random(50) < 0.3, rng.integers(6, size=50)),
        (rng.random(90) < 0.1, rng.normal(size=90)),
    ]:
        assert average_precision(labels, scores.astype(float)) == pytest.approx(average_precision_score(labels, scores))
    assert np.isnan(average_precision(np.zeros(4, dtype=bool), np.arange(4.0)))


def test_chance_is_that_of_a_random_order_and_more_than_the_share_where_few_genes_change():
    rng = np.random.default_rng(0)
    for n, size in ((1, 40), (10, 40)):
        labels = np.arange(size) < n
        drawn = [average_precision(labels, rng.permutation(size).astype(float)) for _ in range(4000)]
        assert chance_precision(n, size) == pytest.approx(np.mean(drawn), rel=0.05)
    assert chance_precision(1, 40) > 4 * 1 / 40
