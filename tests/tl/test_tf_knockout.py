import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools.grn.signal import Regressions, change, reached

GENES = ["F1", "F2", "F3", "DEAD", *(f"T{i}" for i in range(30)), *(f"O{i}" for i in range(30))]


@pytest.fixture(scope="module")
def cells():
    """Type A has F1 and its ten targets, type B does not; F2 and F3 go with other genes in both."""
    rng = np.random.default_rng(0)
    n = 240
    kind = np.repeat(["A", "B"], n // 2)
    f = rng.gamma(4, 2, size=(n, 3))
    f[kind == "B", 0] = 0
    rate = np.full((n, len(GENES)), 5.0)
    rate[:, :3], rate[:, 3] = f, 0
    for k in range(3):
        rate[:, 4 + 10 * k : 14 + 10 * k] += 2 * f[:, [k]]
    a = ad.AnnData(
        sp.csr_matrix(rng.poisson(rate).astype(np.float32)), obs=pd.DataFrame({"kind": kind}, index=map(str, range(n)))
    )
    a.var_names = GENES
    pairs = [(f"F{k + 1}", f"T{10 * k + i}") for k in range(3) for i in range(10)] + [("DEAD", "T0")]
    edges = pd.DataFrame(pairs, columns=["source", "target"])
    sgt.tl.grn_from_edges(a, dict.fromkeys("AB", edges), groupby="kind", organism="human")
    sgt.tl.grn_from_edges(a, edges, key_added="whole", organism="human")
    return a


def test_cells_that_lose_their_factor_go_to_those_without_it(cells, tmp_path):
    a = cells.copy()
    sgt.tl.tf_knockout(a, "F1", n_shuffles=20)
    assert changed(cells, a) == {
        "obsm['X_sgt_tf_knockout']", "obsm['sgt_tf_knockout']", "obsm['sgt_tf_knockout_towards']", "uns['sgt_tf_knockout']",
    }  # fmt: skip
    k = a.uns["sgt_tf_knockout"]
    ways = k["towards"].set_index(["from", "to"])
    assert ways.loc[("A", "B"), "share"] > 0.3
    assert ways.loc[("A", "B"), "share"] > ways.loc[("A", "B"), "high"]
    assert ways.loc[("A", "B"), "p"] < 0.06
    assert abs(ways.loc[("B", "A"), "share"]) < 0.1
    table = k["shift"].set_index("group")
    assert table.loc["A", "length"] > 3 * table.loc["B", "length"]
    assert (k["genes"].query("group == 'A' and direct")["change"] < 0).all()
    assert "A towards B" in k["verdict"]
    assert k["verdict"].startswith("without F1 the cells of A go furthest")
    more = sgt.tl.tf_knockout(a, "F1", level=2.5, n_shuffles=2, copy=True).uns["sgt_tf_knockout"]["verdict"]
    assert more.startswith("with F1 set to 2.5 the cells of")
    assert more.endswith("the rewired networks (n_shuffles=2) are too few to tell it from chance, pass 20 or more")
    assert a.obsm["sgt_tf_knockout_towards"].loc[a.obs["kind"] == "A", "B"].mean() == pytest.approx(
        ways.loc[("A", "B"), "share"], abs=1e-4
    )
    a.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad")
    again.sgt.tf_knockout("F1", n_shuffles=20)
    np.testing.assert_array_equal(again.obsm["sgt_tf_knockout"], a.obsm["sgt_tf_knockout"])
    pd.testing.assert_frame_equal(again.uns["sgt_tf_knockout"]["towards"], k["towards"])


def test_a_network_without_groups_and_without_rewired_ones(cells):
    a = cells.copy()
    sgt.tl.tf_knockout(a, "F1", key="whole", labels_key="kind", n_shuffles=0)
    k = a.uns["sgt_tf_knockout"]
    assert k["towards"].set_index(["from", "to"]).loc[("A", "B"), "share"] > 0.3
    assert k["towards"]["p"].isna().all()
    assert "rewired networks were left out" in k["verdict"]
    a.obs["some"] = np.where(np.arange(a.n_obs) % 5, a.obs["kind"], " ")
    sgt.tl.tf_knockout(a, "F1", key="whole", labels_key="some", n_shuffles=20, key_added="some")
    assert set(a.uns["some"]["towards"]["from"]) == {"A", "B"}  # a blank is no type
    sgt.tl.tf_knockout(a, "F1", key="whole", n_shuffles=20, key_added="one")
    assert a.uns["one"]["verdict"].startswith("without F1 all cells move, ")
    sgt.tl.tf_knockout(a, "F1", key="sgt_grn", group="B", n_shuffles=0, key_added="b")
    assert np.isfinite(a.obsm["b"]).all(axis=1).tolist() == (a.obs["kind"] == "B").tolist()


@pytest.mark.parametrize(
    ("tf", "more", "error", "says"),
    [
        ("F9", {}, InputValueError, "F9 is no factor of the network; factors are F1, F2"),
        ("", {}, InputValueError, "'' is no factor of the network"),
        ("DEAD", {}, InputValueError, "DEAD is expressed in no cell"),
        ("F1", {"key": "nosuch"}, MissingKeyError, "holds no network"),
        ("F1", {"group": "C"}, InputValueError, "no group 'C'"),
        ("F1", {"key": "whole", "group": "C"}, InputValueError, "none: the network was made without groupby="),
        ("F1", {"labels_key": "nothing"}, InputValueError, r"obs\['nothing'\] names no group"),
        ("F1", {"labels_key": "nosuch"}, MissingKeyError, "labels_key='nosuch'"),
        ("F1", {"n_steps": 0}, InputValueError, "n_steps is a positive integer"),
        ("F1", {"level": -1}, InputValueError, "level is a number"),
        ("F1", {"key_added": "sgt_grn"}, InputValueError, "take the place of what it is made from"),
    ],
)
def test_what_cannot_be_knocked_out(cells, tf, more, error, says):
    cells.obs["nothing"] = np.nan
    before = cells.copy()
    with pytest.raises(error, match=says):
        sgt.tl.tf_knockout(cells, tf, **more)
    assert changed(before, cells) == set()


def test_a_factor_that_the_object_has_lost_since(cells):
    with pytest.raises(InputValueError, match="F1 is in the network but no gene of the data"):
        sgt.tl.tf_knockout(cells[:, cells.var_names != "F1"].copy(), "F1")


def test_weights_and_steps_of_a_chain():
    rng = np.random.default_rng(0)
    x = rng.gamma(4, size=(500, 4))
    x[:, 1] = 2 * x[:, 0] + 0.01 * rng.normal(size=500)
    x[:, 2] = -0.5 * x[:, 1] + 20 + 0.01 * rng.normal(size=500)
    w = Regressions(sp.csc_array(x), np.array([0, 1])).weights(np.array([0, 1]), np.array([1, 2]))
    np.testing.assert_allclose(w.toarray()[[0, 1], [1, 2]], [2, -0.5], rtol=0.12)
    assert reached(w, 0, 1).tolist() == [0, 1]
    assert reached(w, 0, 2).tolist() == [0, 1, 2]
    most = x.max(axis=0)
    one, two = (change(x, w, 0, 0.0, n_steps=n, most=most) for n in (1, 2))
    assert (one[:, 2] == 0).all()
    assert (two[:, 2] > 0).mean() > 0.9
    for d in (one, two):
        assert (x + d >= 0).all()
        assert (x + d <= most + 1e-9).all()


def test_the_order_of_cells_and_genes_decides_nothing(cells):
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(cells.n_obs), rng.permutation(cells.n_vars)
    a, b = cells.copy(), cells[rows][:, columns].copy()
    for one in (a, b):
        sgt.tl.tf_knockout(one, "F1", n_shuffles=5)
    x, y = (one.uns["sgt_tf_knockout"] for one in (a, b))
    pd.testing.assert_frame_equal(x["shift"], y["shift"], check_exact=False, rtol=1e-6)
    pd.testing.assert_frame_equal(x["towards"], y["towards"], check_exact=False, rtol=1e-5)
    np.testing.assert_allclose(a.obsm["sgt_tf_knockout"][rows], b.obsm["sgt_tf_knockout"], atol=1e-5)
