"""scGraPhT as an annotation method: pathways, schemes, protocols, fusion, saving."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from tests.labels.conftest import make

from scgnn_tools import fm
from scgnn_tools._errors import InputValueError, SgtWarning
from scgnn_tools.labels import Cells
from scgnn_tools.labels.mixture import mixture_weights
from scgnn_tools.labels.scgrapht import ScGraPhT, fusion
from scgnn_tools.labels.scgrapht.experts import Experts
from scgnn_tools.labels.scgrapht.intake import Intake

RNG = np.random.default_rng(3)
TRAIN, VALIDATION, TEST = (make(n, rng=RNG) for n in (160, 60, 80))
QUICK = {"max_epochs": 30, "n_genes": 100, "width": 32, "device": "cpu", "lr": 1e-2}
P2 = {**QUICK, "pathway": "P2"}


def fit(*, unlabeled=None, rng=0, **options):
    (train, y), (validation, y_validation) = TRAIN, VALIDATION
    return ScGraPhT(**{**QUICK, **options}).fit(train, y, validation, y_validation, unlabeled=unlabeled, rng=rng)


def accuracy(method, scores=None):
    test, y = TEST
    return ((method.scores(test) if scores is None else scores).argmax(axis=1) == y).mean()


@pytest.mark.parametrize("pathway", ["P1", "P2", "P3", "P4", "CG", "CG-GC-CG"])
@pytest.mark.parametrize("scheme", ["graph", "embedding", "embedding+logits"])
def test_every_pathway_learns_and_comes_back_from_its_state(pathway, scheme):
    method = fit(pathway=pathway, scheme=scheme, max_epochs=80)
    assert accuracy(method) > 0.85
    tensors, config = method.state()
    back = ScGraPhT(**{**QUICK, "pathway": pathway, "scheme": scheme}).restore(tensors, config)
    test, _ = TEST
    np.testing.assert_allclose(back.scores(test), method.scores(test), atol=1e-6)
    np.testing.assert_allclose(back.represent(test), method.represent(test), atol=1e-6)
    has_cells = any(k.startswith("cells.") for k in tensors)
    assert has_cells == ("CC" in method.steps)  # the training cells are kept only where others are compared with them


def test_principal_components_beside_the_vectors_come_back_too():
    method = fit(principal=5, pathway="P2")
    assert method.fitted.assembler.first.shape == (100, 10 + 5)
    back = ScGraPhT(**P2, principal=5).restore(*method.state())
    np.testing.assert_allclose(back.scores(TEST[0]), method.scores(TEST[0]), atol=1e-6)


@pytest.mark.parametrize("pathway", ["P2", "P3", "P4"])
def test_one_query_cell_gets_its_answer_alone_and_in_company(pathway):
    method = fit(pathway=pathway, sparsify=10)
    test, _ = TEST
    together = method.scores(test)
    for i in (0, 41):
        np.testing.assert_allclose(method.scores(test.take(np.array([i])))[0], together[i], atol=1e-5)


def test_transductive_cells_are_in_the_graph_and_unlabelled():
    test, _ = TEST
    method = fit(pathway="P4", unlabeled=test)
    assert method.fitted.assembler.graph.cells.shape[0] == 160 + 60 + 80
    assert not method.fitted.assembler.graph.attached
    assert fit(pathway="P4").fitted.assembler.graph.cells.shape[0] == 160
    assert accuracy(method) > 0.85


@pytest.mark.parametrize(
    ("protocol", "expected", "epochs", "lr", "enough"),
    [  # without layer norm, ReLU wants the small steps of the paper
        ("code", ("log", "repo", "binned"), 40, 3e-3, 0.85),
        ("paper", ("prob", "paper", "binned-chosen"), 300, None, 0.6),
    ],
)
def test_published_protocols_train_all_epochs_on_bins_and_keep_the_last_weights(protocol, expected, epochs, lr, enough):
    method = ScGraPhT(protocol=protocol, max_epochs=epochs, device="cpu", lr=lr)
    o = method.options
    assert (o.fuse, o.activation, o.values) == expected
    assert (o.lam, o.normalize, o.patience) == (0.7, "none", None)
    assert (
        ScGraPhT(protocol=protocol, fuse="log", lam=0.2, n_genes=7).options.lam == 0.2
    )  # what is given beside it holds
    assert ScGraPhT(protocol=protocol).options.max_epochs == 3000
    (train, y), (validation, y_validation) = TRAIN, VALIDATION
    method.fit(train, y, validation, y_validation, unlabeled=TEST[0], rng=0)
    assert len(method.history) == epochs
    assert method.lam == 0.7
    assert np.isclose(
        method.fitted.assembler.graph.cells.data * 51, np.round(method.fitted.assembler.graph.cells.data * 51)
    ).all()
    assert accuracy(method) > enough


def test_vectors_of_a_general_model_go_in_standardised_under_every_protocol():
    """They are nearly the same for all cells, where those of the papers' fine-tuned networks are not."""
    (train, y), (validation, y_validation) = TRAIN, VALIDATION
    for protocol in ("clean", "paper", "code"):
        method = ScGraPhT(protocol=protocol, scheme="EO", max_epochs=1, device="cpu").fit(
            train, y, validation, y_validation
        )
        given = method.fitted.intake.vectors(train)
        np.testing.assert_allclose(given.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(given.std(axis=0), 1, atol=1e-3)


def known_graph(order=None, *, turned=False):
    """Training, validation and test cells whose genes are named, with a gene of each class that the others of it hear."""
    graph = sp.lil_array((120, 120), dtype=np.float32)
    for c in range(4):
        graph[20 * c, 20 * c + 1 : 20 * (c + 1)] = 1.0
    graph, names = (
        sp.csr_array(graph.T if turned else graph),
        fm.load(fm.best_bundled()).vocabulary[:120].astype(object),
    )
    order = np.arange(120) if order is None else order
    graph = sp.csr_array(graph[order][:, order])
    every = {"genes": names[order], "gene_graph": graph}
    return [
        (replace(c, expression=sp.csr_array(c.expression[:, order]), **every), y) for c, y in (TRAIN, VALIDATION, TEST)
    ]


def fit_known(cells, **options):
    (train, y), (validation, y_validation), _ = cells
    given = {**QUICK, "pathway": "P1", "scheme": "graph", "gene_graph": "prior", "max_epochs": 40, **options}
    return ScGraPhT(**given).fit(train, y, validation, y_validation)


def test_a_known_graph_of_genes_decides_and_is_kept():
    cells = known_graph()
    method = fit_known(cells)
    assert accuracy(method) > 0.85
    assert method.params["gene_graph"] == "prior"
    kept = method.fitted.assembler.graph.gene_graph
    assert method.params["gene_graph_edges"] == kept.nnz - 100 > 40
    back = ScGraPhT(**QUICK, pathway="P1", scheme="graph", gene_graph="prior").restore(*method.state())
    test = TEST[0]  # who asks brings no graph
    np.testing.assert_allclose(back.scores(test), method.scores(test), atol=1e-6)
    assert back.params["gene_graph_edges"] == method.params["gene_graph_edges"]
    cosine = fit_known(cells, gene_graph="cosine")
    assert "gene_graph_edges" not in cosine.params
    assert not any(k.startswith("gene_graph") for k in cosine.state()[0])
    for other in (fit_known(known_graph(turned=True)), cosine):
        assert not np.allclose(other.scores(test), method.scores(test), atol=1e-3)
    batches = fit_known(cells, batch_size=50, max_epochs=10)
    assert accuracy(batches) > 0.85


def test_the_order_of_the_genes_does_not_matter():
    """Vectors of the genes go in: of an identity, which gene comes first decides what is drawn for it."""
    one, other = known_graph(), known_graph(np.random.default_rng(0).permutation(120))
    given = {"gene_inputs": "vectors", "n_genes": 120, "normalize": "sym", "max_epochs": 10}
    a, b = (fit_known(cells, **given).scores(cells[2][0]) for cells in (one, other))
    np.testing.assert_allclose(a, b, atol=1e-4)
    mixed = [
        (replace(c, gene_graph=one[0][0].gene_graph), y) for c, y in other
    ]  # a graph that was left behind would show
    assert not np.allclose(fit_known(mixed, **given).scores(mixed[2][0]), a, atol=1e-2)


def test_a_training_goes_on_with_the_same_graph_of_genes_alone(tmp_path):
    options = {"checkpoint": tmp_path / "state", "max_epochs": 2}
    fit_known(known_graph(), **options)
    fit_known(known_graph(), **options, gene_graph="another name")
    with pytest.raises(InputValueError, match="graph of genes"):
        fit_known(known_graph(turned=True), **options)


@pytest.mark.parametrize("fuse", ["prob", "log"])
@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0, "validation", "learned"])
def test_lambda_and_fusion(lam, fuse):
    method = fit(lam=lam, fuse=fuse, max_epochs=5)
    test, _ = TEST
    graph, other = method.graph_scores(test), method.other_scores(test)
    assert 0 <= method.lam <= 1
    if not isinstance(lam, str):
        assert method.lam == lam
    if lam == "learned":
        assert method.lam != pytest.approx(0.7005671, abs=1e-6)  # where it began
    p, q = np.exp(graph), np.exp(other)
    expected = method.lam * p + (1 - method.lam) * q if fuse == "prob" else p**method.lam * q ** (1 - method.lam)
    np.testing.assert_allclose(
        np.exp(method.scores(test)), expected / expected.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-12
    )


