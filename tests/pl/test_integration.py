import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import MissingKeyError


@pytest.fixture(scope="module")
def integrated(_pbmc68k):
    adata = _pbmc68k[::4].copy()
    adata.obs["lane"] = np.array(["one", "two"])[np.arange(adata.n_obs) % 2]
    sgt.tl.integrate(adata, "lane", labels_key="bulk_labels", method="center", baselines=("pca",), n_comps=10)
    return adata


@pytest.mark.parametrize("flat", ["quick_umap", pytest.param("umap", marks=pytest.mark.slow)])
def test_a_row_a_method_and_the_cells_by_batch_and_label(integrated, request, flat):
    if flat == "quick_umap":
        request.getfixturevalue(flat)
    figure = sgt.pl.integration(integrated)
    bars, squares, by_batch, by_label = [ax for part in figure.subfigs for ax in part.axes]
    names = [t.get_text() for t in bars.get_yticklabels()]
    assert set(names) == set(integrated.uns["sgt_integrated"]["evaluation"].index)
    assert {*names[:3]} == {"random", "labels", "labels x batch"}  # controls below
    assert [t.get_text() for t in squares.get_xticklabels()][-1] == "PCR"
    assert by_batch.get_title(loc="left") == "lane"
    assert by_label.get_title(loc="left") == "bulk_labels"


def test_what_was_not_scored_cannot_be_drawn(integrated):
    with pytest.raises(MissingKeyError, match="holds no scored integration"):
        sgt.pl.integration(integrated, "other")


def test_three_cells_of_a_scored_object_are_drawn(integrated):
    figure = sgt.pl.integration(integrated[:3].copy())
    assert len(figure.subfigs[1].axes) == 2
