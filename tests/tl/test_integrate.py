import json
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from benchmarks import checkpoints
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import (
    InputScaleError,
    InputTypeError,
    InputValueError,
    LabelError,
    MissingExtraError,
    MissingKeyError,
    SgtWarning,
    WeightsError,
)
from scgnn_tools.integration import Integrator


@pytest.fixture(scope="module")
def two_donors():
    """240 cells: three types by counts of 60 genes, two donors who differ in depth and in some genes."""
    rng = np.random.default_rng(0)
    types, donor = np.arange(240) % 3, (np.arange(240) // 3) % 2
    rate = (
        np.exp(rng.normal(size=(3, 60)))[types] * np.exp(0.5 * rng.normal(size=(2, 60)))[donor] * (1 + donor[:, None])
    )
    obs = pd.DataFrame({"donor": np.array(["x", "y"])[donor], "cell_type": np.array(["T", "B", "NK"])[types]})
    obs["treated"] = np.array(["no", "yes"])[rng.integers(2, size=240)]
    obs.index = [f"c{i}" for i in range(240)]
    return ad.AnnData(
        sp.csr_matrix(rng.poisson(rate).astype(np.float32)), obs, pd.DataFrame(index=[f"GENE{i}" for i in range(60)])
    )


@pytest.fixture(scope="module")
def scgpt(two_donors, tmp_path_factory):
    """A small scGPT of their genes, in its published format."""
    return checkpoints.scgpt(
        tmp_path_factory.mktemp("scgpt"), list(two_donors.var_names), n_layers=1, dim=16, n_heads=2
    )


def test_it_writes_what_is_documented_and_nothing_else(two_donors, tmp_path):
    adata = two_donors.copy()
    assert sgt.tl.integrate(adata, "donor", labels_key="cell_type", condition_key="treated", n_comps=10) is None
    assert changed(two_donors, adata) == {"obsm['X_sgt_integrated']", "uns['sgt_integrated']"}
    assert adata.obsm["X_sgt_integrated"].shape == (240, 10)
    assert adata.obsm["X_sgt_integrated"].dtype == np.float32
    found = adata.uns["sgt_integrated"]
    assert set(found) == {"evaluation", "verdict", "batches", "params"}
    assert list(found["evaluation"].index) == ["harmony", "pca", "center", "random", "labels", "labels x batch"]
    assert "condition_clisi" in found["evaluation"]
    assert found["batches"]["n"].to_dict() == {"x": 120, "y": 120}
    assert found["verdict"].startswith("harmony ")
    assert found["params"]["confounding"] < 0.1
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad").uns["sgt_integrated"]
    pd.testing.assert_frame_equal(again["evaluation"], found["evaluation"], check_dtype=False)


def test_the_same_seed_gives_the_same_numbers_and_copy_leaves_the_object(two_donors):
    how = {"labels_key": "cell_type", "n_comps": 10, "baselines": ("pca",), "copy": True, "key_added": "mine"}
    before = two_donors.copy()
    a, b = (sgt.tl.integrate(two_donors, "donor", **how) for _ in range(2))
    assert changed(before, two_donors) == set()
    np.testing.assert_array_equal(a.obsm["X_mine"], b.obsm["X_mine"])
    same = a.uns["mine"]["evaluation"].drop(columns="seconds")
    pd.testing.assert_frame_equal(same, b.uns["mine"]["evaluation"].drop(columns="seconds"))


@pytest.mark.parametrize(
    ("method", "how"),
    [
        ("none", {}),
        ("center", {}),
        ("combat", {}),
        ("harmony", {}),
        ("harmony", {"use_rep": "X_own"}),
        ("scvi", {"max_epochs": 2, "n_latent": 4}),
        pytest.param("scanvi", {"max_epochs": 2, "max_epochs_scanvi": 1, "n_latent": 4}, marks=pytest.mark.slow),
        pytest.param("cgc", {"max_epochs": 1, "dim": 16, "n_layers": 1}, marks=pytest.mark.slow),
    ],
)
def test_the_order_of_cells_and_genes_decides_nothing(two_donors, method, how):
    adata = two_donors.copy()
    adata.obsm["X_own"] = np.random.default_rng(0).normal(size=(240, 6)).astype(np.float32)
    adata.obsm["X_own"][100:140] = 0  # cells that their vectors do not tell apart
    draws = np.random.default_rng(1)
    rows, columns = draws.permutation(240), draws.permutation(60)
    how = {"method": method, "labels_key": "cell_type", "n_comps": 10, "baselines": ("center",), "copy": True, **how}
    one, moved = (sgt.tl.integrate(a, "donor", **how) for a in (adata, adata[rows][:, columns].copy()))
    vectors, found = one.obsm["X_sgt_integrated"], one.uns["sgt_integrated"]
    np.testing.assert_allclose(moved.obsm["X_sgt_integrated"], vectors[rows], atol=1e-5)
    now = moved.uns["sgt_integrated"]["evaluation"].drop(columns="seconds")
    pd.testing.assert_frame_equal(now, found["evaluation"].drop(columns="seconds"), check_exact=False, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "n", "says"),
    [
        ("center", 1, "^center wants at least 2 cells; there is 1. Pass more"),
        ("scvi", 50, "^scvi is a network and wants at least 100 cells; there are 50. Take method='harmony'"),
    ],
)
def test_too_few_cells_are_refused_in_words_that_are_true(two_donors, method, n, says):
    with pytest.raises(InputValueError, match=says):
        sgt.tl.integrate(two_donors[:n].copy(), "donor", method=method)