@pytest.mark.parametrize("said", [3, np.zeros(3), np.zeros((3, 4))])
def test_a_function_that_gives_no_logits_is_named(said):
    with pytest.raises(InputValueError, match=r"logits= is a function whose value is an array \(n_cells, n_classes\)"):
        fit(logits=lambda cells: said, max_epochs=1)


def test_lambda_goes_to_the_side_that_is_right():
    (_, y), (_, y_validation) = TRAIN, VALIDATION

    def says(p):
        def logits(cells: Cells) -> np.ndarray:
            truth = {160: y, 60: y_validation, 80: TEST[1]}[len(cells)]
            out = np.full((len(cells), 4), np.log((1 - p) / 3))
            out[np.arange(len(cells)), truth] = np.log(p)
            return out

        return logits

    assert fit(logits=says(0.999), max_epochs=2).lam < 0.5
    assert fit(logits=says(0.01), max_epochs=30).lam > 0.5
    tensors, config = fit(logits=says(0.9), max_epochs=1).state()
    assert not any(k.startswith("other") for k in tensors)  # a function is given again
    back = ScGraPhT(**QUICK, logits=says(0.9)).restore(tensors, config)
    np.testing.assert_allclose(back.other_scores(TEST[0]), says(0.9)(TEST[0]))


