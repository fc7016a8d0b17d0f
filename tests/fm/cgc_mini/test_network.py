import json

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, SgtWarning, WeightsError
from scgnn_tools.assets import immune_reference
from scgnn_tools.data import open_expression
from scgnn_tools.fm import saves
from scgnn_tools.fm.cgc_mini.fitting import telling_vectors
from scgnn_tools.fm.cgc_mini.kernel import add_genes
from scgnn_tools.fm.cgc_mini.network import signs, spread


@pytest.fixture(scope="module")
def model():
    return sgt.fm.load("cgc-mini")


@pytest.fixture(scope="module")
def cells():
    return immune_reference()[::20].copy()


def test_the_folded_graph_is_message_passing(model, cells):
    s = model.settings
    found = model.match(open_expression(cells))
    x = sp.csr_array(open_expression(cells).log_normalized() @ found.projection()).astype(np.float64).toarray()
    into = np.asarray(model.graph.sum(axis=0)).ravel()
    a = model.graph @ sp.diags_array(1 / np.where(into > 0, into, 1))
    states = x + s.step * (x @ a)
    trained = states @ model._stored
    np.testing.assert_allclose(model.embed_cells(cells)[:, :64], trained, atol=1e-5)


def test_clear_expression_takes_off_what_noise_gives():
    level = np.array([1.0, 2.0, 3.0, 1.0, 1.0, 40.0])

    def clear(least):
        """What is multiplied with the fixed vectors, which here are unit vectors."""
        none, out = np.zeros((4, 0)), np.empty((3, 4), dtype=np.float32)
        ids, offsets = np.array([0, 1, 2, 0, 1, 2], dtype=np.int32), np.array([0, 3, 3, 6])
        add_genes(offsets, ids, np.log1p(level * 7).astype(np.float32), (none, np.eye(4), none), 1.5, least, out)
        return out

    out = clear(0.0)
    np.testing.assert_allclose(out[0, 1:3], np.log1p(7 * np.array([0.5, 1.5])), rtol=1e-6)
    assert out[0, 0] == 0
    assert not out[1].any()
    np.testing.assert_allclose(out[2], [0, 0, np.log1p(7 * 38.5), 0], rtol=1e-6)
    np.testing.assert_allclose(clear(1.0)[2, 2], np.log1p(7 * 38.5) - 1, rtol=1e-6)


def test_an_adaptation_looks_at_so_many_cells_whatever_their_order(model, cells, monkeypatch):
    monkeypatch.setattr("scgnn_tools.fm.cgc_mini.network.MOST_CELLS", 110)
    monkeypatch.setattr("scgnn_tools.data.expression.CHUNK", 50)
    seen = []

    def fit(rows, **options):
        seen.append(rows)
        return telling_vectors(rows, **options)

    monkeypatch.setattr("scgnn_tools.fm.cgc_mini.network.telling_vectors", fit)
    one = model.adapt(cells)
    other = model.adapt(cells[np.random.default_rng(0).permutation(cells.n_obs)].copy())
    assert [s.shape[0] for s in seen] == [110, 110]
    assert sorted(seen[0].sum(axis=1)) == pytest.approx(sorted(seen[1].sum(axis=1)))
    assert one.card.dimension == other.card.dimension


def test_random_signs_are_fixed_for_good():
    r = signs(3, 0)
    assert r.shape == (3, 64)
    np.testing.assert_allclose(np.linalg.norm(r, axis=1), 1)
    assert "".join("+" if v > 0 else "-" for v in r[0, :16]) == FIRST
    assert np.array_equal(signs(2, 0), r[:2])


FIRST = "-+-++++++-----+-"


def test_columns_of_the_graph_add_up_to_one():
    graph = sp.csr_array(np.array([[0, 1.0, 0], [3.0, 0, 0], [1.0, 0, 0]]))
    v = np.eye(3)
    np.testing.assert_allclose(spread(v, graph, 0.5), v + 0.5 * np.array([[0, 1, 0], [0.75, 0, 0], [0.25, 0, 0]]))


def test_trained_vectors_tell_clusters_apart_that_noise_hides():
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=300)
    x = rng.poisson(0.2 + 2.0 * (np.arange(30)[None, :] // 10 == kind[:, None])).astype(float)
    v = telling_vectors(sp.csr_array(np.log1p(x)), dimension=4, power=0.5, whitening=0.25)
    z = np.log1p(x) @ v
    np.testing.assert_allclose((z**2).sum(axis=1).mean(), 1)
    centres = np.stack([z[kind == k].mean(axis=0) for k in range(3)])
    assert (np.linalg.norm(z[:, None] - centres, axis=2).argmin(axis=1) == kind).mean() > 0.95


def test_save_and_load_adapted_or_not(model, cells, tmp_path):
    for name, one in (("plain", model), ("adapted", model.adapt(cells))):
        one.save(tmp_path / name)
        again = sgt.fm.load("cgc-mini", checkpoint=tmp_path / name)
        assert again.card.dimension == one.card.dimension
        np.testing.assert_allclose(again.embed_cells(cells[:5].copy()), one.embed_cells(cells[:5].copy()), atol=1e-6)
    assert sgt.fm.recognise(tmp_path / "plain") == "cgc-mini"


def test_a_vocabulary_with_a_hole(model, tmp_path):
    model.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    saves.seal(tmp_path, {**config, "genes": config["genes"][:-1]})
    with pytest.raises(WeightsError, match="do not fit together"):
        sgt.fm.load("cgc-mini", checkpoint=tmp_path)


def test_adapt_adds_vectors_of_the_cells(model, cells):
    sgt.tl.embed(cells, "cgc-mini", adapt=True)
    key = cells.uns["sgt"]["cgc-mini"]["params"]
    assert key["adapted"]
    n = min(50, cells.n_obs // 10)
    assert cells.obsm["X_cgc-mini"].shape[1] == model.card.dimension + n
    plain = model.embed_cells(cells)
    np.testing.assert_array_equal(cells.obsm["X_cgc-mini"][:, : model.card.dimension], plain)


def test_adapt_says_what_it_cannot_do(cells):
    with pytest.raises(InputValueError, match="at least 100 cells; there are 5"):
        sgt.tl.embed(cells[:5].copy(), "cgc-mini", adapt=True)
    with pytest.raises(InputValueError, match="adapt=True is for cgc-mini"):
        sgt.tl.embed(cells, "corpus-svd", adapt=True)


def test_genes_that_the_corpus_lacks_have_no_static_vector(model):
    table = model.gene_table()
    lost = np.isnan(table).any(axis=1)
    assert 0 < lost.sum() < len(table) / 2
    assert lost[model.vocabulary == "SST"].all() or (model.vocabulary != "SST").all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "more"), [("pbmc3k", -0.005), ("zheng_sorted_ref", -0.01), ("baron_mouse", 0.1)])
def test_neighbours_share_labels_more_than_with_the_svd(model, test_data, name, more):
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    adata = ad.read_h5ad(test_data / f"cells/{name}.h5ad")
    folds, labels = StratifiedKFold(5, shuffle=True, random_state=0), adata.obs["cell_type"]
    with pytest.warns(SgtWarning) if name == "baron_mouse" else _quiet():
        both = [m.embed_cells(adata) for m in (model, sgt.fm.load("corpus-svd"))]
    a, b = (cross_val_score(KNeighborsClassifier(15), z, labels, cv=folds).mean() for z in both)
    assert a - b > more


def _quiet():
    from contextlib import nullcontext

    return nullcontext()
