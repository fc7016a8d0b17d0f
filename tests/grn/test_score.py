import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import GraphError
from scgnn_tools.grn.score import Group, _top, everything, networks
from scgnn_tools.links import PREDICTORS, Entry
from scgnn_tools.store.folder import RunFolder

TFS = np.array(["T0", "T1", "T2"])
KNOWN = pd.DataFrame({"tf": ["T0", "T1", "T9"], "target": ["g99", "g98", "g1"], "mode": [1.0, np.nan, -1.0]})


def run(inputs, method="degree", *, groups=None, tfs=TFS, known=KNOWN, n_top=5, n_runs=1, store=None, options=None):
    groups = groups or [everything(inputs)]
    return networks(
        inputs, method, tfs, groups, known=known, n_top=n_top, n_runs=n_runs, rng=0, options=options or {}, store=store
    ).edges


def test_scores_of_all_pairs(inputs):
    edges = run(inputs, n_runs=2)
    assert (edges.groupby("tf").size() >= 5).all()
    assert edges["score"].is_monotonic_decreasing
    assert edges["score"].between(0, 1).all()
    assert (edges["tf"] != edges["target"]).all()
    known = edges[edges["known"]].set_index("tf")
    assert known["target"].to_dict() == {"T0": "g99", "T1": "g98"}
    assert known["mode"]["T0"] == 1
    assert np.isnan(known["mode"]["T1"])
    assert set(edges["stability"]) <= {0.0, 0.5, 1.0}  # every run draws other negative pairs
    assert run(inputs)["stability"].isna().all()


def test_the_score_is_the_mean_and_the_stability_the_share_of_the_runs(inputs, monkeypatch):
    class Noisy:
        def __init__(self, *, rng=0):
            self.rng = rng

        def fit(self, *_, **__):
            return self

        def score(self, pairs):
            return np.random.default_rng(self.rng).normal(size=len(pairs))

    monkeypatch.setitem(sys.modules, "m", SimpleNamespace(Noisy=Noisy))
    monkeypatch.setitem(PREDICTORS, "noisy", Entry("m", "Noisy", "method", "nothing", random=True))
    edges = run(inputs, "noisy", tfs=TFS[:1], n_runs=3, known=KNOWN[:0])
    each = np.stack([np.random.default_rng(r).normal(size=len(inputs.genes)) for r in range(3)])
    each[:, inputs.genes == "T0"] = np.nan
    at = pd.Index(inputs.genes).get_indexer(edges["target"])
    np.testing.assert_allclose(edges["score"], each.mean(axis=0)[at], rtol=1e-5)
    fifth = -np.sort(-each, axis=1)[:, 4:5]  # NaN sorts last
    np.testing.assert_allclose(edges["stability"], (each >= fifth).mean(axis=0)[at], rtol=1e-6)
    assert 0 < edges["stability"].mean() < 1


class Stopping:
    """Draws scores; Ctrl-C in its second training, or in its first one when it has weights already."""

    interrupted = False
    stop_in, trained = 1, 0

    def __init__(self, *, rng=0):
        self.rng = rng

    def fit(self, *_, **__):
        if type(self).trained == self.stop_in and self.stop_in:
            raise KeyboardInterrupt
        self.interrupted = not self.stop_in
        type(self).trained += 1
        return self

    def score(self, pairs):
        return np.random.default_rng(self.rng).normal(size=len(pairs))


@pytest.mark.parametrize(("stop_in", "kept"), [(1, ["run0"]), (0, [])])
def test_ctrl_c_leaves_the_network_of_the_runs_until_then(inputs, monkeypatch, tmp_path, stop_in, kept):
    once = type("Once", (Stopping,), {"stop_in": stop_in})
    monkeypatch.setitem(sys.modules, "m", SimpleNamespace(Once=once))
    monkeypatch.setitem(PREDICTORS, "once", Entry("m", "Once", "method", "nothing", random=True, interruptible=True))
    store = RunFolder(tmp_path / "s", {"a": "1"})
    scored = networks(
        inputs, "once", TFS, [everything(inputs)], known=KNOWN, n_top=5, n_runs=3, rng=0, options={}, store=store
    )
    assert scored.interrupted
    assert len(scored.edges) >= 15
    assert [p.stem for p in sorted((tmp_path / "s").glob("*.safetensors"))] == kept


@pytest.mark.parametrize("stop_in", [1, 2])
def test_ctrl_c_leaves_the_known_edges_and_says_how_many_runs(inputs, monkeypatch, stop_in):
    once = type("Once", (Stopping,), {"stop_in": stop_in})
    monkeypatch.setitem(sys.modules, "m", SimpleNamespace(Once=once))
    entry = Entry("m", "Once", "method", "pairs", random=True, interruptible=True, learns=True)
    monkeypatch.setitem(PREDICTORS, "once", entry)
    few = networks(inputs, "once", TFS, [everything(inputs)], known=KNOWN, n_top=5, n_runs=3, rng=0, options={})
    once.stop_in, once.trained = 9, 0
    asked = networks(inputs, "once", TFS, [everything(inputs)], known=KNOWN, n_top=5, n_runs=stop_in, rng=0, options={})
    assert (few.interrupted, few.n_finished) == (True, stop_in)
    pd.testing.assert_frame_equal(few.edges, asked.edges)  # as if so many had been asked for
    assert few.edges["known"].sum() == KNOWN["tf"].isin(TFS).sum()
    assert few.edges["stability"].isna().all() == (stop_in == 1)