def says(p, y, p_other):
    """Log-probabilities of cells of four classes, p for the true one of every second cell, p_other for that of the others."""
    n = len(y)
    share = np.where(np.arange(n) % 2, p_other, p)
    out = np.repeat(np.log((1 - share) / 3)[:, None], 4, axis=1)
    out[np.arange(n), y] = np.log(share)
    return out


@pytest.mark.parametrize(("n", "least", "most"), [(4, 0.0, 0.15), (40, 0.15, 0.45), (4000, 0.45, 0.55)])
def test_lambda_leaves_the_experts_as_held_out_cells_become_many(n, least, most):
    """Each side knows what the other does not, so that half and half is best."""
    y = np.arange(n) % 4
    lam = fusion.choose(says(0.9, y, 0.3), says(0.3, y, 0.9), y, np.ones(4))
    assert least <= lam <= most


@pytest.mark.parametrize("n", [8, 80, 800])
def test_a_graph_that_makes_the_fusion_wrong_more_often_gets_nothing(n):
    """It is likelier on the mean, because the experts are very sure of a few wrong answers; they are right more often all the same."""
    y = np.arange(n) % 4
    experts = says(1 - 1e-6, y, 0.97)
    experts[::8] = says(1e-6, y, 1e-6)[::8]
    graph = says(0.2, y, 0.2)
    graph[np.arange(n), (y + 1) % 4] = np.log(0.7)
    assert fusion.choose(graph, experts, y, np.ones(4)) < 0.5
    fused = fusion.mix(fusion.choose(graph, experts, y, np.ones(4)), graph, experts)
    right = [(s.argmax(axis=1) == y).mean() for s in (fused, experts)]
    assert right[0] >= right[1]


