import anndata as ad
import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools.data import open_expression
from scgnn_tools.genes import gene_names, match


@pytest.fixture(scope="module")
def model():
    return sgt.fm.load("corpus-svd")


def test_it_is_the_linear_map_that_it_says(model):
    from scgnn_tools.assets import immune_reference

    cells = immune_reference()[::200].copy()
    found = match(gene_names(cells.var), model.vocabulary)
    x = open_expression(cells).log_normalized() @ found.projection()
    expected = x.astype(np.float64) @ model._loadings.astype(np.float64)
    np.testing.assert_allclose(model.embed_cells(cells), expected, atol=1e-5)


def test_the_loadings_are_orthonormal_up_to_half_precision(model):
    gram = model._loadings.T @ model._loadings
    np.testing.assert_allclose(gram, np.eye(model.card.dimension), atol=5e-3)
    assert (np.diff(model._singular_values) <= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("pbmc3k", 0.90), ("zheng_sorted_ref", 0.89), ("baron_mouse", 0.78)])
def test_neighbours_share_labels_on_cells_that_the_corpus_does_not_hold(model, test_data, name, least):
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    adata = ad.read_h5ad(test_data / f"cells/{name}.h5ad")
    if name == "baron_mouse":
        with pytest.warns(sgt._errors.SgtWarning, match="orthologs"):
            z = model.embed_cells(adata)
    else:
        z = model.embed_cells(adata)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert cross_val_score(KNeighborsClassifier(15), z, adata.obs["cell_type"], cv=folds).mean() > least
