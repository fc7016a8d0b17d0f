import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import linregress
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import GraphError, InputValueError, MissingExtraError, MissingKeyError
from scgnn_tools._keys import ACTIVITY

pytestmark = [
    pytest.mark.filterwarnings(
        f"ignore::{kind}"
    )  # decoupler announces the ends of its own dependencies' ways, not of ours
    for kind in ("DeprecationWarning", "FutureWarning", "PendingDeprecationWarning")
]


@pytest.fixture
def cells():
    """Twelve cells of counts; the factors A (up) and B (one target down) drive six genes each."""
    rng = np.random.default_rng(0)
    genes = ["A", "B", *[f"a{i}" for i in range(6)], *[f"b{i}" for i in range(6)], *[f"x{i}" for i in range(10)]]
    rate = np.full((12, len(genes)), 3.0)
    rate[:6, 2:8] = 30
    rate[6:, 8:13] = 30
    rate[11] = 0
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)), var=pd.DataFrame(index=genes))
    edges = [("A", f"a{i}", 0.9 - i / 10, 1.0) for i in range(6)]
    edges += [("B", f"b{i}", 0.8 - i / 10, 1.0 if i < 5 else -1.0) for i in range(6)]
    edges += [("C", "x1", 0.5, np.nan)]
    adata.uns["sgt_grn"] = {"edges": pd.DataFrame(edges, columns=["source", "target", "score", "sign"])}
    return adata


def test_the_activity_is_the_t_value_of_the_targets_weights(cells):
    before = cells.copy()
    assert sgt.tl.tf_activity(cells) is None
    assert changed(before, cells) == {"obsm['sgt_activity']", "obsm['sgt_activity_padj']", "uns['sgt_activity']"}
    got = cells.obsm["sgt_activity"]
    assert list(got.columns) == ["A", "B"]  # C has one target
    assert got.index.equals(cells.obs_names)
    x = cells.X.toarray()
    x = np.log1p(x / np.maximum(x.sum(axis=1, keepdims=True), 1) * 1e4)
    for tf in "AB":
        net = sgt.tl.regulons(cells).query("source == @tf").set_index("target")["weight"]
        weight = net.reindex(cells.var_names).fillna(0).to_numpy()
        for i in range(11):
            fitted = linregress(weight, x[i])
            np.testing.assert_allclose(got[tf].iloc[i], fitted.slope / fitted.stderr, rtol=1e-4)
    assert (got["A"][:6] > got["B"][:6]).all()
    assert (got["A"][6:11] < got["B"][6:11]).all()
    assert (got.iloc[11] == 0).all()  # the cell without counts
    padj = cells.obsm["sgt_activity_padj"]
    assert ((padj >= 0) & (padj <= 1)).all().all()


def test_round_trip_copy_and_other_methods(cells, tmp_path):
    out = sgt.tl.tf_activity(cells, method="zscore", n_targets=5, key_added="mean", copy=True)
    assert "mean" not in cells.obsm
    out.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(back.obsm["mean"], out.obsm["mean"])
    assert back.uns["mean"]["params"]["n_targets"] == 5
    assert list(sgt.tl.tf_activity(cells, min_targets=1, copy=True).obsm["sgt_activity"]) == ["A", "B", "C"]


COMPILES = pytest.param("waggr", marks=pytest.mark.slow)  # decoupler compiles it in each process


@pytest.mark.parametrize("method", ["aucell", COMPILES])
def test_the_order_of_the_genes_decides_nothing(cells, method):
    turned = cells[:, np.random.default_rng(0).permutation(cells.n_vars)].copy()
    for one in (cells, turned):
        sgt.tl.tf_activity(one, method=method)
    pd.testing.assert_frame_equal(cells.obsm["sgt_activity"], turned.obsm["sgt_activity"], atol=1e-6)


@pytest.mark.parametrize("method", ["ulm", COMPILES])
def test_cells_are_scored_a_part_at_a_time(cells, method, monkeypatch):
    whole = sgt.tl.tf_activity(cells, method=method, copy=True).obsm[ACTIVITY]
    monkeypatch.setattr("scgnn_tools.grn.activity.CHUNK", 7)
    np.testing.assert_allclose(sgt.tl.tf_activity(cells, method=method, copy=True).obsm[ACTIVITY], whole, atol=1e-5)