def test_ctrl_c_keeps_the_groups_before(inputs, monkeypatch):
    once = type("Once", (Stopping,), {"stop_in": 2})
    monkeypatch.setitem(sys.modules, "m", SimpleNamespace(Once=once))
    entry = Entry("m", "Once", "method", "expression", needs=frozenset({"expression"}), random=True, interruptible=True)
    monkeypatch.setitem(PREDICTORS, "once", entry)
    every = np.ones(len(inputs.genes), dtype=bool)
    groups = [Group("a", np.arange(30), every), Group("b", np.arange(30, 60), every)]
    scored = networks(inputs, "once", TFS, groups, known=KNOWN, n_top=5, n_runs=2, rng=0, options={})
    assert (scored.interrupted, scored.n_finished) == (True, 2)
    assert set(scored.edges["group"]) == {"a"}


def test_ctrl_c_before_there_is_a_score_is_raised(inputs, monkeypatch):
    def cancel(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scgnn_tools.grn.runs.fit", cancel)
    with pytest.raises(KeyboardInterrupt):
        run(inputs)


def test_blocks_do_not_show(inputs, monkeypatch):
    whole = run(inputs, "cosine", tfs=np.array([f"T{i}" for i in range(6)]))
    monkeypatch.setattr("scgnn_tools.grn.runs.BLOCK", 250)
    pd.testing.assert_frame_equal(run(inputs, "cosine", tfs=np.array([f"T{i}" for i in range(6)])), whole)


def test_a_group_holds_only_what_its_cells_express(inputs):
    some = np.array([g in {"T0", "T1", "g1", "g2", "g98"} for g in inputs.genes])
    groups = [Group("few", np.arange(30), some), Group("all", np.arange(30, 60), np.ones(len(some), dtype=bool))]
    edges = run(inputs, groups=groups)
    few = edges[edges["group"] == "few"]
    assert set(few["tf"]) == {"T0", "T1"}
    assert set(few["target"]) <= {"T0", "T1", "g1", "g2", "g98"}
    rest = edges[edges["group"] == "all"].drop(columns="group").reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, run(inputs).drop(columns="group"))


def test_a_method_that_reads_expression_is_fitted_in_each_group(inputs):
    every = np.ones(len(inputs.genes), dtype=bool)
    groups = [Group("a", np.arange(30), every), Group("b", np.arange(30, 60), every)]
    edges = run(inputs, "pcc", groups=groups, n_top=200, known=KNOWN[:0])
    x = pd.DataFrame(inputs.expression.X, columns=inputs.expression.var_names)
    for name, cells in (("a", slice(0, 30)), ("b", slice(30, 60))):
        got = edges[(edges["group"] == name) & (edges["tf"] == "T0")].set_index("target")["score"]
        wanted = x[cells].corrwith(x[cells]["T0"]).abs().reindex(got.index)
        np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_what_a_method_says_of_its_edges_is_kept(inputs, monkeypatch, tmp_path):
    from scgnn_tools.links.degree import Degree

    def evidence(self, pairs):
        return pd.DataFrame({"letters": pairs["target"].str.len().to_numpy(), "who": pairs["tf"].to_numpy()})

    monkeypatch.setattr(Degree, "evidence", evidence, raising=False)
    monkeypatch.setitem(PREDICTORS, "degree", replace(PREDICTORS["degree"], evidence=True))
    edges = run(inputs, store=RunFolder(tmp_path / "s", {}))
    assert (edges["letters"] == edges["target"].str.len()).all()
    assert (edges["who"] == edges["tf"]).all()
    monkeypatch.setattr(Degree, "evidence", None)
    pd.testing.assert_frame_equal(run(inputs, store=RunFolder(tmp_path / "s", {})), edges)  # read, not asked again


def test_no_score_at_all_is_an_error(inputs):
    flat = inputs.expression.copy()
    flat.X = np.ones_like(flat.X)
    with pytest.raises(GraphError, match="pcc gives no pair of a factor and a gene a score"):
        run(type(inputs)(inputs.pairs, inputs.embedding, inputs.genes, flat), "pcc")


def test_top_leaves_out_what_has_no_score_and_takes_the_first_of_equals():
    keep = _top(np.array([[1.0, np.nan, 3.0, 2.0], [np.nan, np.nan, np.nan, 0.0], [5.0, 5.0, 5.0, 7.0]]), 2)
    assert keep.tolist() == [[False, False, True, True], [False, False, False, True], [True, False, False, True]]
    assert _top(np.array([[1.0, np.nan]]), 9).tolist() == [[True, False]]
