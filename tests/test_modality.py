"""What is handed in: an AnnData, a modality of a MuData, or something else, which is an error that says what to type."""

import inspect
import warnings

import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError
from scgnn_tools._modality import modality

X = np.ones((4, 3), dtype=np.float32)
EXTRA = {"annotation_sankey": ("label",), "classify_genes": ({},), "export_grn": ("a.csv",), "integrate": ("batch",)}
EXTRA |= {
    "perturb": ("perturbation",),
    "compare_grn": ("a", "b"),
    "grn_from_edges": ({"A": ["B"]},),
    "tf_knockout": ("A",),
}
EXTRA |= {"regulon_heatmap": ("label",)}
"""Arguments that a call cannot do without."""

ON_ANNDATA = [
    getattr(room, name)
    for room in (sgt.tl, sgt.pp, sgt.pl)
    for name in room.__all__
    if name
    not in {
        "training",
        "grn_evaluation",
        "grn_difference",
        "grn_noise",
        "gene_classes",
        "lambda_curve",
    }  # of a table, an evaluation, a comparison
]


@pytest.fixture
def both():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mudata announces how it will copy columns
        return mudata.MuData({"rna": ad.AnnData(X.copy()), "adt": ad.AnnData(X[:, :2].copy())})


@pytest.mark.parametrize("call", ON_ANNDATA, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "got None. Functions that write into an object return None"),
        ("a.h5ad", r"got a path, 'a.h5ad'. Read it first: anndata.read_h5ad\('a.h5ad'\)"),
        ("b.zarr/", "anndata.read_zarr"),
        (X, "got ndarray. Make one: anndata.AnnData"),
        (sp.csr_matrix(X), "got csr_matrix. Make one"),
        ([ad.AnnData(X)], "got list. Join several with anndata.concat"),
        (ad.AnnData(X).copy().obs, "is an AnnData or a MuData; got DataFrame"),
    ],
    ids=["None", "h5ad", "zarr", "ndarray", "sparse", "list", "table"],
)
def test_something_else_is_refused_and_the_message_says_what_to_type(call, given, says):
    if call is sgt.tl.evaluate_grn and isinstance(given, pd.DataFrame):
        pytest.skip("a table of edges")
    if call is sgt.tl.classify_genes and given is None:
        pytest.skip("the genes of a model, without cells")
    with pytest.raises(InputTypeError, match=says):
        call(given, *EXTRA.get(call.__name__, ()))


@pytest.mark.parametrize("call", ON_ANNDATA, ids=lambda f: f.__name__)
def test_every_call_takes_a_mudata(call, both):
    assert inspect.signature(call).parameters["mod"].default == "rna"
    with pytest.raises(
        MissingKeyError, match=r"mod='atac' is no modality of this MuData; there is: rna, adt. Pass mod="
    ):
        call(both, *EXTRA.get(call.__name__, ()), mod="atac")


def test_of_an_anndata_mod_is_not_looked_at(both):
    adata = ad.AnnData(X)
    assert modality(adata) is adata
    assert modality(adata, "adt") is adata
    assert modality(both, "adt") is both.mod["adt"]


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_tables_of_a_lazy_object_are_read_and_its_matrix_is_not(tmp_path, kind):
    pytest.importorskip("xarray")
    adata = ad.AnnData(sp.csr_matrix(X), obs=pd.DataFrame({"k": pd.Categorical(list("aabb"))}, index=list("wxyz")))
    adata.obsm["d"] = pd.DataFrame({"p": range(4)}, index=adata.obs_names)
    adata.uns["net"] = {"edges": pd.DataFrame({"source": ["0"], "target": ["1"]})}
    adata.raw = adata.copy()
    path = tmp_path / f"a.{kind}"
    getattr(adata, f"write_{kind}")(path)
    out = modality(ad.experimental.read_lazy(path))
    assert isinstance(out.obs, pd.DataFrame)
    assert list(out.obs["k"]) == list("aabb")
    assert len(out.var) == 3
    assert isinstance(out.obsm["d"], pd.DataFrame)
    assert isinstance(out.uns["net"]["edges"], pd.DataFrame)
    assert isinstance(out.raw.var, pd.DataFrame)
    assert hasattr(out.X, "compute")  # still dask


@pytest.mark.parametrize("opened", ["backed", "lazy", "view"])
def test_a_file_without_x_that_anndata_cannot_use_is_said(tmp_path, opened):
    adata = ad.AnnData(layers={"counts": sp.csr_matrix(X)}, shape=X.shape)
    adata.write_h5ad(tmp_path / "a.h5ad")
    if opened == "lazy":
        pytest.importorskip("xarray")
        adata = ad.experimental.read_lazy(tmp_path / "a.h5ad")
    else:
        adata = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with pytest.raises(InputValueError, match=r"has no X.*without backed="):
        modality(adata[:2] if opened == "view" else adata)


CLASSES = ["CGC", "ScBiGNN", "ScGraPhT", "ScNetFormer", "ScRegNet", "ScTransNet"]
BY_MUDATA = {"ScBiGNN", "ScGraPhT"}
"""Classes that take a MuData, by ``setup_mudata``."""


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(
    ("given", "says"), [(None, "got None"), ("a.h5ad", "Read it first"), (X, "got ndarray. Make one")], ids=str
)
def test_a_model_class_refuses_what_is_no_object(name, given, says):
    cls = getattr(sgt.models, name)
    labels = {"labels_key": "y"} if name in BY_MUDATA else {}
    with pytest.raises(InputTypeError, match=f"adata is an AnnData; .*{says}|{says}"):
        cls.setup_anndata(given, **labels)
    with pytest.raises(InputTypeError, match=says):
        cls(given)
    if name in BY_MUDATA:
        with pytest.raises(InputTypeError, match=says):
            cls.setup_mudata(given, modalities={"rna": "rna"}, **labels)


@pytest.mark.parametrize("name", CLASSES)
def test_a_model_class_says_how_a_mudata_is_set_up(name, both):
    cls = getattr(sgt.models, name)
    labels = {"labels_key": "y"} if name in BY_MUDATA else {}
    todo = r"Call sgt.models.\w+.setup_mudata\(mdata" if labels else r"Pass the modality that holds the RNA"
    with pytest.raises(InputTypeError, match=f"got MuData. {todo}"):
        cls.setup_anndata(both, **labels)
    if labels:
        with pytest.raises(InputTypeError, match=r"mdata is a MuData; got AnnData. Call sgt.models.\w+.setup_anndata"):
            cls.setup_mudata(ad.AnnData(X), modalities={"rna": "rna"}, **labels)
