"""What every link predictor has to do."""

import inspect
import json
from itertools import product
from typing import get_args, get_type_hints

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError, InputValueError
from scgnn_tools.links import PREDICTORS, link_predictor
from scgnn_tools.metrics import grn

QUICK = {
    "genie3": {"n_estimators": 8},
    "grnboost2": {"max_trees": 60},
    "genelink": {
        "protocol": "paper",
        "max_epochs": 60,
    },  # a small dense graph smooths: it takes long to leave the plateau
    "cnnc": {"max_epochs": 1},
    "deepdrim": {"max_epochs": 1},
}
"""What makes them quick; test_images.py trains those of one epoch where there is more to see, test_scode.py has cells with a time."""


def fit(name, network, rng=0, **more):
    train, _, vectors, expression = network
    options = QUICK.get(name, {}) | more
    return link_predictor(name, rng=rng, **options).fit(train, embedding=vectors, expression=expression)


def briefly(name, network, rng=0):
    """Train for three epochs: what holds of weights, however good they are."""
    return fit(name, network, rng, **({"max_epochs": 3} if PREDICTORS[name].interruptible else {}))


def few(network):
    """Some pairs to train on, and pairs of few targets: a regression on trees is made for each."""
    train, test = network[:2]
    return train.iloc[::5], test[test["target"].isin([f"g{i}" for i in range(6)])], *network[2:]


def choices(name):
    """The options of a method that are one of a few words, with these words."""
    cls = PREDICTORS[name].load()
    hints = {o: h for o, h in get_type_hints(cls.__init__).items() if o in inspect.signature(cls).parameters}
    words = {o: [w for part in (h, *get_args(h)) for w in get_args(part)] for o, h in hints.items()}
    return {
        o: [w for w in some if isinstance(w, str)] for o, some in words.items() if any(isinstance(w, str) for w in some)
    }


@pytest.mark.parametrize("name", list(PREDICTORS))
def test_one_that_is_not_fitted_says_so(name, network):
    with pytest.raises(InputValueError, match=r"knows no genes yet\. Call fit\(\) first"):
        link_predictor(name).score(network[1])


@pytest.mark.parametrize("name", ["cosine", "sgt", "scregnet"])
def test_vectors_are_a_table_with_the_genes(name, network):
    train, _, vectors, expression = network
    with pytest.raises(
        InputTypeError, match=r"embedding= is a DataFrame with a gene in each row; got ndarray \(.*index=genes"
    ):
        link_predictor(name).fit(train, embedding=vectors.to_numpy(), expression=expression)


def test_a_pair_without_a_name_is_refused(network):
    train = network[0].copy()
    train.loc[train.index[:2], "tf"] = np.nan
    with pytest.raises(InputValueError, match=r"pairs\['tf'\] has no name in 2 rows\. Pass pairs\.dropna"):
        link_predictor("degree").fit(train)


@pytest.fixture(scope="module", params=list(PREDICTORS))
def fitted(request, network):
    return fit(request.param, network)


def test_it_beats_chance_where_there_is_something_to_find(fitted, network, request):
    test = network[1]
    score = fitted.score(test)
    assert score.shape == (len(test),)
    name = request.node.callspec.params["fitted"]
    untrained = PREDICTORS[name].timed or QUICK.get(name, {}).get("max_epochs") == 1
    assert grn(test["label"], score)["auroc"] > (0.45 if untrained else 0.55)


def test_a_pair_s_score_does_not_depend_on_the_others(fitted, network):
    test = network[1].head(50)
    np.testing.assert_allclose(fitted.score(test.iloc[::-1])[::-1], fitted.score(test), atol=1e-6)
    np.testing.assert_allclose(fitted.score(test.head(1)), fitted.score(test)[:1], atol=1e-6)


def test_categories_and_extra_columns_do_no_harm(fitted, network):
    test = network[1].head(20)
    as_category = test.astype({"tf": "category", "target": "category"}).assign(more=1)
    np.testing.assert_array_equal(fitted.score(as_category), fitted.score(test))


def test_genes_never_seen_get_a_number_or_nan(fitted):
    score = fitted.score(pd.DataFrame({"tf": ["T0", "new"], "target": ["new", "g0"]}))
    assert score.shape == (2,)


DATA = {"tfs", "pseudotime"}
"""Options that hold names or numbers of the data, which ``fit`` compares with it."""


@pytest.mark.parametrize(
    "value", [float("nan"), -3, "3?", [[1]], object()], ids=["nan", "negative", "text", "list", "object"]
)
@pytest.mark.parametrize("name", PREDICTORS)
def test_no_option_takes_what_makes_no_sense(name, value):
    for option in set(inspect.signature(PREDICTORS[name].load()).parameters) - DATA:
        if option == "checkpoint" and isinstance(value, str):
            continue  # a path that fit finds missing
        with pytest.raises((InputValueError, InputTypeError)):
            link_predictor(name, **{option: value})


