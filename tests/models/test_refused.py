"""What model classes refuse, each in the package's words, and nothing half done."""

import inspect

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests.models.test_cell_labels import cells as labelled_cells
from tests.models.test_train import CLASSES, bare

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError, SgtError
from scgnn_tools.labels import label_method
from scgnn_tools.links import check_pairs, link_predictor
from scgnn_tools.models import CGC, FineTuner, ScBiGNN, ScGraPhT, ScNetFormer, ScRegNet, ScTransNet
from scgnn_tools.train.arguments import one_device

SIZES = {"dim": 8, "heads": 2, "hidden": 8, "n_layers": 1, "max_length": 40}


@pytest.fixture
def adata():
    return labelled_cells()


@pytest.mark.parametrize("cls", [ScGraPhT, ScBiGNN])
@pytest.mark.parametrize(
    ("name", "word"), [("device", "accelerator"), ("checkpoint", "folder"), ("devices", "devices")]
)
def test_what_belongs_to_train(adata, cls, name, word):
    cls.setup_anndata(adata, labels_key="cell_type")
    with pytest.raises(InputValueError, match=rf"{name} is no option of {cls.__name__}\. Pass {word}= to train"):
        cls(adata, **{name: "cpu"})


@pytest.mark.parametrize("cls", [ScRegNet, ScTransNet])
def test_a_link_model_trains_where_train_says(adata, cls):
    cls.setup_anndata(adata, prior=pd.DataFrame({"source": ["SPI1"], "target": ["LYZ"]}))
    with pytest.raises(InputValueError, match=r"Pass accelerator= to train"):
        cls(adata, device="cpu")


@pytest.mark.parametrize("cls", [CGC, ScNetFormer])
def test_networks_name_the_options_that_they_lack(adata, cls):
    cls.setup_anndata(adata)
    with pytest.raises(InputValueError, match="has no option 'nonsense'; its options are: dim"):
        cls(adata, nonsense=3)


@pytest.mark.parametrize("cls", [CGC, ScNetFormer, ScRegNet, ScTransNet])
def test_a_view_is_not_set_up(adata, cls):
    with pytest.raises(InputValueError, match=r"Pass adata\.copy"):
        cls.setup_anndata(adata[:20])


@pytest.mark.parametrize("cls", [CGC, ScNetFormer])
def test_a_wrong_folder_leaves_the_object_as_it_is(adata, tmp_path, cls):
    with pytest.raises(SgtError):
        cls.load(tmp_path / "absent", adata)
    assert "sgt" not in adata.uns
    with pytest.raises(InputTypeError, match="folder is a path"):
        cls.load(None, adata)


def public(kind):
    """Return class, name and parameters of the public methods of model classes, a row for each of their names of a kind."""
    out = []
    for cls in CLASSES:
        for name, thing in inspect.getmembers(cls, callable):
            if name == "__init__" or not name.startswith("_"):
                parameters = {n: p for n, p in inspect.signature(thing).parameters.items() if n != "self"}
                for found in kind(parameters):
                    out.append(pytest.param(cls, name, parameters, found, id=f"{cls.__name__}.{name}-{found}"))
    return out


def called(cls, name, parameters, **given):
    """Call a method of a model that was never made, with None for what it cannot go without."""
    free = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    needs = {n: None for n, p in parameters.items() if p.default is p.empty and p.kind not in free}
    return (cls if name == "__init__" else getattr(bare(cls), name))(**needs | given)


@pytest.mark.parametrize(
    ("cls", "name", "parameters", "flag"), public(lambda ps: [n for n, p in ps.items() if isinstance(p.default, bool)])
)
def test_a_flag_of_every_method_is_true_or_false(cls, name, parameters, flag):
    for wrong in (3, "no", None):
        with pytest.raises(InputValueError, match=f"^{flag} is True or False; got {wrong!r}"):
            called(cls, name, parameters, **{flag: wrong})


