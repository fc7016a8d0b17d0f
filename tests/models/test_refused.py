"""What model classes refuse, each in the package's words, and nothing half done."""

import pandas as pd
import pytest
from tests.models.test_cell_labels import cells as labelled_cells

from scgnn_tools._errors import InputTypeError, InputValueError, SgtError
from scgnn_tools.models import CGC, FineTuner, ScBiGNN, ScGraPhT, ScNetFormer, ScRegNet, ScTransNet

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
    with pytest.raises(InputValueError, match="has no option 'nonsense'; its options are: n_tokens, dim"):
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


def test_only_models_of_the_same_genes_are_stable_together(adata):
    ScBiGNN.setup_anndata(adata, labels_key="cell_type")
    model = ScBiGNN(adata)
    for others in (["a"], model, [object()]):
        with pytest.raises(SgtError, match=r"others is a list of trained ScBiGNN"):
            model.gene_graph(others=others)