def test_an_integrator_is_the_same_for_any_order(two_donors):
    rows = np.random.default_rng(1).permutation(240)
    how = {"method": "scvi", "max_epochs": 2, "n_latent": 4}
    one, moved = (Integrator.fit(a, "donor", **how) for a in (two_donors, two_donors[rows].copy()))
    np.testing.assert_allclose(moved.vectors, one.vectors[rows], atol=1e-5)
    np.testing.assert_allclose(moved.transform(two_donors[rows].copy()), one.transform(two_donors)[rows], atol=1e-5)


def test_an_embedding_is_corrected_and_named(two_donors):
    adata = two_donors.copy()
    adata.obsm["X_own"] = np.random.default_rng(0).normal(size=(240, 6))
    sgt.tl.integrate(
        adata, "donor", labels_key="cell_type", use_rep="X_own", method="center", baselines=("pca", "center")
    )
    assert list(adata.uns["sgt_integrated"]["evaluation"].index[:3]) == ["X_own+center", "pca", "center"]
    assert adata.obsm["X_sgt_integrated"].shape == (240, 6)


def test_without_labels_it_says_that_nobody_knows(two_donors):
    out = sgt.tl.integrate(two_donors, "donor", method="center", baselines=("pca",), n_comps=10, copy=True)
    assert "iLISI" in out.uns["sgt_integrated"]["verdict"]
    assert "without labels_key= nobody knows" in out.uns["sgt_integrated"]["verdict"]


def test_a_trained_method_leaves_its_losses_and_labels_are_for_those_that_say_so(two_donors):
    how = {"labels_key": "cell_type", "baselines": ("pca",), "max_epochs": 2, "n_latent": 4}
    out = sgt.tl.integrate(two_donors, "donor", method="scanvi", max_epochs_scanvi=1, copy=True, **how)
    found = out.uns["sgt_integrated"]
    assert len(found["history"]) == 3
    assert found["params"]["sees_labels"]
    assert found["evaluation"]["sees_labels"].to_dict() == {n: n == "scanvi" for n in found["evaluation"].index}


def test_a_missing_package_is_an_error_with_its_install_line_and_never_another_method(two_donors, monkeypatch):
    monkeypatch.setitem(sys.modules, "harmonypy", None)
    adata = two_donors.copy()
    with pytest.raises(MissingExtraError, match=r"pip install 'scgnn_tools\[integration\]'"):
        sgt.tl.integrate(adata, "donor")
    assert changed(two_donors, adata) == set()
    with pytest.warns(SgtWarning, match="baseline harmony is left out"):
        out = sgt.tl.integrate(adata, "donor", labels_key="cell_type", method="center", copy=True)
    assert "harmony" not in out.uns["sgt_integrated"]["evaluation"].index


