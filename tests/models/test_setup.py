"""What is registered of an object, and of its copies."""

import numpy as np
import pytest
import scipy.sparse as sp
from tests._compare import changed
from tests.models.test_cell_labels import cells

from scgnn_tools._errors import MissingKeyError
from scgnn_tools.models import ScBiGNN, ScGraPhT


def set_up_and_copied(**kwargs):
    """Return an object of 80 genes that was set up, and a copy of 60 of them that was set up with other labels."""
    first = cells()
    ScGraPhT.setup_anndata(first, labels_key="cell_type")
    second = first[:, :60].copy()
    ScGraPhT.setup_anndata(second, labels_key="donor", **kwargs)
    return first, second


def test_a_copy_that_is_set_up_leaves_the_original_as_it_was():
    first, second = set_up_and_copied()
    mine, other = ScGraPhT(first, use_rep="X_own"), ScGraPhT(second, use_rep="X_own")
    assert (len(mine.genes), list(mine.classes)) == (80, ["B", "NK", "T"])
    assert (len(other.genes), list(other.classes)) == (60, ["d1", "d2"])
    assert list(ScGraPhT(second[:40].copy()).classes) == ["d1", "d2"]  # a part is set up as its object is


def test_an_object_is_set_up_for_several_models_and_so_is_its_copy():
    first, second = set_up_and_copied()
    ScBiGNN.setup_anndata(first, labels_key="donor")
    assert list(ScGraPhT(first).classes) == ["B", "NK", "T"]
    ScBiGNN.setup_anndata(second, labels_key="cell_type")
    assert list(ScGraPhT(second).classes) == ["d1", "d2"]
    assert list(ScBiGNN(first).classes) == ["d1", "d2"]
    assert list(ScBiGNN(second).classes) == ["B", "NK", "T"]


def test_a_model_of_scvi_tools_may_set_the_object_up_in_between():
    scvi = pytest.importorskip("scvi")
    first, second = set_up_and_copied()
    scvi.model.SCVI.setup_anndata(first)
    assert list(ScGraPhT(first).classes) == ["B", "NK", "T"]
    ScBiGNN.setup_anndata(first, labels_key="donor")
    assert list(ScGraPhT(first).classes) == ["B", "NK", "T"]
    scvi.model.SCVI.setup_anndata(second)
    ScGraPhT.setup_anndata(second, labels_key="cell_type")
    assert list(ScGraPhT(second).classes) == ["B", "NK", "T"]


def test_a_copy_that_alone_is_set_up_does_not_set_up_its_original():
    scvi = pytest.importorskip("scvi")
    first = cells()
    scvi.model.SCVI.setup_anndata(first)
    ScGraPhT.setup_anndata(first.copy(), labels_key="cell_type")
    with pytest.raises(MissingKeyError, match="not set up for ScGraPhT"):
        ScGraPhT(first)


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array, sp.csc_matrix, np.asarray])
@pytest.mark.parametrize("layer", [None, "counts"])
def test_every_kind_of_matrix_is_set_up_and_read_alike(kind, layer):
    usual, adata = cells(), cells()
    matrix = kind(adata.X.toarray())
    if layer is None:
        adata.X = matrix
    else:
        adata.layers[layer] = matrix
    found = []
    for one in (usual, adata):
        ScGraPhT.setup_anndata(one, labels_key="cell_type")
        found.append(ScGraPhT(one, use_rep="X_own").train(max_epochs=2, accelerator="cpu").predict(soft=True))
    np.testing.assert_array_equal(*found)
    assert type(adata.X if layer is None else adata.layers[layer]) is type(matrix)


@pytest.mark.parametrize("before", [False, True])
def test_a_set_up_that_fails_is_taken_back(monkeypatch, before):
    adata = cells()
    if before:
        ScGraPhT.setup_anndata(adata, labels_key="cell_type")
    as_it_was = adata.copy()

    def fails(manager):
        raise MemoryError

    monkeypatch.setattr("scvi.data.AnnDataManager._assign_most_recent_manager_uuid", fails)
    with pytest.raises(MemoryError):
        ScGraPhT.setup_anndata(adata, labels_key="donor", batch_key="donor")
    assert changed(as_it_was, adata) == set()