def test_missing_columns(fitted):
    with pytest.raises(InputValueError, match="has the columns tf, target; missing: target"):
        fitted.score(pd.DataFrame({"tf": ["T0"]}))


@pytest.mark.parametrize(
    ("name", "without"), [(n, w) for n, e in PREDICTORS.items() for w in sorted(e.needs | e.takes)]
)
def test_what_is_needed_is_asked_for_and_what_is_taken_is_not(name, without, network):
    train, some, vectors, expression = few(network)
    given = {"embedding": vectors, "expression": expression}
    given.pop(without)
    if without in PREDICTORS[name].needs:
        with pytest.raises(InputValueError, match=f"{name} needs {without}="):
            link_predictor(name).fit(train, **given)
        return
    assert link_predictor(name).fit(train, **given).score(some).shape == (len(some),)


@pytest.mark.parametrize("name", [n for n, e in PREDICTORS.items() if "expression" not in e.needs])
def test_the_registry_says_which_options_need_expression(name, network):
    entry, words = PREDICTORS[name], choices(name)
    assert all(values <= set(words[option]) for option, values in entry.needs_by.items())
    each = [{option: word} for option, some in words.items() for word in some]
    together = [dict(zip(entry.needs_by, w, strict=True)) for w in product(*(words[o] for o in entry.needs_by))]
    train, _, vectors, _ = few(network)
    brief = {"max_epochs": 1} if entry.interruptible else {}
    for options in [*each, *together]:
        said = ""
        try:
            link_predictor(name, **options, **brief).fit(train, train.tail(100), embedding=vectors)
        except InputValueError as error:
            said = str(error)
        needed = "expression" in entry.needed(options)
        assert needed == bool(said) == ("needs expression=" in said), (options, said)


@pytest.mark.parametrize("name", [n for n, e in PREDICTORS.items() if e.learns])
def test_one_kind_of_label_is_refused(name, network):
    train, _, vectors, expression = network
    with pytest.raises(
        InputValueError,
        match=r"labels 0 and 1, both; got 1 in .* too few to learn from: pass a prior of more factors and edges",
    ):
        link_predictor(name).fit(train[train["label"] == 1], embedding=vectors, expression=expression)


def test_a_typo_names_the_predictors():
    with pytest.raises(
        InputValueError, match="no link predictor 'genie4'; the predictors are scregnet, sctransnet, degree"
    ):
        sgt.models.link_predictor("genie4")


@pytest.mark.parametrize("name", PREDICTORS)
def test_the_same_seed_the_same_scores_in_whatever_order_genes_lie(name, network):
    train, some, vectors, expression = few(network)
    other = expression[:, np.random.default_rng(1).permutation(expression.n_vars)].copy()
    one, two = (train, some, vectors, expression), (train, some, vectors.loc[other.var_names], other)
    np.testing.assert_array_equal(*(briefly(name, given, rng=3).score(some) for given in (one, two)))


@pytest.mark.parametrize("name", [n for n, e in PREDICTORS.items() if e.saved])
def test_who_is_restored_scores_the_same(name, network):
    fitted = briefly(name, (network[0].head(500), *network[1:]))
    arrays, config = fitted.state()
    assert all(isinstance(a, np.ndarray) and a.dtype != object for a in arrays.values())
    again = link_predictor(name, rng=0).restore(
        {k: v.copy() for k, v in arrays.items()}, json.loads(json.dumps(config))
    )
    np.testing.assert_allclose(again.score(network[1]), fitted.score(network[1]), atol=1e-5)


def test_an_option_that_is_none_names_those_that_are():
    with pytest.raises(InputValueError, match="scregnet has no option 'hiden'; its options are: backbone, batch_size"):
        link_predictor("scregnet", hiden=3)
    link_predictor("degree", rng=0, device="cpu")  # nothing is drawn, nothing computed with PyTorch


@pytest.mark.parametrize("name", PREDICTORS)
def test_the_registry_says_what_it_is(name, network):
    entry, cls = PREDICTORS[name], PREDICTORS[name].load()
    options = inspect.signature(cls).parameters
    assert entry.random == ("rng" in options)
    assert entry.evidence == hasattr(cls, "evidence")
    assert entry.saved == hasattr(cls, "state") == hasattr(cls, "restore")
    assert entry.interruptible == hasattr(link_predictor(name), "interrupted")
    assert entry.modelled == hasattr(cls, "score_grid") == hasattr(cls, "train_all_epochs") == hasattr(cls, "represent")
    assert entry.modelled <= (entry.saved and entry.interruptible and entry.messages)
    assert entry.timed == ("pseudotime" in options)
    assert entry.log_odds <= entry.learns
    assert entry.validates <= set(choices(name).get("protocol", ()))
    assert entry.always <= (entry.kind == "baseline")
    assert ("expression" in entry.uses) == ("expression" in entry.needs | entry.takes)
    assert ("vectors" in entry.uses) == ("embedding" in entry.needs | entry.takes)