def test_confounded_labels_are_warned_of(two_donors):
    adata = two_donors.copy()
    adata.obs["site"] = adata.obs["cell_type"].map({"T": "x", "B": "x", "NK": "y"})
    adata.obs["type"] = adata.obs["site"].map({"x": "lymphoid", "y": "killer"})
    with pytest.warns(SgtWarning, match=r"Each label is in one batch only .* = 1\.00"):
        sgt.tl.integrate(adata, "site", labels_key="type", method="center", evaluate=False)
    assert adata.uns["sgt_integrated"]["params"]["confounding"] == pytest.approx(1)


def with_obs(**columns):
    def make(a):
        for name, values in columns.items():
            a.obs[name] = values
        return a

    return make


def with_x(change):
    def make(a):
        a.X = change(a.X.toarray())
        return a

    return make


def with_rep(values):
    def make(a):
        a.obsm["X_own"] = values
        return a

    return make


N = np.arange(240)
ONCE = np.where(N == 7, "z", np.where(N % 2, "x", "y"))
BAD = [
    ("no such column", with_obs(), {"batch_key": "lane"}, MissingKeyError, "batch_key='lane' is no column of obs; the columns are: donor"),
    ("one batch", with_obs(donor="x"), {}, InputValueError, r"one batch, 'x'.* sgt\.tl\.embed\(adata\)"),
    ("a batch of one cell", with_obs(donor=ONCE), {}, InputValueError, r"1 batches of a single cell \(z\)"),
    ("NaN in the batch", with_obs(donor=np.where(N < 3, np.nan, N % 2)), {}, InputValueError, "NaN in 3 of 240 cells"),
    ("a measurement", with_obs(donor=N // 4 * 0.5), {}, InputValueError, "60 different numbers: a measurement"),
    ("a batch a cell", with_obs(donor=N.astype(str)), {}, InputValueError, "different in each of the 240 cells: it names cells"),
    ("negative values", with_x(lambda x: x - 1), {}, InputScaleError, "it looks scaled"),
    ("NaN in X", with_x(lambda x: np.where(x > 3, np.nan, x)), {}, InputValueError, "NaN"),
    ("one label", with_obs(cell_type="T"), {}, LabelError, "holds 1 labels; at least two"),
    ("no labels", with_obs(cell_type="Unknown"), {}, LabelError, "holds 0 labels"),
    ("no condition", with_obs(), {"condition_key": "dose"}, MissingKeyError, "condition_key='dose' is no column"),
    ("no method", with_obs(), {"method": "bbknn"}, InputValueError, "no integration method 'bbknn'; the methods are none"),
    ("no baseline", with_obs(), {"baselines": ("pca", "mean")}, InputValueError, "no integration method 'mean'"),
    ("a word for a list", with_obs(), {"baselines": "pca"}, InputValueError, "baselines is a list of names"),
    ("no option", with_obs(), {"theeta": 2}, InputValueError, "harmony has no option 'theeta'; its options are: theta"),
    ("no vectors", with_obs(), {"use_rep": "X_own"}, MissingKeyError, "use_rep='X_own' is not in obsm; there is: none"),
    ("NaN in the vectors", with_rep(np.full((240, 4), np.nan)), {"use_rep": "X_own"}, InputValueError, "no matrix of finite numbers"),
    ("cells all alike", with_x(np.ones_like), {}, InputValueError, "All cells of X hold the same values"),
    ("a rep", with_rep(np.ones((240, 4))), {"use_rep": "X_own", "method": "scvi"}, InputValueError, "scvi reads expression and no vectors"),
    ("no width", with_obs(), {"sigma": -1}, InputValueError, "sigma is positive; got -1"),
    ("no rounds", with_obs(), {"max_iter": 0}, InputValueError, "max_iter is a positive integer; got 0"),
    ("no device", with_obs(), {"method": "center", "device": "gpu9"}, InputValueError, "device is 'auto', .* got 'gpu9'"),
    ("no epochs", with_obs(), {"method": "center", "max_epochs": 0}, InputValueError, "max_epochs is a positive integer; got 0"),
    ("no components", with_obs(), {"n_comps": 0}, InputValueError, "n_comps is an integer of at least 2; got 0"),
    ("few cells for a network", lambda a: a[:60].copy(), {"method": "scvi"}, InputValueError, "wants at least 100 cells; there are 60"),
    ("labels wanted", with_obs(), {"method": "scanvi", "labels_key": None}, LabelError, "scanvi learns from labels"),
    ("a square", lambda a: with_rep(np.eye(40))(a[:40].copy()), {"use_rep": "X_own"}, InputValueError, "40 cells and as many"),
    ("counts wanted", with_x(lambda x: np.log1p(x / 3)), {"method": "scvi", "max_epochs": 1}, InputScaleError, "want raw counts"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "how", "error", "says"), [pytest.param(*b[1:], id=b[0]) for b in BAD])
def test_bad_input(two_donors, make, how, error, says):
    adata = make(two_donors.copy())
    before = adata.copy()
    with pytest.raises(error, match=says):
        sgt.tl.integrate(adata, **{"batch_key": "donor", "labels_key": "cell_type", "n_comps": 10, **how})
    assert changed(before, adata) == set()


SMALL = {"dim": 8, "n_layers": 1, "max_length": 30, "max_epochs": 1}
MAPS = [("none", {}), ("center", {}), ("scvi", {"max_epochs": 2}), ("cgc", SMALL), ("scgpt", {"max_epochs": 1})]


@pytest.mark.parametrize(("method", "how"), MAPS)
def test_a_fitted_integration_maps_new_cells_and_is_saved(two_donors, scgpt, tmp_path, caplog, method, how):
    old, new = two_donors[::2].copy(), two_donors[1::2][:, ::-1].copy()
    how = how | ({"checkpoint": scgpt} if method == "scgpt" else {})
    model = Integrator.fit(old, "donor", method=method, n_comps=5, **how)
    np.testing.assert_allclose(model.transform(old, "donor"), model.vectors, atol=1e-4)
    before = new.copy()
    with caplog.at_level("INFO", logger="scgnn_tools"):
        model.map_query(new, "donor")
    assert changed(before, new) == {"obsm['X_sgt_integrated']", "uns['sgt_integrated']"}
    assert "did not see" not in caplog.text
    alone = model.transform(new[3:4].copy(), "donor")
    np.testing.assert_allclose(alone[0], new.obsm["X_sgt_integrated"][3], atol=1e-4)
    model.save(tmp_path / "atlas")
    again = Integrator.load(tmp_path / "atlas")
    np.testing.assert_allclose(again.transform(new, "donor"), new.obsm["X_sgt_integrated"], atol=1e-4)


IDS = ["ENSG00000096968", "ENSG00000027697", "ENSG00000159128", "ENSG00000168610", "ENSG00000125347", "ENSG00000141867"]
SYMBOLS = ["JAK2", "IFNGR1", "IFNGR2", "STAT3", "IRF1", "BRD4"]


@pytest.mark.parametrize("new_names", [SYMBOLS, [f"{i}.7" for i in IDS]])
def test_new_cells_may_name_their_genes_in_another_way(two_donors, new_names):
    old = two_donors[:, :6].copy()
    old.var_names = IDS
    model, new = Integrator.fit(old, "donor", method="none", n_comps=3), old[:, ::-1].copy()
    new.var_names = new_names[::-1]
    np.testing.assert_allclose(model.transform(new), model.vectors, atol=1e-4)
    new.var_names = [f"x{i}" for i in range(6)]
    with pytest.raises(
        InputValueError, match=r"Those of the fit begin with ENSG.*, those of the new cells with x0, x1, x2"
    ):
        model.transform(new)


def test_batches_that_a_fit_did_not_see_are_named(two_donors, caplog):
    model = Integrator.fit(two_donors, "donor", method="none", n_comps=5)
    new = two_donors.copy()
    new.obs["donor"] = ["mouse9"] * 3 + [*new.obs["donor"].astype(str)[3:]]
    with caplog.at_level("INFO", logger="scgnn_tools"):
        model.map_query(new, "donor")
    assert "1 batch that the fit did not see: mouse9" in caplog.text


def test_each_batch_of_scgpt_has_a_norm_of_its_own(two_donors, scgpt):
    from scgnn_tools.nn.domains import DomainNorm

    def fit(**how):
        return Integrator.fit(two_donors, "donor", method="scgpt", checkpoint=scgpt, max_epochs=1, **how)

    own, shared = fit(), fit(dsbn=False)
    assert isinstance(own.method.model.network.batch_norm, DomainNorm)
    assert own.method.model.network.batch_norm.weight.shape == (2, 16)
    with pytest.raises(InputValueError, match="of a batch that was not fitted"):
        own.transform(two_donors.copy())
    np.testing.assert_allclose(shared.transform(two_donors[:9].copy()), shared.vectors[:9], atol=1e-4)
    assert np.abs(own.vectors - shared.vectors).max() > 1e-3


def test_what_cannot_be_mapped_is_said(two_donors, tmp_path):
    with pytest.raises(InputValueError, match="scgpt tunes a pretrained network: pass checkpoint="):
        Integrator.fit(two_donors, "donor", method="scgpt")
    with pytest.raises(InputValueError, match=r"harmony cannot map cells .*; these can: none, center, scvi"):
        Integrator.fit(two_donors, "donor", method="harmony")
    model = Integrator.fit(two_donors, "donor", method="none", n_comps=5)
    with pytest.raises(InputValueError, match=r"hold 33% of the 60 genes .* GENE0, GENE1"):
        model.transform(two_donors[:, :20].copy())
    with pytest.warns(SgtWarning, match=r"hold 83% of the 60 genes"):
        model.transform(two_donors[:, :50].copy())
    with pytest.raises(WeightsError, match=r"holds no config\.json"):
        Integrator.load(tmp_path)
    sgt.fm.load("corpus-svd").save(tmp_path / "other")
    with pytest.raises(WeightsError, match="holds no integration"):
        Integrator.load(tmp_path / "other")


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_columns_of_one_name_are_one_gene_of_the_new_cells(two_donors):
    model = Integrator.fit(two_donors, "donor", method="none", n_comps=5)
    low, rest = two_donors.copy(), two_donors.copy()
    low.X = (low.X / 2).floor() if sp.issparse(low.X) else np.floor(low.X / 2)
    rest.X = rest.X - low.X
    twice = ad.concat([low, rest], axis=1, merge="same")
    np.testing.assert_allclose(model.transform(twice), model.transform(two_donors), atol=1e-4)
    with pytest.raises(InputValueError, match=r"have a name that another has too \(.*\): .*var_names_make_unique"):
        Integrator.fit(twice, "donor", method="none", n_comps=5)


def test_a_number_is_the_same_batch_with_or_without_a_fraction(two_donors, caplog):
    adata = two_donors.copy()
    adata.obs["run"] = np.arange(adata.n_obs) % 2
    model = Integrator.fit(adata, "run", method="center", n_comps=5)
    whole = model.transform(adata, "run")
    adata.obs["run"] = adata.obs["run"].astype(float)
    np.testing.assert_array_equal(model.transform(adata, "run"), whole)
    assert "did not see" not in caplog.text


def test_an_integrator_says_what_it_takes(two_donors, tmp_path):
    for wrong in (None, "cells.h5ad", two_donors.to_df()):
        with pytest.raises(InputTypeError, match="adata is an AnnData; got"):
            Integrator.fit(wrong, "donor", method="none")
    adata = two_donors.copy()
    adata.obsm["X_own"] = np.random.default_rng(0).normal(size=(240, 6))
    Integrator.fit(adata, "donor", method="center", use_rep="X_own").save(tmp_path / "own")
    adata.obsm["X_own"] = adata.obsm["X_own"][:, :4]
    with pytest.raises(InputValueError, match=r"obsm\['X_own'\] has 4 columns, and that of the fit had 6"):
        Integrator.load(tmp_path / "own").transform(adata, "donor")


def test_a_saved_integration_is_whole_and_sealed(two_donors, tmp_path):
    model = Integrator.fit(two_donors, "donor", method="center", n_comps=5)
    model.save(tmp_path / "atlas")
    with pytest.raises(InputValueError, match="overwrite=True"):
        model.save(tmp_path / "atlas")
    model.save(tmp_path / "atlas", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputValueError, match=r"holds what no save wrote \('config.json'\)"):
        model.save(tmp_path / "mine", overwrite=True)
    for name in ("config.json", "model.safetensors"):
        path = tmp_path / "atlas" / name
        sound = path.read_bytes()
        path.write_bytes(sound[:-9] + bytes([sound[-9] ^ 1]) + sound[-8:])
        with pytest.raises(WeightsError, match=r"damaged or was changed|no JSON"):
            Integrator.load(tmp_path / "atlas")
        path.write_bytes(sound)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 2}, "another version of scgnn_tools .format 2; this one reads 1"),
        ({"genes": None}, "holds no integration"),
        ({"genes": []}, "holds no integration"),
        ({"genes": ["GENE1"]}, "holds no integration"),
        ({"batches": 3}, "holds no integration"),
        ({"use_rep": None}, "holds no integration"),
        ({"method": "combat"}, "holds no integration"),
        ({"shapes": {}}, "holds no integration|shapes|tensor"),
    ],
    ids=str,
)
def test_a_folder_that_was_changed_and_sealed_again_is_refused(two_donors, tmp_path, changes, says):
    from scgnn_tools.fm import saves

    Integrator.fit(two_donors, "donor", method="center", n_comps=5).save(tmp_path / "a")
    about = json.loads((tmp_path / "a" / "config.json").read_text()) | changes
    saves.seal(tmp_path / "a", about)
    with pytest.raises(WeightsError, match=says):
        Integrator.load(tmp_path / "a")


