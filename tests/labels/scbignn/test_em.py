import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from tests.labels.conftest import make

from scgnn_tools._errors import InputValueError
from scgnn_tools.labels import Cells, label_method
from scgnn_tools.labels.scbignn import ScBiGNN
from scgnn_tools.labels.scbignn.inputs import BipartiteInputs, Genes, fingerprint, known_again, per_million
from scgnn_tools.labels.scbignn.losses import cross_entropy, m_loss, pseudo_labels

QUICK = {"epochs_genes": 8, "max_epochs": 25, "n_tokens": 80, "iterations": 1}
ONE = torch.ones(3)


def test_with_a_certain_q_the_m_step_is_supervised_cross_entropy():
    logits = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    y = torch.arange(9) % 3
    certain = torch.log(torch.eye(3)[y[4:]])
    for sample in (True, False):
        loss = m_loss(logits, y[:4], certain, ONE, gamma=1.0, sample=sample)
        torch.testing.assert_close(loss, F.cross_entropy(logits, y))
    torch.testing.assert_close(
        m_loss(logits[:4], y[:4], certain, ONE, gamma=1.0, sample=True), F.cross_entropy(logits[:4], y[:4])
    )


def test_soft_labels_are_what_sampled_ones_are_on_average():
    logits, log_q = torch.randn(5, 3), torch.log_softmax(torch.randn(5, 3), dim=1)
    weight = torch.tensor([0.5, 1.0, 2.0])
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        drawn = torch.stack([cross_entropy(logits, pseudo_labels(log_q, sample=True), weight) for _ in range(4000)])
    torch.testing.assert_close(drawn.mean(), cross_entropy(logits, log_q.exp(), weight), rtol=0.05, atol=0)


def test_what_the_networks_see(problem):
    (train, y), _, _ = problem
    x = train.expression.toarray().astype(np.float64)
    np.testing.assert_allclose(per_million(train.expression).toarray(), np.log1p(1e2 * np.expm1(x)), rtol=1e-5)
    genes = Genes.choose(train, y, 40, 20)
    assert set(genes.tokens) <= set(genes.columns)
    means = np.stack([x[y == c].mean(axis=0) for c in range(4)])
    assert set(genes.columns) == set(np.argsort(-means.var(axis=0))[:40])
    np.testing.assert_allclose(genes.centre, x[:, genes.columns].mean(axis=0), rtol=1e-4)
    assert not np.array_equal(Genes.choose(train, y, 40, 20, "variance").columns, genes.columns)


def test_a_cell_is_known_again_whoever_is_beside_it(problem):
    (train, y), _, (test, _) = problem
    genes = Genes.choose(train, y, 80, 20)
    known = fingerprint(BipartiteInputs.of(train, genes))
    some = np.array([5, 17, 3])
    assert known_again(fingerprint(BipartiteInputs.of(train.take(some), genes)), known).tolist() == some.tolist()
    assert (known_again(fingerprint(BipartiteInputs.of(test, genes)), known) == -1).all()


@pytest.fixture(scope="module")
def noisy():
    """Few labels, noisy cells: neighbours know what a cell alone does not."""
    rng = np.random.default_rng(5)
    cells, y = make(420, rng=rng)
    x = sp.csr_array(cells.expression.multiply(rng.random(cells.expression.shape) < 0.25), dtype=np.float32)
    cells = Cells(x, cells.embedding)
    at = np.split(np.arange(420), [40, 80])
    return [(cells.take(i), y[i]) for i in at]


def test_p_teaches_q(noisy):
    (train, y), (validation, y_validation), (rest, y_rest) = noisy
    method = ScBiGNN(n_tokens=120, epochs_genes=20, max_epochs=40, iterations=2)
    method.fit(train, y, validation, y_validation, unlabeled=rest, rng=0)
    of_q = [(r.log_q[80:].argmax(axis=1) == y_rest).mean() for r in method.rounds]
    of_p = [(r.log_p[80:].argmax(axis=1) == y_rest).mean() for r in method.rounds]
    assert of_p[0] > of_q[0]
    assert max(of_q[1:]) > of_q[0]
    assert (method.scores(rest).argmax(axis=1) == y_rest).mean() >= of_q[0]


@pytest.fixture(scope="module")
def transductive(problem):
    (train, y), (validation, y_validation), (test, _) = problem
    return ScBiGNN(**QUICK).fit(train, y, validation, y_validation, unlabeled=test.take(np.arange(40)), rng=0)


def test_a_cell_of_the_training_is_answered_from_the_graph(transductive, problem):
    test, _ = problem[2]
    log_q, log_p = transductive.both(test)
    best = min(transductive.rounds, key=lambda r: r.score)
    np.testing.assert_array_equal(log_p[:40], best.log_p[260:].astype(np.float64))
    np.testing.assert_array_equal(log_q[:40], best.log_q[260:].astype(np.float64))
    for i in (3, 70):
        one = transductive.both(test.take(np.array([i])))[1][0]
        np.testing.assert_allclose(one, log_p[i], atol=1e-5)


