"""``models.CGC``: edges and text features that its corpus and its user bring."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools import genes as package_genes
from scgnn_tools._errors import InputValueError
from scgnn_tools.models.untrained import untrained_cgc

SIZES = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1, "n_graph_layers": 1, "max_length": 33}


@pytest.fixture
def cells():
    """200 cells of 60 genes; the second half of the genes follows the first."""
    rng = np.random.default_rng(0)
    genes = package_genes.prior()["target"].drop_duplicates().to_numpy()[:60]
    first = rng.poisson(rng.gamma(1.0, 3.0, size=(200, 30)))
    x = np.concatenate([first, first + rng.poisson(0.3, size=(200, 30))], axis=1)
    return ad.AnnData(sp.csr_matrix(x.astype(np.float32)), var=pd.DataFrame(index=genes))


def test_the_corpus_makes_its_coexpression_edges(cells, tmp_path):
    plain, linked = (untrained_cgc([cells], min_cells=1, coexpression=c, **SIZES) for c in (None, "auto"))
    index = pd.Index(linked.vocabulary)
    a, b = index.get_indexer(cells.var_names[:30]), index.get_indexer(cells.var_names[30:])
    graph = linked.graph
    there = [y in graph.targets[graph.offsets[x] : graph.offsets[x + 1]] for x, y in zip(a, b, strict=True)]
    assert np.mean(there) > 0.9
    assert linked.graph.n_edges > plain.graph.n_edges
    assert not plain.graph.correlation.any()
    # they are kept with the model: a cell's vector does not depend on those beside it
    linked.save(tmp_path / "model")
    again = sgt.fm.load("cgc", checkpoint=tmp_path / "model")
    np.testing.assert_allclose(again.embed_cells(cells[:1]), linked.embed_cells(cells)[:1], atol=1e-5)


def test_coexpression_and_text_features_of_files(cells, tmp_path):
    pairs = pd.DataFrame({"source": cells.var_names[:1], "target": cells.var_names[7:8], "weight": [0.8]})
    pairs.to_csv(tmp_path / "edges.csv", index=False)
    rng = np.random.default_rng(0)
    pd.DataFrame(rng.normal(size=(60, 768)), index=cells.var_names).to_csv(tmp_path / "text.csv")
    sgt.models.CGC.setup_anndata(cells)
    files = {"coexpression": tmp_path / "edges.csv", "text": tmp_path / "text.csv"}
    cgc = sgt.models.CGC(cells, min_cells=1, **files, **SIZES)
    assert cgc.model.graph.correlation.max() == pytest.approx(0.8)
    assert cgc.model.sizes.n_text == 768
    cgc.train(steps=2, batch_size=16)
    cgc.save(tmp_path / "model")
    again = sgt.models.CGC.load(tmp_path / "model", cells)
    np.testing.assert_allclose(again.get_latent_representation(), cgc.get_latent_representation(), atol=1e-5)


def test_the_network_of_the_paper_trains_and_comes_back(cells, tmp_path):
    sgt.models.CGC.setup_anndata(cells)
    cgc = sgt.models.CGC(cells, variant="paper", coexpression="auto", min_cells=1, **SIZES).train(
        steps=3, batch_size=16
    )
    assert np.isfinite(cgc.history["validation"]).all()
    cgc.save(tmp_path / "model")
    again = sgt.models.CGC.load(tmp_path / "model", cells)
    assert again.model.sizes.variant == "paper"
    np.testing.assert_allclose(again.get_latent_representation(), cgc.get_latent_representation(), atol=1e-5)


def test_edges_for_a_network_without_a_graph_are_refused(cells):
    with pytest.raises(InputValueError, match="graph=False has none"):
        untrained_cgc([cells], graph=False, coexpression="auto", **SIZES)


def test_a_copy_is_tuned_on_batches_and_maps_new_cells(cells):
    cells.obs["donor"] = np.array(["x", "y"])[np.arange(200) % 2]
    sgt.models.CGC.setup_anndata(cells)
    cgc = sgt.models.CGC(cells, min_cells=1, **SIZES)
    before = {k: v.clone() for k, v in cgc.model.network.state_dict().items()}
    atlas = cgc.integrate("donor", max_epochs=1, ecs=1.0)
    assert atlas.vectors.shape == (200, 16)
    assert all((before[k] == v).all() for k, v in cgc.model.network.state_dict().items())
    np.testing.assert_allclose(atlas.transform(cells[3:5].copy()), atlas.vectors[3:5], atol=1e-4)
    with pytest.raises(InputValueError, match="cgc has no option 'eecs'"):
        cgc.integrate("donor", eecs=1.0)
