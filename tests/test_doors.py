"""What a wrong argument of any public function says: one table of sound calls, into each parameter of which wrong values are put."""

import importlib
import inspect
from contextlib import suppress

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from matplotlib import pyplot as plt

import scgnn_tools as sgt
from scgnn_tools._doors import arguments_of_calls, door, door_of_arrays
from scgnn_tools._errors import InputTypeError, InputValueError, SgtError
from scgnn_tools.labels import label_method

DRAWS = np.random.default_rng(0)
PAIRS = pd.DataFrame(
    {
        "tf": np.repeat([f"T{i}" for i in range(6)], 10),
        "target": [f"G{i % 20}" for i in range(60)],
        "label": np.arange(60) % 2,
    }
)
CELLS = ad.AnnData(
    sp.csr_matrix(DRAWS.poisson(2, (30, 12)).astype(np.float32)),
    obs=pd.DataFrame({"a": list("xyz") * 10}, index=[f"c{i}" for i in range(30)]),
    var=pd.DataFrame(index=[f"G{i}" for i in range(12)]),
)
HIT, SCORE, VECTORS, LABELS = (
    np.arange(40) % 2,
    DRAWS.random(40),
    DRAWS.normal(size=(40, 5)),
    np.array(list("abcd") * 10),
)
ROWS = sp.csr_array(DRAWS.random((20, 8)).astype(np.float32))
TRUTH, CONTROL = DRAWS.normal(size=(3, 8)), DRAWS.normal(size=8)
NAMES = np.array(["CD3E", "MS4A1"])
EDGES = pd.DataFrame({"source": ["G1", "G2"], "target": ["G3", "G4"]})
OF_CHANGES = {
    "conditions": ["A", "B", "C"],
    "genes": np.array([f"g{i}" for i in range(8)]),
    "t": TRUTH,
    "error": abs(TRUTH),
    "significant": TRUTH > 0,
    "others": CONTROL,
    "reference": CONTROL,
    "top": (2,),
}
SOUND = {
    "metrics.annotation": {"y_true": LABELS, "y_pred": LABELS, "proba": SCORE},
    "metrics.auprc_difference": {"y_true": HIT, "a": SCORE, "b": SCORE[::-1], "tf": LABELS, "bootstrap": 5},
    "metrics.confusion_scores": {"confusion": np.array([[3, 1], [1, 3]])},
    "metrics.curves": {"y_true": HIT, "score": SCORE},
    "metrics.energy_distance": {"x": VECTORS, "y": VECTORS + 1, "n_permutations": 3},
    "metrics.eta2": {"values": VECTORS, "codes": HIT},
    "metrics.expected_calibration_error": {"hit": HIT == 1, "proba": SCORE},
    "metrics.grn": {"y_true": HIT, "score": SCORE, "tf": LABELS, "bootstrap": 5},
    "metrics.integration": {"vectors": VECTORS, "batch": LABELS, "labels": np.repeat(["p", "q"], 20), "which": ["pcr"]},
    "metrics.integration_controls": {"batch": LABELS, "labels": LABELS},
    "metrics.knockout": {"labels": np.ones((5, 3), int), "probabilities": np.full((5, 3, 3), 1 / 3)},
    "metrics.per_tf": {"y_true": HIT, "score": SCORE, "code": np.arange(40) % 4, "n": 4},
    "metrics.perturbation": {"truth": TRUTH, "predicted": TRUTH + 1, "control": CONTROL, **OF_CHANGES},
    "metrics.reliability": {"hit": HIT == 1, "proba": SCORE},
    "splits.audit_pairs": {"train": PAIRS.iloc[:30], "test": PAIRS.iloc[30:]},
    "splits.audit_perturbations": {"split": sgt.splits.split_perturbations(["A", "B", "C", "D"])},
    "splits.audit_scaling": {"mean": VECTORS[:20].mean(0), "scale": VECTORS[:20].std(0), "train": VECTORS[:20]},
    "splits.degree_matched": {"pairs": PAIRS},
    "splits.degree_matched_unseen_tf": {"pairs": PAIRS},
    "splits.hard_balanced": {"pairs": PAIRS},
    "splits.random_pair": {"pairs": PAIRS},
    "splits.split_batches": {"batch": HIT, "labels": np.arange(40) % 4, "kind": "unseen_cells"},
    "splits.split_cells": {"labels": LABELS},
    "splits.split_experiments": {"target": LABELS, "study": LABELS},
    "splits.split_pairs": {"name": "random_pair", "pairs": PAIRS},
    "splits.split_perturbations": {"conditions": ["A", "B", "A+B", "C", "control"]},
    "splits.target_rate": {"train": PAIRS},
    "splits.unseen_target": {"pairs": PAIRS},
    "splits.unseen_tf": {"pairs": PAIRS},
    "genes.canonical_symbols": {"names": NAMES},
    "genes.detect_organism": {"names": NAMES},
    "genes.gene_names": {"var": CELLS.var},
    "genes.gene_ontology": {},
    "genes.human_symbols": {"names": NAMES},
    "genes.is_gene": {"var": CELLS.var},
    "genes.match": {"names": NAMES, "vocabulary": NAMES},
    "genes.positions": {},
    "genes.prior": {},
    "genes.transcription_factors": {},
    "graph.canonical": {"rows": np.array([0, 1]), "columns": np.array([1, 2]), "weights": None, "shape": (3, 3)},
    "graph.coexpression": {"x": ROWS},
    "graph.cosine_topk": {"vectors": VECTORS, "k": 3},
    "graph.from_pyg": {"data": "graph"},
    "graph.knn": {"vectors": VECTORS, "k": 3},
    "graph.neighbor_batches": {"data": "graph", "batch_size": 2},
    "graph.open_graph": {"folder": "none"},
    "graph.position": {"chromosome": np.array(["1", "1", "2"]), "rank": np.array([0, 1, 0])},
    "graph.prior": {"edges": EDGES, "genes": np.array(["G1", "G2", "G3", "G4"])},
    "graph.to_pyg": {"adata": CELLS, "expression": True},
    "graph.write_graph": {"folder": "new", "graph": sp.eye_array(4, format="csr")},
    "data.describe_matrix": {"rows": ROWS},
    "data.length_batches": {"lengths": np.array([3, 4, 5]), "max_tokens": 10},
    "data.noted": {"adata": CELLS, "kind": "counts"},
    "data.open_expression": {"adata": CELLS},
    "data.open_file": {"path": "none.h5ad"},
    "data.read_cells": {"path": "none.h5ad"},
    "fm.best_bundled": {},
    "fm.card": {"name": "cgc-mini"},
    "fm.convert": {"source": "none", "target": "none either"},
    "fm.download": {"name": "cgc-mini"},
    "fm.download_size": {"name": "scgpt"},
    "fm.downloaded": {},
    "fm.list": {},
    "fm.load": {"name": "corpus-svd"},
    "fm.recognise": {"path": "none"},
    "labels.label_method": {"name": "centroid"},
    "labels.resolved": {"name": "centroid", "method": sgt.labels.label_method("centroid"), "options": {}},
    "labels.train_size": {"name": "centroid", "options": {}},
    "links.check_pairs": {"pairs": PAIRS},
    "links.link_predictor": {"name": "degree"},
    "links.predictor_name": {"name": "degree"},
    "integration.integration_method": {"name": "center"},
    "perturbation.perturbation_method": {"name": "mean"},
    "perturbation.relations": {"conditions": [("A",), ("B",)], "sources": ["same"]},
    "report.report": {"adata": CELLS, "path": "none.html"},
}
WRONG = {
    "None": None,
    "3": 3,
    "text": "x",
    "empty": [],
    "nan": float("nan"),
    "array": np.array([1, 2]),
    "cells": ad.AnnData(np.zeros((0, 0), np.float32)),
    "odd": object(),
}