@pytest.mark.parametrize("name", PREDICTORS)
def test_the_registry_says_what_it_learns_from(name, network):
    train, some, vectors, expression = few(network)
    rng, entry = np.random.default_rng(1), PREDICTORS[name]
    changed = {
        "label": (train.assign(label=rng.permutation(train["label"])), some, vectors, expression),
        "embedding": (train, some, vectors.set_axis(rng.permutation(vectors.index)), expression),
        "expression": (train, some, vectors, ad.AnnData(expression.X[:, rng.permutation(120)], var=expression.var)),
    }

    def scores(given):
        return fit(name, given, **({"max_epochs": 1} if entry.interruptible else {})).score(some)

    usual = scores((train, some, vectors, expression))
    told = {what for what, given in changed.items() if not np.array_equal(scores(given), usual)}
    assert told == entry.needs | entry.takes | ({"label"} if entry.learns else set())


def test_the_logistic_of_log_odds_is_a_probability(fitted, network, request):
    """And that of another score, which has 0 for what is no edge, is none: one that learns says which of the two it gives."""
    entry, test = PREDICTORS[request.node.callspec.params["fitted"]], network[1]
    if entry.learns:
        chance = 1 / (1 + np.exp(-fitted.score(test)))
        off = abs(chance.mean() - test["label"].mean())  # who adds up log-odds that hang together is too sure
        assert entry.log_odds == (off < 0.2), off


def test_the_registry_says_who_passes_messages(fitted, request):
    """An evaluation looks for test edges in the graph of those that do, and of no other."""
    assert PREDICTORS[request.node.callspec.params["fitted"]].messages == hasattr(fitted, "message_graph")


PROTOCOLS = [
    (name, protocol)
    for name, e in PREDICTORS.items()
    if "protocol" in (options := get_type_hints(e.load().__init__))
    for protocol in get_args(options["protocol"])
]


@pytest.mark.parametrize(("name", "protocol"), PROTOCOLS)
def test_the_registry_says_which_protocols_want_pairs_to_validate_on(name, protocol, network):
    train, _, vectors, expression = network
    predictor = link_predictor(name, protocol=protocol, max_epochs=1)
    if protocol in PREDICTORS[name].validates:
        with pytest.raises(InputValueError, match="pass validation="):
            predictor.fit(train, embedding=vectors, expression=expression)
        return
    predictor.fit(train.head(300), embedding=vectors, expression=expression)


@pytest.mark.parametrize("name", [n for n, e in PREDICTORS.items() if e.messages])
def test_messages_pass_over_training_edges_between_named_nodes(name, network):
    train = network[0]
    predictor = briefly(name, (train.head(500), *network[1:]))
    graph = predictor.message_graph.tocoo()
    edges = train.head(500)[train.head(500)["label"] == 1]
    known = {frozenset(e) for e in zip(edges["tf"], edges["target"], strict=True)}
    assert len(graph.row)
    assert {frozenset(e) for e in zip(predictor.nodes[graph.row], predictor.nodes[graph.col], strict=True)} <= known


@pytest.mark.parametrize("name", [n for n, e in PREDICTORS.items() if e.evidence])
def test_evidence_has_a_row_a_pair(name, network):
    told = fit(name, network).evidence(network[1].head(7))
    assert len(told) == 7
    assert told.shape[1]


@pytest.mark.parametrize("name", [n for n, e in PREDICTORS.items() if e.interruptible])
def test_ctrl_c_keeps_the_best_weights_so_far(name, network, ctrl_c):
    train, test, vectors, expression = network
    options = {k: v for k, v in QUICK.get(name, {}).items() if k != "max_epochs"}
    predictor = link_predictor(name, **options, max_epochs=4)
    ctrl_c(after=1)
    predictor.fit(train.head(500), embedding=vectors, expression=expression)
    assert predictor.interrupted
    assert np.isfinite(predictor.score(test.head(20))).all()


def test_whatever_can_be_learnt_from_has_a_baseline_that_always_stands_beside():
    always = [e for e in PREDICTORS.values() if e.always]
    assert {e.needs for e in always} == {frozenset(), frozenset({"expression"}), frozenset({"embedding"})}
    assert all(e.learns for e in always if not e.needs)