def test_learned_lambda_goes_where_held_out_cells_want_it():
    """From where it begins, .7, to the side that is right about the validation cells; the training cells have no say."""
    (_, y), (_, y_validation) = TRAIN, VALIDATION

    def logits(*, held_out_right):
        def of(cells):
            truth = {160: y, 60: y_validation, 80: TEST[1]}[len(cells)]
            right = held_out_right if len(cells) == 60 else not held_out_right
            return says(0.97, truth if right else (truth + 1) % 4, 0.97)

        return of

    wrong, right = (fit(lam="learned", logits=logits(held_out_right=r), max_epochs=60).lam for r in (False, True))
    assert right < 0.55 < 0.7 < wrong


def test_logits_of_any_source_steer_training_where_lambda_is_a_number():
    """Mixing probabilities, cells that the other side already knows teach less; the graph's own loss would not change."""
    sure = lambda cells: np.log(np.full((len(cells), 4), 0.25))  # noqa: E731
    a, b = fit(lam=0.5, logits=sure, max_epochs=5), fit(scheme="graph", max_epochs=5)
    assert not np.allclose(a.graph_scores(TEST[0]), b.graph_scores(TEST[0]))


def test_the_default_pathway_follows_what_has_to_go_in():
    assert ScGraPhT().steps == ScGraPhT(scheme="graph").steps == ("CG",)
    assert ScGraPhT(scheme="embedding").steps == ScGraPhT(protocol="paper").steps == ("GC", "CG")


@pytest.mark.parametrize(("ours", "papers"), [("graph", "GO"), ("embedding", "EO"), ("embedding+logits", "EL")])
def test_schemes_have_the_names_of_the_paper(ours, papers):
    assert ScGraPhT(scheme=papers).options == ScGraPhT(scheme=ours).options
    assert ScGraPhT(scheme=papers).steps == ScGraPhT(scheme=ours).steps


def test_bins_among_the_chosen_genes_are_those_of_an_object_that_holds_no_others():
    (train, _), some = TRAIN, np.arange(5, 40)
    chosen = Intake(some, "binned-chosen", None).edges(train)
    alone = Intake(np.arange(len(some)), "binned", None).edges(replace(train, expression=train.expression[:, some]))
    np.testing.assert_array_equal(chosen.toarray(), alone.toarray())
    assert (chosen.toarray() != Intake(some, "binned", None).edges(train).toarray()).any()


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_the_paper_s_loss_is_of_the_fusion_under_every_lambda(lam):
    """At 0 the graph learns nothing but to be small, at 1 it learns alone; the published code trains it alone at both."""
    given = {"lam": lam, "max_epochs": 3, "n_genes": 60, "device": "cpu", "weight_decay": 0.0}
    (train, y), (validation, y_validation) = TRAIN, VALIDATION
    losses = ScGraPhT(protocol="paper", **given).fit(train, y, validation, y_validation).history["loss"]
    assert (losses.max() - losses.min() < 1e-5) == (lam == 0.0)


def test_small_classes_weigh_more():
    (train, y), (validation, y_validation) = TRAIN, VALIDATION
    keep = np.flatnonzero((y != 3) | (np.arange(160) < 8))
    few = {b: ScGraPhT(**QUICK, balance=b).fit(train.take(keep), y[keep], validation, y_validation) for b in (0.0, 1.0)}
    rare = {b: m.graph_scores(TEST[0])[TEST[1] == 3, 3].mean() for b, m in few.items()}
    assert rare[1.0] > rare[0.0]


def test_experts_are_weighed_by_held_out_labels():
    (train, y), (validation, y_validation) = TRAIN, VALIDATION
    experts = Experts().fit(train, y, validation, y_validation)
    assert experts._weights.sum() == pytest.approx(1)
    assert (experts.scores(TEST[0]).argmax(axis=1) == TEST[1]).mean() > 0.9
    good, bad = np.full((200, 2), np.log([0.9, 0.1])), np.full((200, 2), np.log([0.1, 0.9]))
    labels = np.zeros(200, dtype=int)
    w = mixture_weights([good, bad], labels, np.ones(2))
    assert w[0] > 0.9
    assert mixture_weights([good, bad], labels[:0], np.ones(2)).tolist() == [0.5, 0.5]


