"""``models.ScNetFormer``: set up, train each strategy, embed with the graph of the tissue, save, load."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools import genes as package_genes
from scgnn_tools._errors import GraphError, InputValueError, MissingKeyError
from scgnn_tools.fm.scnetformer.walks import walk_vectors
from scgnn_tools.models.untrained import untrained_geneformer

SIZES = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 2, "max_length": 64, "min_cells": 1, "device": "cpu"}


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    genes = package_genes.prior()["target"].drop_duplicates().to_numpy()[:80]
    means = rng.gamma(0.5, 2.0, size=(2, 80))[np.arange(60) % 2]
    obs = pd.DataFrame({"tissue": np.where(np.arange(60) % 2, "heart", "skin")}, index=[f"c{i}" for i in range(60)])
    adata = ad.AnnData(sp.csr_matrix(rng.poisson(means).astype(np.float32)), var=pd.DataFrame(index=genes), obs=obs)
    sgt.models.ScNetFormer.setup_anndata(adata)
    return adata


@pytest.fixture
def edges(cells):
    rng = np.random.default_rng(1)
    names = cells.var_names.to_numpy()
    pairs = {"source": rng.choice(names, 300), "target": rng.choice(names, 300)}
    return pd.DataFrame({**pairs, "weight": rng.uniform(0, 2, 300)})


@pytest.mark.parametrize(
    "strategy",
    [
        {"graph_layers": 2},
        {"graph_layers": 0, "walk_dim": 8},
        {"graph_layers": 0, "masked_layers": "all"},
        {"graph_layers": 0, "contrast": 0.1},
        {"graph_layers": 3, "masked_layers": [1], "masked_heads": [0], "contrast": 0.1, "contrast_threshold": 1.0},
    ],
)
def test_each_strategy_trains_and_comes_back(cells, edges, tmp_path, strategy):
    net = sgt.models.ScNetFormer(cells, graph=edges, **strategy, **SIZES)
    start = net.get_latent_representation()
    net.train(2, lr=1e-3)
    assert np.isfinite(net.history.to_numpy()).all()
    if strategy["graph_layers"] or "walk_dim" in strategy:
        assert float(net.model.network.gate.detach().abs()) > 0
    if "contrast_threshold" in strategy:
        assert net.model.contrast_graph.n_edges < net.model.graph.n_edges
    vectors = net.get_latent_representation()
    assert vectors.shape == (60, 16)
    assert not np.allclose(vectors, start)
    net.save(tmp_path / "net")
    again = sgt.models.ScNetFormer.load(tmp_path / "net", cells)
    np.testing.assert_allclose(again.get_latent_representation(), vectors, atol=1e-5)
    np.testing.assert_allclose(
        sgt.fm.load("scnetformer", checkpoint=tmp_path / "net").embed_cells(cells), vectors, atol=1e-5
    )


def test_the_same_seed_gives_the_same_weights_and_the_geneformer_stays(cells, edges):
    base = untrained_geneformer(cells, **SIZES)
    before = base.embed_cells(cells)
    first, second = (
        sgt.models.ScNetFormer(cells, model=base, graph=edges).train(1, lr=1e-3).get_latent_representation()
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(base.embed_cells(cells), before)


def test_a_tissue_gets_its_graph(cells, edges):
    sgt.models.ScNetFormer.setup_anndata(cells, tissue_key="tissue")
    graphs = {"heart": edges[:150], "lung": edges[150:]}
    net = sgt.models.ScNetFormer(cells, graph=graphs, masked_layers="all", graph_layers=0, **SIZES)
    tokens = net._setup.tokens(net.model, cells)
    np.testing.assert_array_equal(tokens.groups, np.where(np.arange(60) % 2, 0, -1))
    heart = sgt.models.ScNetFormer(cells, graph=edges[:150], masked_layers="all", graph_layers=0, **SIZES)
    close = np.isclose(net.get_latent_representation(), heart.get_latent_representation(), atol=1e-6).all(axis=1)
    assert close[1::2].all()
    assert not close[::2].any()


def test_the_medians_are_those_of_expressed_genes(cells):
    model = untrained_geneformer(cells, **SIZES)
    x = cells.X.toarray()
    x = 1e4 * x / x.sum(axis=1, keepdims=True)
    for gene, median in zip(model.vocabulary[:9], model.medians[:9], strict=True):
        column = x[:, cells.var_names.get_loc(gene)]
        assert median == pytest.approx(np.median(column[column > 0]), rel=1e-4)
    assert model.card.gene_key == "symbol"


def test_a_geneformer_of_ones_own_comes_back(cells, tmp_path):
    model = untrained_geneformer(cells, **SIZES)
    model.save(tmp_path / "m")
    again = sgt.fm.load("geneformer", checkpoint=tmp_path / "m", device="cpu")
    np.testing.assert_allclose(again.embed_cells(cells), model.embed_cells(cells), atol=1e-6)


def test_importance_of_factors_stands_beside_their_degree(cells):
    net = sgt.models.ScNetFormer(cells, **SIZES)
    table = sgt.fm.scnetformer.tf_importance(net.model, cells)
    assert set(table.index) <= set(package_genes.transcription_factors())
    received = net.model.attention_received(cells)
    factor = table.index[0]
    assert table.loc[factor, "attention"] == pytest.approx(float(received[factor]))
    assert table.loc[factor, "n_cells"] == (cells[:, factor].X.toarray() > 0).sum()
    row = list(net.model.vocabulary).index(factor)
    assert table.loc[factor, "degree"] == net.model.graph.union[[row]].nnz
    assert -1 <= table.attrs["spearman"] <= 1
    assert table.attrs["mean_factors"] == pytest.approx(table["attention"].mean())
    others = received.drop(table.index).dropna()
    assert table.attrs["mean_others"] == pytest.approx(others.mean(), rel=0.2)
    assert 0 <= table.attrs["above"] <= 1
    assert 0 <= table.attrs["above_cells"] <= 1


def test_weights_are_chosen_on_cells_that_validate(cells, edges):
    net, table = sgt.models.ScNetFormer.choose(
        cells,
        masking=(1.0, 0.0),
        contrast=(0.1,),
        graph=edges,
        graph_layers=0,
        train={"lr": 5e-3},
        max_epochs=2,
        **SIZES,
    )
    assert table["masked"].is_monotonic_increasing
    assert table.loc[0, "masking"] == 1.0  # without the masked loss nothing is learnt of masked genes
    assert net.model.sizes.masking == 1.0
    assert len(net.history) == 2
    assert table["contrastive"].notna().all()
    with pytest.raises(InputValueError, match="no weight to try"):
        sgt.models.ScNetFormer.choose(cells, contrast=(), **SIZES)
    with pytest.raises(InputValueError, match="not by both"):
        sgt.models.ScNetFormer(cells, graph=edges, graph_layers=2, walk_dim=8, **SIZES)
    with pytest.raises(InputValueError, match="one of the losses has a weight"):
        sgt.models.ScNetFormer(cells, graph=edges, masking=0.0, **SIZES)


def test_walks_bring_genes_together_that_share_neighbours():
    block = np.kron(np.eye(2), np.ones((10, 10))) - np.eye(20)
    block[0, 19] = block[19, 0] = 1
    vectors = walk_vectors(sp.csr_array(np.pad(block, (0, 1))), 4)
    cosine = vectors @ vectors.T
    assert vectors.shape == (21, 4)
    assert (vectors[20] == 0).all()
    assert cosine[1, 2:10].min() > cosine[1, 10:19].max()
    np.testing.assert_array_equal(vectors, walk_vectors(sp.csr_array(np.pad(block, (0, 1))), 4))


def test_what_is_wrong_is_said(cells, edges):
    bare = cells.copy()
    del bare.uns["sgt"]
    with pytest.raises(MissingKeyError, match="setup_anndata"):
        sgt.models.ScNetFormer(bare)
    with pytest.raises(MissingKeyError, match="tissue_key='organ'"):
        sgt.models.ScNetFormer.setup_anndata(cells, tissue_key="organ")
    with pytest.raises(GraphError, match="above the threshold 9"):
        sgt.models.ScNetFormer(cells, graph=edges, threshold=9.0, **SIZES)
    with pytest.raises(InputValueError, match="masked_layers is 'all' or a list"):
        sgt.models.ScNetFormer(cells, masked_layers="some", **SIZES)
    with pytest.raises(InputValueError, match="masked_heads is 'all' or a list of positions; got 3"):
        sgt.models.ScNetFormer(cells, masked_heads=3, **SIZES)
    with pytest.raises(InputValueError, match="masked_layers is an integer of at least 0; got 'a'"):
        sgt.models.ScNetFormer(cells, masked_layers=("a",), **SIZES)
    with pytest.raises(InputValueError, match="organism is 'human' or 'mouse'; got 'fly'"):
        sgt.models.ScNetFormer.setup_anndata(cells, organism="fly")
    net = sgt.models.ScNetFormer(cells, **SIZES)
    for ignored in (
        {"graph": edges}, {"contrast_graph": edges}, {"threshold": 1.0}, {"graph_layers": 3}, {"walk_dim": 8}, {"masked_layers": "all"},
        {"masked_heads": [0]}, {"masking": 0.5}, {"contrast": 0.1}, {"contrast_threshold": 1.0}, {"detached": True}, {"dim": 16},
    ):  # fmt: skip
        with pytest.raises(InputValueError, match=f"has its graphs and sizes; leave out {next(iter(ignored))}"):
            sgt.models.ScNetFormer(cells, model=net.model, **ignored)
    for unread in ({"contrast_graph": edges}, {"contrast_threshold": 1.0}, {"temperature": 0.2}, {"masked_heads": [0]}):
        with pytest.raises(
            InputValueError, match=f"{next(iter(unread))}.* (contrast=0 leaves out|masked_layers, and there is none)"
        ):
            sgt.models.ScNetFormer(cells, **unread, **SIZES)
    for name, wrong in (("detached", "x"), ("temperature", 0), ("max_anchors", 2.5)):
        with pytest.raises(InputValueError, match=f"^{name} is"):
            sgt.models.ScNetFormer(cells, **{name: wrong}, **SIZES)
    with pytest.raises(InputValueError, match="Pass max_epochs= beside train="):
        sgt.models.ScNetFormer.choose(cells, train={"max_epochs": 3}, **SIZES)
    with pytest.raises(InputValueError, match="begins with a Geneformer"):
        sgt.models.ScNetFormer.choose(cells, model=net.model)
    with pytest.raises(InputValueError, match=r"share is a number above 0 and below 1; got 1\.0"):
        net.train(share=1.0)
    with pytest.raises(InputValueError, match="has its sizes"):
        sgt.models.ScNetFormer(cells, model=untrained_geneformer(cells, **SIZES), dim=32)