def test_real_cells(pbmc68k):
    edges = genes.prior().assign(score=1.0)
    edges["sign"] = edges["mode"].map({"Activation": 1.0, "Repression": -1.0})
    pbmc68k.uns["sgt_grn"] = {"edges": edges}
    sgt.tl.tf_activity(pbmc68k, min_targets=2)
    got = pbmc68k.obsm["sgt_activity"]
    assert got.shape[0] == 700
    assert np.isfinite(got).all().all()
    mean = got["SPI1"].groupby(pbmc68k.obs["bulk_labels"], observed=True).mean()
    assert mean.idxmax() in {"CD14+ Monocyte", "Dendritic"}  # the myeloid master regulator


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"method": "mean"}, InputValueError, "method is 'ulm', 'mlm'.*got 'mean'"),
        ({"min_targets": 7}, GraphError, "No factor has 7 targets among the 24 genes; the most is 6"),
        ({"min_targets": 0}, InputValueError, "min_targets is a positive integer"),
        ({"key": "other"}, MissingKeyError, "holds no network"),
        ({"layer": "no"}, MissingKeyError, "no layer 'no'"),
        ({"key_added": "sgt_grn"}, InputValueError, "made from: key='sgt_grn'"),
        ({"key_added": "a/b"}, InputValueError, "no file could hold it"),
    ],
)
def test_wrong_input_changes_nothing(cells, kwargs, error, says):
    before = cells.copy()
    with pytest.raises(error, match=says):
        sgt.tl.tf_activity(cells, **kwargs)
    assert changed(before, cells) == set()


def test_without_decoupler_the_install_line_is_said(cells, monkeypatch):
    monkeypatch.setitem(sys.modules, "decoupler", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'scgnn_tools\[activity\]'"):
        sgt.tl.tf_activity(cells)


OWN = {
    "decoupler's": {"weight": [0.9, 0.7, 0.5, 0.4, 0.3, 0.2]},
    "signed": {"weight": [0.9, 0.7, -0.5, 0.4, 0.3, 0.2]},
    "of arboreto": {"importance": [3, 2, 1, 1, 1, 1]},
    "without weights": {},
}


@pytest.mark.parametrize("columns", OWN.values(), ids=OWN)
@pytest.mark.parametrize("as_dict", [True, False])
def test_a_network_of_the_users_own(cells, columns, as_dict):
    edges = pd.DataFrame({"source": "A", "target": [f"a{i}" for i in range(6)], **columns})
    cells.uns["own"] = {"edges": edges} if as_dict else edges
    before = cells.copy()
    sgt.tl.tf_activity(cells, "own")
    assert (cells.obsm["sgt_activity"]["A"].iloc[:6] > 0).all()
    weight = columns.get("weight", columns.get("importance", [1.0] * 6))
    assert list(sgt.tl.regulons(cells, "own")["weight"]) == sorted(weight, key=abs, reverse=True)
    assert len(sgt.pl.grn(cells, "own", tf="A").axes) > 1
    sgt.pl.grn(cells, "own")
    sgt.pl.grn(cells, "own", interactive=True)
    assert changed(before, cells) == {"obsm['sgt_activity']", "obsm['sgt_activity_padj']", "uns['sgt_activity']"}


def test_factors_whose_names_no_file_could_hold(cells, tmp_path):
    edges = cells.uns["sgt_grn"]["edges"]
    edges["source"] = edges["source"].replace({"A": "A/x", "B": "_index"})
    sgt.tl.tf_activity(cells)
    cells.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    assert list(back.obsm["sgt_activity"].columns) == ["A|x", "(_index)"]
    assert list(back.uns["sgt_activity"]["factors"]) == ["A/x", "_index"]


@pytest.mark.parametrize("method", ["ulm", "aucell", "gsva", "viper"])
def test_cells_without_any_expression_are_refused(cells, method):
    cells.X = cells.X * 0
    with pytest.raises(InputValueError, match="No cell expresses any gene"):
        sgt.tl.tf_activity(cells, method=method)
    assert list(cells.obsm) == []


def test_factors_that_a_linear_model_cannot_tell_apart(cells):
    edges = cells.uns["sgt_grn"]["edges"]
    twin = edges[edges["source"] == "A"].assign(source="D")
    cells.uns["sgt_grn"] = {"edges": pd.concat([edges, twin], ignore_index=True)}
    with pytest.raises(GraphError, match=r"mlm cannot tell apart .* Take method='ulm'"):
        sgt.tl.tf_activity(cells, method="mlm")
    sgt.tl.tf_activity(cells)
    np.testing.assert_array_equal(cells.obsm["sgt_activity"]["A"], cells.obsm["sgt_activity"]["D"])