@pytest.mark.parametrize(
    ("cls", "name", "parameters", "options"), public(lambda ps: [] if any(p.kind is p.VAR_KEYWORD for p in ps.values()) else ["any"])
)  # fmt: skip
def test_a_name_that_no_method_has_is_refused_with_those_that_it_has(cls, name, parameters, options):
    who = cls.__name__ if name == "__init__" else rf"{cls.__name__}\.{name}\(\)"
    shown = ", ".join(n for n in parameters) or "none"
    with pytest.raises(InputValueError, match=f"^{who} has no option 'nonsense'; its options are: {shown}"):
        called(cls, name, parameters, nonsense=1)


@pytest.mark.parametrize(("cls", "name"), [(CGC, "train"), (CGC, "load"), (ScNetFormer, "load")])
def test_a_method_that_hands_options_on_names_those_as_well(cls, name):
    folder = {"folder": "absent"} if name == "load" else {}
    with pytest.raises(
        InputValueError,
        match=rf"^{cls.__name__}\.{name}\(\) has no option 'max_epoch'.*(Did you mean 'max_epochs'|precision)",
    ):
        getattr(bare(cls), name)(**folder, max_epoch=3)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_class_of_the_user_is_named_where_something_is_missing(cls):
    with pytest.raises(InputTypeError, match=rf"^{cls.__name__} wants (adata|model)=, which is missing\. Pass"):
        cls()


@pytest.mark.parametrize(
    ("cls", "wrong"), [(CGC, "model"), (ScNetFormer, "model"), (ScRegNet, "model"), (FineTuner, "model")]
)
def test_load_refuses_what_the_folder_holds(cls, wrong, tmp_path):
    with pytest.raises(
        InputValueError, match=rf"^{cls.__name__}\.load\(\) has no option '{wrong}'; .*folder, adata, device"
    ):
        cls.load(tmp_path, **{wrong: 1})


@pytest.mark.parametrize(("name", "value"), [("max_epochs", 3), ("patience", 4), ("batch_size", 16)])
def test_how_long_it_trains_is_said_to_train(adata, name, value):
    adata.var_names = genes.prior()["target"].drop_duplicates()[: adata.n_vars]
    ScRegNet.setup_anndata(adata)
    ScGraPhT.setup_anndata(adata, labels_key="cell_type")
    for cls in (ScRegNet, ScGraPhT):
        with pytest.warns(
            FutureWarning, match=f"{name}= of {cls.__name__} goes in the next release; pass {name}={value} to"
        ):
            cls(adata, **{name: value})
    with pytest.warns(FutureWarning, match=r"pass early_stopping=False, if .* to ScGraPhT\.train"):
        ScGraPhT(adata, patience=None)
    ScTransNet.setup_anndata(adata)
    with pytest.warns(FutureWarning, match=r"pass early_stopping=False, if .* to ScTransNet\.train"):
        ScTransNet(adata, patience=None)


def test_a_list_of_options_has_each_once(adata):
    ScBiGNN.setup_anndata(adata, labels_key="cell_type")
    with pytest.raises(InputValueError) as error:
        ScBiGNN(adata, nonsense=1)
    assert str(error.value).count("patience,") == 1


def test_a_network_that_was_read_without_cells_asks_for_them(adata, tmp_path):
    adata.var_names = genes.prior()["target"].drop_duplicates()[: adata.n_vars]
    for cls, more in ((CGC, {"n_graph_layers": 1, "min_cells": 1}), (ScNetFormer, {"min_cells": 1})):
        cls.setup_anndata(adata)
        cls(adata, **SIZES, **more, device="cpu").save(tmp_path / cls.__name__)
        alone = cls.load(tmp_path / cls.__name__, device="cpu")
        assert alone.get_latent_representation(adata).shape == (adata.n_obs, 8)
        for ask in (alone.train, alone.get_latent_representation):
            with pytest.raises(InputValueError, match="There are no cells: pass adata"):
                ask()


