import numpy as np

from scgnn_tools.labels.temperature import fit_temperature, log_proba
from scgnn_tools.metrics import expected_calibration_error

RNG = np.random.default_rng(0)


def overconfident(n, factor):
    logits = RNG.normal(size=(n, 4)) * 1.5
    p = np.exp(log_proba(logits, 1.0))
    labels = np.array([RNG.choice(4, p=row) for row in p])
    return logits * factor, labels


def test_the_temperature_undoes_overconfidence():
    scores, labels = overconfident(4000, 3.0)
    t = fit_temperature(scores, labels)
    assert 2.6 < t < 3.4
    p = np.exp(log_proba(scores, t))
    hit = p.argmax(axis=1) == labels
    assert expected_calibration_error(hit, p.max(axis=1)) < 0.03
    raw = np.exp(log_proba(scores, 1.0))
    assert expected_calibration_error(hit, raw.max(axis=1)) > 0.1


def test_nothing_held_out_leaves_the_scores_alone():
    assert fit_temperature(np.zeros((0, 3)), np.array([], dtype=int)) == 1.0


def test_log_proba_sums_to_one_also_at_the_extremes():
    scores = np.array([[0.0, -np.inf, -5], [1e4, 0, 0]])
    p = np.exp(log_proba(scores, 0.3))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert np.isfinite(p).all()