def test_nothing_held_out_leaves_lambda_where_it_is_believed_to_be():
    (train, y), none = TRAIN, np.array([], dtype=int)
    method = ScGraPhT(**QUICK).fit(train, y, train.take(none), y[none])
    assert method.lam == 0.1
    assert accuracy(method) > 0.85


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pathway": "CG-GG"}, "does not fit"),
        (
            {"gene_graph": "prior"},
            r"gene_graph='prior' is the graph of the step GG, which the pathway CG lacks.*pathway='P1'",
        ),
        ({"gene_graph": "prior", "pathway": "P2"}, "the pathway GC-CG lacks"),
        ({"scheme": "logits"}, "scheme is 'graph', 'embedding', 'embedding\\+logits'"),
        ({"lam": 1.2}, "lam is a number at least 0 and at most 1"),
        ({"lam": "best"}, "lam is 'validation' or 'learned'"),
        ({"fuse": "sum"}, "fuse is 'prob' or 'log'"),
        ({"protocol": "published"}, "protocol is 'clean', 'paper' or 'code'"),
        ({"sparsify": 0}, "sparsify is a number of neighbours"),
        ({"genes": "all"}, "genes is 'telling' or 'variable'"),
        ({"logits": "scgpt"}, "logits is 'experts', 'vectors' or a function"),
    ],
)
def test_wrong_options(options, says):
    with pytest.raises(InputValueError, match=says):
        ScGraPhT(**options)


def test_more_neighbours_than_cells_and_a_class_of_one():
    (train, y), (validation, y_validation) = TRAIN, VALIDATION
    labels = y.copy()
    labels[0] = 4
    some = np.arange(12)
    with pytest.warns(SgtWarning, match="sparsify=15 neighbours asked of 12 nodes; taking 11"):
        method = ScGraPhT(**QUICK, pathway="P4", sparsify=15).fit(
            train.take(some), labels[:12], validation, y_validation
        )
    with pytest.warns(SgtWarning, match="sparsify=15"):
        assert method.scores(TEST[0]).shape == (80, 5)


def named(cells, model):
    """Cells whose genes have names that a foundation model knows, but for the last."""
    names = model.vocabulary[: cells.expression.shape[1]].astype(object)
    return replace(cells, genes=np.append(names[:-1], "no such gene"))


@pytest.mark.parametrize(("pathway", "goes_in"), [("P1", True), ("CG", True), ("P2", False)])
def test_vectors_of_genes_go_in_where_genes_come_first(pathway, goes_in):
    model = fm.load(fm.best_bundled())
    (train, y), (validation, y_validation) = TRAIN, VALIDATION
    given = {**QUICK, "pathway": pathway, "gene_inputs": "vectors", "n_genes": 120, "max_epochs": 3}
    method = ScGraPhT(**given).fit(named(train, model), y, named(validation, model), y_validation)
    vectors = method.fitted.network.of_genes
    assert (vectors is not None) == goes_in
    if goes_in:
        expected = np.nan_to_num(model.gene_table()[: len(vectors) - 1])
        ratio = expected[expected != 0] / vectors[:-1].numpy()[expected != 0]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)  # all of one scale
        assert not vectors[-1].any()
        assert method.fitted.network.convs[0].weight.shape[0] == model.gene_table().shape[1]
        with pytest.raises(InputValueError, match="do not know the names of their genes"):
            ScGraPhT(**given).fit(train, y, validation, y_validation)
    back = ScGraPhT(**given).restore(*method.state())
    np.testing.assert_allclose(back.scores(named(TEST[0], model)), method.scores(named(TEST[0], model)), atol=1e-6)


@pytest.mark.parametrize(
    ("protocol", "patience", "train_size", "gene_inputs"),
    [("clean", 30, 0.85, "identity"), ("paper", None, 0.9, "vectors"), ("code", None, 0.9, "identity")],
)
def test_what_is_given_beside_a_protocol_holds(protocol, patience, train_size, gene_inputs):
    method = ScGraPhT(protocol=protocol)
    assert (method.options.patience, method.train_size) == (patience, train_size)
    assert method.options.gene_inputs == gene_inputs
    assert ScGraPhT(protocol=protocol, patience=7).options.patience == 7
    assert ScGraPhT(protocol=protocol, patience=None).options.patience is None
    assert method.params["protocol"] == protocol
    assert method.params["pathway"] == "-".join(method.steps)
    assert "lam_taken" not in method.params