def test_flags_are_flags(adata, tmp_path):
    CGC.setup_anndata(adata)
    model = CGC(adata, n_graph_layers=1, min_cells=1, **SIZES)
    model.save(tmp_path / "m")
    with pytest.raises(InputValueError, match="overwrite is True or False"):
        model.save(tmp_path / "m", overwrite="no")
    ScNetFormer.setup_anndata(adata)
    for wrong in ("geneformer", model.model):
        with pytest.raises(InputTypeError, match="model is a Geneformer, loaded with"):
            ScNetFormer(adata, model=wrong)
    for nothing in (None, "x"):
        with pytest.raises(InputTypeError, match="AnnData"):
            FineTuner(model.model, nothing, labels_key="cell_type")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"n_tokens": 3}, "has no option 'n_tokens'"),
        ({"pad_id": "x"}, "has no option 'pad_id'"),
        ({"n_bins": "x"}, "n_bins is an integer of at least 2; got 'x'"),
        ({"n_classes": 0}, "n_classes is a positive integer; got 0"),
        ({"cls_value": "x"}, "cls_value is a number; got 'x'"),
        ({"on_bad": "x"}, "on_bad= is of files"),
        ({"layer": "X"}, r"told layer= before: pass it to sgt\.models\.CGC\.setup_anndata"),
        ({"assets": {"foo": "x"}}, "has no asset 'foo' .* its assets are: tf_target, positions"),
        ({"assets": {"positions": "x"}}, r"assets\['positions'\] is the path of .*no file 'x'"),
        ({"assets": 3}, "assets is a dict, role -> path; got 3"),
        ({"coexpression": 3}, "coexpression is a path"),
        ({"coexpression": "nofile.csv"}, "coexpression is the path of .*or 'auto'; there is no file 'nofile.csv'"),
        ({"text": 3}, "text is a path"),
        ({"text": "nofile"}, "text is the path of .*no file 'nofile'"),
    ],
)
def test_options_of_a_new_network_are_checked(adata, given, says):
    CGC.setup_anndata(adata)
    with pytest.raises((InputValueError, InputTypeError), match=says):
        CGC(adata, min_cells=1, **SIZES, **given)


@pytest.mark.parametrize("standardised", [True, False])
def test_bins_are_predicted_as_they_are_on_request(adata, standardised):
    CGC.setup_anndata(adata)
    assert CGC(adata, min_cells=1, standardised=standardised, **SIZES).model.sizes.standardised is standardised


def test_cgc_trains_on_networks_of_cgc_alone(adata):
    CGC.setup_anndata(adata)
    for wrong in (sgt.fm.load("cgc-mini"), "cgc", 3):
        with pytest.raises(
            InputValueError, match=r"model is a network of Cell-Graph Compass, loaded with sgt\.fm\.load"
        ):
            CGC(adata, model=wrong)


def test_only_models_of_the_same_genes_are_stable_together(adata):
    ScBiGNN.setup_anndata(adata, labels_key="cell_type")
    model = ScBiGNN(adata)
    for others in (["a"], model, [object()]):
        with pytest.raises(SgtError, match=r"others is a list of trained ScBiGNN"):
            model.gene_graph(others=others)


@pytest.mark.parametrize("cls", [ScGraPhT, ScBiGNN])
def test_a_refused_training_leaves_a_loaded_model_as_it_was(adata, cls, tmp_path):
    cls.setup_anndata(adata, labels_key="cell_type")
    first = cls(adata, use_rep="X_own", **({} if cls is ScGraPhT else {"iterations": 1}))
    first.train(max_epochs=2, accelerator="cpu", folder=tmp_path / "run").save(tmp_path / "m")
    some = adata[adata.obs["cell_type"].isin(["NK", "T"])].copy()
    model = cls.load(tmp_path / "m", some, device="cpu")
    before = model.predict()
    with pytest.raises(SgtError):
        model.train(max_epochs=2, accelerator="cpu", folder=tmp_path / "run")
    assert list(model.classes) == ["B", "NK", "T"]
    assert (model.predict() == before).all()