def test_a_convolution_of_torch_geometric_passes_the_messages(problem):
    (train, y), (validation, y_validation), (test, y_test) = problem
    method = ScBiGNN(**QUICK, conv="GATConv").fit(train, y, validation, y_validation, rng=0)
    assert (method.both(test)[1].argmax(axis=1) == y_test).mean() > 0.8
    one = method.both(test.take(np.array([7])))[1][0]  # a new cell hears from the graph and from no other new cell
    np.testing.assert_allclose(one, method.both(test)[1][7], atol=1e-5)
    tensors, config = method.state()
    np.testing.assert_allclose(ScBiGNN(**QUICK).restore(tensors, config).scores(test), method.scores(test), atol=1e-6)


def test_the_state_is_all_of_it(transductive, problem):
    test, _ = problem[2]
    tensors, config = transductive.state()
    back = ScBiGNN(**QUICK).restore(tensors, config)
    np.testing.assert_allclose(back.scores(test), transductive.scores(test), atol=1e-6)
    np.testing.assert_allclose(back.represent(test), transductive.represent(test), atol=1e-6)
    assert transductive.represent(test).shape == (80, 64 + 3 * 32)


def test_history_and_read_outs(transductive, problem):
    test, _ = problem[2]
    assert list(dict.fromkeys(transductive.history["step"])) == ["q0", "p0", "q1", "p1"]
    by_step = transductive.history.groupby("step")["homophily"].first()
    assert by_step[["p0", "p1"]].between(0.3, 1).all()
    assert by_step[["q0", "q1"]].isna().all()
    log_q, log_p = transductive.both(test)
    for read_out, expected in (("q", log_q), ("p", log_p)):
        transductive.read_out = read_out
        np.testing.assert_array_equal(transductive.scores(test), expected)
    transductive.read_out = "both"
    w = transductive.weight_p
    np.testing.assert_allclose(
        np.exp(transductive.scores(test)), w * np.exp(log_p) + (1 - w) * np.exp(log_q), atol=1e-6
    )


def test_the_genes_of_the_classes_are_looked_at(transductive, problem):
    (train, _), _, _ = problem
    seen = transductive.gene_importance(train)
    assert np.isfinite(seen).sum() == 80
    assert (seen[np.isfinite(seen)] >= 0).all()


def test_resumed_step_by_step_it_ends_where_it_would_have(problem, tmp_path, monkeypatch):
    (train, y), (validation, y_validation), (test, _) = problem
    last = tmp_path / "last.safetensors"
    train, y, test = train.take(np.arange(60)), y[:60], test.take(np.arange(20))

    def fit(rng=0, checkpoint=None):
        method = ScBiGNN(checkpoint=checkpoint, **{**QUICK, "max_epochs": 6})
        return method.fit(train, y, validation, y_validation, unlabeled=test, rng=rng)

    class Killed(Exception):  # noqa: N818
        pass

    from scgnn_tools.labels.scbignn.em import Steps

    def killed(*args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "e_step", killed)
        with pytest.raises(Killed):
            fit(checkpoint=last)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "last-p0.safetensors",
        "last-q0.safetensors",
        "plan.json",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Steps, "_q", killed)  # nothing of q0 may be trained again; the first batch of q1 is reached
        with pytest.raises(Killed):
            fit(checkpoint=last)
    np.testing.assert_array_equal(fit(checkpoint=last).scores(test), fit().scores(test))
    with pytest.raises(InputValueError, match=r"holds another run, which differs in rng \(0 there, 1 here\)"):
        fit(rng=1, checkpoint=last)
    (tmp_path / "other").mkdir()
    fit(rng=1, checkpoint=tmp_path / "other" / "last.safetensors")


def test_wrong_options_are_told_before_any_work():
    with pytest.raises(
        InputValueError, match=r"scbignn has no option 'heads'; its options are: protocol, read_out, .*n_heads"
    ):
        label_method("scbignn", heads=2)
    with pytest.raises(InputValueError, match="read_out is 'p', 'q' or 'both'; got 'z'"):
        label_method("scbignn", read_out="z")


def test_what_is_given_beside_the_paper_s_protocol_holds():
    paper = ScBiGNN(protocol="paper")
    c = paper.config
    assert (c.n_genes, c.n_tokens, c.genes, c.n_layers, c.n_heads, c.iterations) == (1000, 1000, "variance", 2, 1, 3)
    assert (c.gamma, c.balance, c.dropout, c.gene_dropout, paper.read_out, paper.train_size) == (1, 0, 0, 0, "p", 0.9)
    other = ScBiGNN(protocol="paper", n_layers=1, n_heads=4, read_out="both", gamma=0.5)
    assert (other.config.n_heads, other.read_out, other.config.gamma) == (4, "both", 0.5)
    assert ScBiGNN().config.n_tokens == 200
    assert other.params["protocol"] == "paper"
    with pytest.raises(InputValueError, match="protocol is 'clean' or 'paper'"):
        ScBiGNN(protocol="code")
