import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from scgnn_tools._errors import InputTypeError, InputValueError, LabelError
from scgnn_tools.metrics import integration
from scgnn_tools.metrics import integration_controls as controls
from scgnn_tools.metrics._integration import AGGREGATES, ALL, pcr
from scgnn_tools.metrics._neighbors import connectivity, kbet, lisi, nearest
from scgnn_tools.metrics._silhouettes import silhouettes


def cells(*, shift, n=240, d=6, seed=0):
    """Three labels in two batches that lie ``shift`` apart."""
    rng = np.random.default_rng(seed)
    labels, batch = np.repeat(["a", "b", "c"], n // 3), np.tile(["x", "y"], n // 2)
    x = 5 * np.eye(3, d)[np.unique(labels, return_inverse=True)[1]] + rng.normal(size=(n, d))
    x[batch == "y", -1] += shift
    return x, batch, labels


def test_silhouettes_are_those_of_scikit_learn():
    x, batch, labels = cells(shift=3)
    codes = [np.unique(g, return_inverse=True)[1] for g in (labels, batch)]
    for own, group in zip(silhouettes(x, *codes), (labels, batch), strict=True):
        np.testing.assert_allclose(own, silhouette_samples(x, group), atol=1e-5)


def test_bras_compares_with_the_cells_of_all_other_groups():
    x, group = np.random.default_rng(0).normal(size=(30, 4)), np.repeat([0, 1, 2], [5, 10, 15])
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    distance = 1 - unit @ unit.T
    (own,) = silhouettes(x, group, metric="cosine", other="all")
    for i in (0, 7, 29):
        a = distance[i, group == group[i]].sum() / ((group == group[i]).sum() - 1)
        b = distance[i, group != group[i]].mean()
        assert own[i] == pytest.approx((b - a) / max(a, b), abs=1e-5)


def test_lisi_counts_the_batches_around_a_cell():
    apart, together = (lisi(nearest(cells(shift=s)[0], 90), np.tile([0, 1], 120)) for s in (60, 0))
    assert np.median(apart) == pytest.approx(1, abs=1e-6)
    assert np.median(together) > 1.9


def test_lisi_of_equal_weights_is_the_inverse_simpson_index():
    x = np.zeros((12, 2))  # all distances are 0: every neighbour weighs the same
    codes = np.repeat([0, 1, 2], 4)
    assert lisi(nearest(x, 12), codes)[0] == pytest.approx(1 / ((3 / 11) ** 2 + 2 * (4 / 11) ** 2))


def test_connectivity_is_the_share_of_the_largest_part():
    x = np.concatenate(
        [np.random.default_rng(0).normal(size=(60, 2)), 1000 + np.random.default_rng(1).normal(size=(20, 2))]
    )
    assert connectivity(nearest(x, 15), np.zeros(80, dtype=int)) == pytest.approx(0.75)
    assert connectivity(nearest(x, 15), np.repeat([0, 1], [60, 20])) == 1


def test_kbet_accepts_what_is_mixed_and_rejects_what_is_not():
    codes = np.repeat([0, 1, 2], 80)
    assert kbet(cells(shift=0)[0], np.tile([0, 1], 120), codes) > 0.85
    assert kbet(cells(shift=20)[0], np.tile([0, 1], 120), codes) == 0
    assert np.isnan(kbet(cells(shift=0)[0], codes, codes))


def test_pcr_is_one_for_subtracted_means_and_zero_for_nothing():
    x, batch, _ = cells(shift=5)
    centred = x - np.stack([x[batch == b].mean(axis=0) for b in batch])
    assert pcr(x, centred, batch) == pytest.approx(1)
    assert pcr(x, x, batch) == 0
    turned = x @ np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    assert pcr(x, turned, batch) == pytest.approx(0, abs=1e-9)  # needs no principal components


def test_the_aggregates_are_means_of_their_parts():
    x, batch, labels = cells(shift=2)
    out = integration(x, batch, labels, before=x, condition=np.tile([0, 0, 1], 80))
    for name, parts in AGGREGATES.items():
        assert out[name] == pytest.approx(np.mean([out[p] for p in parts]))
    assert out["total"] == pytest.approx(0.6 * out["bio"] + 0.4 * out["batch"])
    assert set(out) == set(ALL) - {"kbet"}
    without = integration(x, batch, labels)
    assert without["batch"] == without["mixing"] == pytest.approx(out["mixing"])


def test_correcting_pays_and_the_controls_are_where_they_belong():
    x, batch, labels = cells(shift=8)
    was = integration(x, batch, labels)
    now = integration(np.delete(x, -1, axis=1), batch, labels)
    assert now["batch"] > was["batch"] + 0.2
    assert now["bio"] > was["bio"] - 0.02
    worth = {k: integration(v, batch, labels) for k, v in controls(batch, labels).items()}
    assert worth["labels"]["bio"] > 0.9 > 0.5 > worth["random"]["bio"]
    assert worth["random"]["ilisi"] > 0.8 > 0.1 > worth["labels x batch"]["ilisi"]
    assert worth["labels x batch"]["clisi"] > 0.9


def test_without_labels_only_the_mixing_is_scored():
    x, batch, _ = cells(shift=2)
    assert set(integration(x, batch, before=x)) == {"paper_asw", "ilisi", "pcr"}


def test_only_what_is_asked_for():
    x, batch, labels = cells(shift=2)
    assert set(integration(x, batch, labels, which=["ari", "kbet"])) == {"ari", "kbet"}
    assert set(integration(x, batch, labels, which=["total"])) == {"total"}


def test_a_condition_that_is_lost_scores_lower():
    x, batch, labels = cells(shift=0)
    condition = np.repeat(["u", "v"], 20)[np.arange(240) % 40]
    x[condition == "v", 4] += 6
    kept = integration(x, batch, labels, condition=condition, which=["condition_clisi"])["condition_clisi"]
    lost = integration(np.delete(x, 4, axis=1), batch, labels, condition=condition, which=["condition_clisi"])
    assert kept > 0.95 > 0.6 > lost["condition_clisi"]


def test_many_cells_are_sampled_by_batch():
    x, batch, labels = cells(shift=2, n=600)
    some, all_ = (integration(x, batch, labels, max_cells=m, which=["ilisi", "asw_label"]) for m in (200, 600))
    assert some != all_
    assert some["asw_label"] == pytest.approx(all_["asw_label"], abs=0.05)


X, B, L = cells(shift=1)
BAD = [
    (lambda: integration(X[:-1], B, L), InputValueError, "vectors has 239 rows for 240 cells"),
    (lambda: integration(X, B, L[:-1]), InputValueError, "labels holds 239 values for 240 cells"),
    (lambda: integration(X, np.repeat("x", 240), L), InputValueError, "batch holds one value, 'x'"),
    (lambda: integration(X, B, np.repeat("x", 240)), LabelError, "labels holds one value"),
    (lambda: integration(np.where(X > 5, np.nan, X), B, L), InputValueError, "NaN or infinity in"),
    (lambda: integration(X.astype(str), B, L), InputTypeError, "matrix of numbers"),
    (lambda: integration(X[:, 0], B, L), InputTypeError, "shape \\(240,\\)"),
    (lambda: integration(X, B, L, which=["asw"]), InputValueError, "'asw' is none of paper, bio"),
    (lambda: integration(X, B, L, before=X[:-1]), InputValueError, "before has 239 rows"),
]


@pytest.mark.parametrize(("call", "error", "says"), BAD)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_two_cells_are_scored_without_a_warning():
    assert integration(np.eye(2), np.array([0, 1]))["ilisi"] == pytest.approx(0)