@pytest.mark.parametrize("cls", [ScGraPhT, ScBiGNN])
@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"use_rep": "X_ow"}, MissingKeyError, r"^use_rep='X_ow' is not in obsm; .* Did you mean 'X_own'\?"),
        ({"use_rep": ["X_own"]}, MissingKeyError, r"^use_rep=\['X_own'\] is not in obsm; there is: X_own"),
        ({"use_rep": 3}, MissingKeyError, r"^use_rep=3 is not in obsm; there is: X_own"),
        ({"use_rep": "sparse"}, InputTypeError, r"^obsm\['sparse'\] is a sparse matrix; vectors are dense"),
        ({"use_rep": "text"}, InputTypeError, r"^obsm\['text'\] holds .* no numbers"),
        ({"model": "zz"}, InputValueError, r"^There is no model 'zz'; the models are cgc-mini"),
        ({"model": 3}, InputValueError, r"^There is no model '3'; the models are cgc-mini"),
        ({"model": ""}, InputValueError, r"^There is no model ''; the models are cgc-mini"),
        ({"model": ["cgc-mini"]}, InputValueError, r"^There is no model .* the models are cgc-mini"),
    ],
)
def test_vectors_that_are_not_there_are_refused_before_any_work(adata, cls, given, error, says):
    cls.setup_anndata(adata, labels_key="cell_type")
    adata.obsm["sparse"] = sp.csr_matrix(adata.obsm["X_own"])
    adata.obsm["text"] = pd.DataFrame({"a": ["x"] * adata.n_obs}, index=adata.obs_names)
    with pytest.raises(error, match=says):
        cls(adata, **given)


@pytest.mark.parametrize("wrong", [{"rna": ["rna"]}, {"rna": 3}, {"adt": "rna"}, {}, ["rna"], "rna", None])
def test_modalities_are_a_dict_of_names(adata, wrong):
    mudata = pytest.importorskip("mudata")
    with pytest.raises(InputValueError, match=r"^modalities says which modality is 'rna'"):
        ScGraPhT.setup_mudata(mudata.MuData({"rna": adata}), modalities=wrong, labels_key="cell_type")


ODD = [[], {}, np.array([1, 2]), np.array(["a", "b"]), pd.NA, pd.Series([1, 2]), pd.DataFrame({"a": [1]}), 10**400]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize(
    "name", ["precision", "variant", "thinning", "coexpression", "standardised", "dim", "heads", "n_layers", "dropout", "max_length"]
)  # fmt: skip
def test_an_option_of_a_network_of_any_kind_is_refused_by_name(adata, name, odd):
    CGC.setup_anndata(adata)
    with pytest.raises(SgtError, match=f"^{name} is "):
        CGC(adata, **SIZES | {name: odd})


@pytest.mark.parametrize("name", ["dim", "hidden", "n_layers"])
def test_a_size_that_no_tensor_has_is_refused_by_name(adata, name):
    CGC.setup_anndata(adata)
    with pytest.raises(InputValueError, match=rf"^{name} is a positive integer and at most .*; got 1000000000000"):
        CGC(adata, **SIZES | {name: 10**20})


@pytest.mark.parametrize("odd", ODD[:-1], ids=lambda odd: type(odd).__name__)  # the last is patience without end
@pytest.mark.parametrize("name", ["protocol", "scheme", "patience"])
def test_an_option_of_scgrapht_of_any_kind_is_refused_by_name(name, odd):
    with pytest.raises(SgtError, match=f"^{name} is "):
        label_method("scgrapht", **{name: odd})


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize("method", ["scregnet", "sctransnet"])
def test_an_option_of_a_link_model_of_any_kind_is_refused_by_name(method, odd):
    with pytest.raises(SgtError, match=r"^backbone is "):
        link_predictor(method, backbone=odd)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_devices_of_any_kind_are_refused_by_name(odd):
    with pytest.raises(InputValueError, match="trains on one device: devices is 'auto', 1"):
        one_device("Perturb", "auto", odd)


def test_a_column_of_pairs_that_stands_twice_is_named(adata):
    pairs = pd.DataFrame([["A", "B", "C"]], columns=["source", "target", "source"])
    model = bare(ScRegNet)
    model.predictor = object()
    with pytest.raises(InputValueError, match=r"each once; source stands several times\. Keep the first: pairs = "):
        model.predict(pairs)
    with pytest.raises(InputValueError, match="each once; tf stands several times"):
        check_pairs(pairs.set_axis(["tf", "target", "tf"], axis=1), labelled=False)


def test_tune_looks_at_the_device_before_any_work():
    with pytest.raises(InputValueError, match=r"^Device 'x' is not available"):
        bare(ScRegNet).tune(2, device="x")