@pytest.fixture(scope="module")
def graph():
    import torch
    from torch_geometric.data import Data

    return Data(x=torch.ones(6, 3), edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]]))


def public(name):
    room, function = name.split(".")
    return getattr(importlib.import_module(f"scgnn_tools.{room}"), function)


def test_every_public_function_of_the_rooms_is_in_the_table():
    rooms = {name.split(".")[0] for name in SOUND}
    there = {
        f"{room}.{name}"
        for room in rooms
        for name in importlib.import_module(f"scgnn_tools.{room}").__all__
        if callable(public(f"{room}.{name}")) and not inspect.isclass(public(f"{room}.{name}"))
    }
    assert there == set(SOUND)


@pytest.mark.filterwarnings("ignore")  # of numpy, for the mean of nothing and the like
@pytest.mark.parametrize("name", SOUND)
def test_a_wrong_argument_is_an_error_of_ours(name, graph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, sound = public(name), {k: graph if isinstance(v, str) and v == "graph" else v for k, v in SOUND[name].items()}
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD or (name == "fm.download" and parameter.name != "name"):
            continue
        for word, value in WRONG.items():
            try:
                with suppress(SgtError):
                    call(**{**sound, parameter.name: value})
            except Exception as error:  # noqa: BLE001 (any other is the fault that is looked for)
                pytest.fail(f"{name}({parameter.name}={word}): {type(error).__name__}: {error}")
    assert [p for p in tmp_path.iterdir() if p.is_file()] == []


def sample(
    a: np.ndarray, b: "int | None" = None, *, each: list[int] = (), flag: bool = False, kind: "pd.DataFrame | str" = "x"
):
    return len(a) + (b or 0) + sum(each) + kind.count("x") + (1 if flag else 0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"a": 3}, "a is an array; got 3."),
        ({"a": [1], "b": "x"}, "b is a whole number or None; got 'x'."),
        ({"a": [1], "each": 3}, "each is a list of whole numbers; got 3."),
        ({"a": [1], "each": ["x"]}, "each is a list of whole numbers; got ['x']."),
        ({"a": [1], "flag": np.array([1, 2])}, "flag is True or False; got ndarray int64 (2,)."),
        ({"a": [1], "flag": "no"}, "flag is True or False; got 'no'."),
        ({"a": [1], "kind": None}, "kind is a table (pandas.DataFrame) or a text; got None."),
    ],
)
def test_a_door_names_the_argument_and_what_was_wanted(given, says):
    with pytest.raises(InputTypeError) as caught:
        door(sample)(**given)
    assert str(caught.value) == says


