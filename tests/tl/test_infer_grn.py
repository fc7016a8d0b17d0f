import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import GraphError, InputValueError, MissingKeyError, SgtWarning

QUICK = {"method": "degree", "n_runs": 1}
COLUMNS = ["source", "target", "score", "known", "stability", "sign", "sign_from"]


def test_the_bare_call(pbmc68k):
    before = pbmc68k.copy()
    assert sgt.tl.infer_grn(pbmc68k) is None
    assert changed(before, pbmc68k) == {"uns['sgt_grn']", "varp['sgt_grn']"}
    entry = pbmc68k.uns["sgt_grn"]
    edges = entry["edges"]
    assert list(edges.columns) == COLUMNS
    assert edges["score"].is_monotonic_decreasing
    assert edges["score"].between(0, 1).all()
    assert edges["stability"].between(0, 1).all()
    assert set(edges["sign"].dropna()) <= {1.0, -1.0}
    assert edges["source"].isin(pbmc68k.var_names).all()
    assert edges["target"].isin(pbmc68k.var_names).all()
    table = entry["evaluation"]["table"]
    assert list(table.index) == ["scregnet", "degree", "collaborative", "cosine", "pcc"]
    assert entry["evaluation"]["status"] == "ok"
    trained = table.drop(index="pcc")
    assert trained["n"].nunique() == 1
    assert 0.45 < table.loc["degree", "auroc"] < 0.56  # what counting can do at fixed degree
    assert table.loc["pcc", "status"].endswith("too few")
    assert np.isnan(table.loc["pcc", "auprc"])
    matrix = pbmc68k.varp["sgt_grn"]
    assert sp.issparse(matrix)
    assert matrix.nnz == len(edges)
    i, j = (pbmc68k.var_names.get_indexer(edges[c]) for c in ("source", "target"))
    np.testing.assert_allclose(np.asarray(matrix[i, j]).ravel(), edges["score"], rtol=1e-6)


def test_known_edges_carry_the_sign_of_the_prior(pbmc68k):
    sgt.tl.infer_grn(pbmc68k, **QUICK)
    edges = pbmc68k.uns["sgt_grn"]["edges"]
    prior = genes.prior().set_index(["source", "target"])["mode"]
    known = edges[edges["known"]]
    assert len(known) > 40  # every edge of the prior that lies within the data
    for e in known.itertuples():
        mode = prior.get((e.source, e.target))
        if mode == "Activation":
            assert (e.sign, e.sign_from) == (1.0, "prior")
        if mode == "Repression":
            assert (e.sign, e.sign_from) == (-1.0, "prior")
    assert not pd.MultiIndex.from_frame(edges[~edges["known"]][["source", "target"]]).isin(prior.index).any()


@pytest.mark.parametrize("write", ["h5ad", "zarr"])
def test_round_trip(pbmc68k, tmp_path, write):
    sgt.tl.infer_grn(pbmc68k, **QUICK)
    path = tmp_path / f"a.{write}"
    getattr(pbmc68k, f"write_{write}")(path)
    back = getattr(ad.io, f"read_{write}")(path).uns["sgt_grn"]
    entry = pbmc68k.uns["sgt_grn"]
    for column in COLUMNS:
        assert back["edges"][column].astype(object).equals(entry["edges"][column].astype(object)) or np.allclose(
            back["edges"][column], entry["edges"][column], equal_nan=True
        )
    assert back["evaluation"]["verdict"] == entry["evaluation"]["verdict"]
    assert back["params"]["prior"] == entry["params"]["prior"]


@pytest.mark.parametrize("method", ["collaborative", "cosine", "pcc"])
def test_every_baseline_is_a_method(pbmc68k, method):
    sgt.tl.infer_grn(pbmc68k, method=method, n_runs=1, n_top=10)
    edges = pbmc68k.uns["sgt_grn"]["edges"]
    assert (edges.groupby("source").size() >= 1).all()
    assert np.isfinite(edges["score"]).all()


@pytest.mark.parametrize("split", ["unseen_tf", "unseen_target", "degree_matched", "random_pair"])
def test_every_split(pbmc68k, split):
    sgt.tl.infer_grn(pbmc68k, split=split, **QUICK)
    assert pbmc68k.uns["sgt_grn"]["evaluation"]["split"] == split
    assert pbmc68k.uns["sgt_grn"]["evaluation"]["status"] == "ok"