@pytest.mark.parametrize(
    ("method", "how"),
    [
        ("center", {}),
        *[pytest.param(m, how, marks=pytest.mark.slow) for m, how in (("scvi", {"max_epochs": 1}), ("cgc", SMALL))],
    ],
)
def test_the_names_of_batches_and_labels_decide_nothing(two_donors, method, how):
    other = two_donors.copy()
    other.obs["donor"] = other.obs["donor"].map({"x": "zz", "y": "aa"})
    other.obs["cell_type"] = other.obs["cell_type"].map({"T": "a", "B": "z", "NK": "m"})
    one, renamed = (
        sgt.tl.integrate(
            a, "donor", labels_key="cell_type", n_comps=10, method=method, baselines=["pca"], copy=True, **how
        )
        for a in (two_donors, other)
    )
    np.testing.assert_array_equal(*(a.obsm["X_sgt_integrated"] for a in (one, renamed)))
    tables = [a.uns["sgt_integrated"]["evaluation"].drop(columns="seconds") for a in (one, renamed)]
    pd.testing.assert_frame_equal(*tables)


def test_a_reversed_view_of_a_file_is_read(two_donors, tmp_path):
    two_donors.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    out = [
        sgt.tl.integrate(a, "donor", method="center", evaluate=False, n_comps=5, copy=True)
        for a in (two_donors[::-1, ::-1], backed[::-1, ::-1])
    ]
    backed.file.close()
    np.testing.assert_array_equal(*(a.obsm["X_sgt_integrated"] for a in out))
    assert out[1].obs_names.tolist() == two_donors.obs_names[::-1].tolist()


def test_sparse_vectors_are_taken(two_donors):
    adata = two_donors.copy()
    adata.obsm["X_own"] = sp.csr_matrix(np.random.default_rng(0).normal(size=(240, 4)))
    sgt.tl.integrate(adata, "donor", method="none", use_rep="X_own", evaluate=False)
    np.testing.assert_allclose(adata.obsm["X_sgt_integrated"], adata.obsm["X_own"].toarray(), rtol=1e-6)