def test_a_door_refuses_no_sound_call_and_hides_no_other_error():
    assert door(sample)([1, 2], 3, each=(4,), flag=np.True_) == 11
    assert door(sample)({1: 2}, kind="yy") == 1  # not what the annotation says, and it works
    with pytest.raises(
        InputTypeError, match=r"sample\(\) got an unexpected keyword argument 'kin'; .*Did you mean 'kind'"
    ):
        door(sample)([1], kin="yy")
    with pytest.raises(TypeError, match="missing 1 required"):
        door(sample)()

    def fails(a: int) -> None:
        raise ValueError("of another kind")

    with pytest.raises(ValueError, match="of another kind"):
        door(fails)(1)
    with pytest.raises(
        InputValueError, match=r"fails cannot use these arguments .*a: 1.* ValueError: of another kind"
    ) as caught:
        door_of_arrays(fails)(1)
    assert isinstance(caught.value.__cause__, ValueError)


def test_whole_numbers_are_counts_whatever_they_are_written_as():
    @door
    def call(x: int, *, k: "int | None" = None, share: float = 0.5, either: "int | float" = 1) -> list[object]:
        return [x, k, share, either]

    got = call(3.0, k=np.float32(4), share=2.0, either=3.0)
    assert list(map(type, got)) == [int, int, float, float]
    assert call(True, k=2.5)[:2] == [True, 2.5]  # what is none of them is for the function to refuse
    method = label_method("scgrapht", n_genes=1e2, max_epochs=np.float64(3), width=64.0, patience=None, sparsify=0.5)
    o = method.options
    assert list(map(type, (o.n_genes, o.max_epochs, o.width, o.patience, o.sparsify))) == [
        int,
        int,
        int,
        type(None),
        float,
    ]


def test_axes_that_are_not_flat_and_what_is_no_history_are_refused():
    history = pd.DataFrame({"loss": [1.0, 0.5], "validation": [1.0, 0.6]})
    for projection in ("3d", "polar"):
        with pytest.raises(InputTypeError, match=f"ax is flat.*projection='{projection}'"):
            sgt.pl.training(history, ax=plt.figure().add_subplot(projection=projection))
    plt.close("all")
    for wrong in (None, 3, [1], {"loss": [1]}, np.ones((2, 2)), history.astype(str)):
        with pytest.raises(InputTypeError, match="history"):
            sgt.pl.training(wrong)
    plt.close("all")


@pytest.mark.parametrize("value", [np.array([1, 2]), "no", None, 2])
@pytest.mark.parametrize("room", ["tl", "pp"])
def test_a_flag_that_is_none_is_refused_before_any_work(room, value):
    rooms = getattr(sgt, room)
    for name in rooms.__all__:
        call = getattr(rooms, name)
        parameters = inspect.signature(call).parameters
        if "copy" in parameters:
            needed = [n for n, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
            with pytest.raises(InputTypeError, match="copy is True or False"):
                call(**dict.fromkeys(needed, CELLS), copy=value)


@pytest.mark.parametrize(
    ("call", "option", "meant"),
    [
        (lambda a, **o: sgt.tl.annotate(a, **o), "reference_", "reference"),
        (lambda a, **o: sgt.tl.annotate(a, method="knn_pca", **o), "n_neighbrs", "n_neighbors"),
        (lambda a, **o: sgt.tl.annotate(a, method="scbignn", **o), "lables_key", "labels_key"),
        (lambda a, **o: sgt.tl.integrate(a, "batch", method="center", **o), "use_repp", "use_rep"),
        (lambda a, **o: sgt.tl.perturb(a, "guide", **o), "batchkey", "batch_key"),
    ],
)
def test_a_misspelt_argument_of_a_call_that_takes_options_is_recognised(call, option, meant):
    adata = ad.AnnData(np.ones((4, 3), dtype=np.float32))
    with pytest.raises(InputValueError, match=f"has no option '{option}'.*Did you mean '{meant}'"):
        call(adata, **{option: 1})
    assert arguments_of_calls() == ()