def test_a_prior_of_ones_own_as_table_and_as_matrix(pbmc68k):
    rng = np.random.default_rng(0)
    names = pbmc68k.var_names.to_numpy()
    factors = [t for t in genes.transcription_factors() if t in pbmc68k.var_names][:20]
    own = pd.DataFrame({"source": rng.choice(factors, 300), "target": rng.choice(names, 300)})
    own = pd.concat([own, own.head(5), pd.DataFrame({"source": factors[:3], "target": factors[:3]})])
    sgt.tl.infer_grn(pbmc68k, own, **QUICK)
    first = pbmc68k.uns["sgt_grn"]
    assert first["params"]["prior"] == "the given table"
    i, j = (pbmc68k.var_names.get_indexer(own[c]) for c in ("source", "target"))
    pbmc68k.varp["mine"] = sp.csr_matrix((np.ones(len(own)), (i, j)), shape=(pbmc68k.n_vars, pbmc68k.n_vars))
    sgt.tl.infer_grn(pbmc68k, "mine", key_added="again", **QUICK)
    assert pbmc68k.uns["again"]["params"]["n_edges"] == first["params"]["n_edges"]


def test_a_prior_that_is_too_small_to_evaluate_still_works(pbmc68k):
    own = pd.DataFrame({"source": ["SPI1", "SPI1", "IRF8", "GATA3"], "target": ["LYZ", "CST3", "IRF1", "CD4"]})
    sgt.tl.infer_grn(pbmc68k, own, method="degree", n_runs=1)
    assert pbmc68k.uns["sgt_grn"]["evaluation"]["status"].startswith("not evaluated")
    assert len(pbmc68k.uns["sgt_grn"]["edges"])


def test_chosen_factors_and_ensembl_names(pbmc68k):
    sgt.tl.infer_grn(pbmc68k, tfs=["SPI1", "IRF8"], n_top=7, **QUICK)
    assert set(pbmc68k.uns["sgt_grn"]["edges"]["source"]) == {"SPI1", "IRF8"}
    ids = pd.Series(genes.tables.symbol_of_id().index, index=genes.tables.symbol_of_id().to_numpy())
    ids = ids[~ids.index.duplicated()].reindex(pbmc68k.var_names)
    other = pbmc68k[:, ids.notna().to_numpy()].copy()
    other.raw = None
    other.X = np.abs(other.X) / 10
    other.var_names = [f"{i}.3" for i in ids.dropna()]
    sgt.tl.infer_grn(other, tfs=["SPI1"], n_top=7, **QUICK)
    assert set(other.uns["sgt_grn"]["edges"]["source"]) == {f"{ids['SPI1']}.3"}


def test_scaled_values_alone_leave_the_signs_open(pbmc68k):
    pbmc68k.raw = None
    with pytest.warns(SgtWarning, match="No matrix fits"):
        sgt.tl.infer_grn(pbmc68k, **QUICK)
    assert set(pbmc68k.uns["sgt_grn"]["edges"]["sign_from"]) <= {"", "prior"}


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"tfs": ["NOSUCH1"]}, GraphError, "No transcription factor is among the 765 genes"),
        ({"prior": pd.DataFrame({"source": ["X1"], "target": ["X2"]})}, GraphError, "shares no gene with the data"),
        ({"prior": "collectri"}, MissingKeyError, "neither bundled nor in varp; there is: trrust"),
        ({"prior": pd.DataFrame({"a": [1]})}, GraphError, "source, target is missing"),
        ({"method": "genie3"}, InputValueError, "no link predictor 'genie3'"),
        ({"split": "moon"}, InputValueError, "the splits are unseen_tf_matched"),
        ({"n_top": 0}, InputValueError, "n_top is a positive integer"),
        ({"use_rep": "scGPT"}, MissingKeyError, "use_rep='scGPT' is not in varm; there is: PCs"),
        ({"layer": "umi"}, MissingKeyError, "no layer 'umi'"),
    ],
)
def test_wrong_input_changes_nothing(pbmc68k, kwargs, error, says):
    before = pbmc68k.copy()
    with pytest.raises(error, match=says):
        sgt.tl.infer_grn(pbmc68k, **kwargs)
    assert changed(before, pbmc68k) == set()


def test_fewer_than_ten_cells_and_a_constant_gene(pbmc68k):
    few = pbmc68k[:5].copy()
    sgt.tl.infer_grn(few, **QUICK)
    assert set(few.uns["sgt_grn"]["edges"]["sign_from"]) <= {"", "prior"}


def test_the_same_seed_the_same_network(pbmc68k):
    a, b = (sgt.tl.infer_grn(pbmc68k, n_runs=1, copy=True) for _ in range(2))
    pd.testing.assert_frame_equal(a.uns["sgt_grn"]["edges"], b.uns["sgt_grn"]["edges"])
    assert "sgt_grn" not in pbmc68k.uns
