"""Tokens of each model: the limit, ties, the published random variants."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.data.binning import bin_values, keep_random, keep_top, keep_weighted
from scgnn_tools.fm.geneformer.tokens import tokenize as rank


@pytest.mark.parametrize("name", ["scgpt", "cgc"])
def test_a_cell_longer_than_the_limit_keeps_the_most_expressed(folders, cells, name):
    model = sgt.fm.load(name, checkpoint=folders[name], device="cpu", max_length=11)
    tokens = model.tokenize(cells)
    assert tokens.lengths.max() == 11
    cell = np.asarray(cells.X[0].todense()).ravel()
    kept = model.vocabulary[model.gene_of_token(tokens.select(np.array([0])))[1:]]
    assert cell[cells.var_names.get_indexer(kept)].min() >= np.sort(cell)[-10]
    assert len(set(kept)) == 10


@pytest.mark.parametrize("name", ["scgpt", "cgc"])
def test_the_published_random_variants_follow_their_seed(folders, cells, name):
    random = sgt.fm.load(
        name, checkpoint=folders[name], device="cpu", max_length=21, gene_sampling="random", binning="random"
    )
    same, again, other = (random.tokenize(cells, rng=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(same.ids, again.ids)
    np.testing.assert_array_equal(same.values, again.values)
    assert (same.ids != other.ids).any()
    plain = sgt.fm.load(name, checkpoint=folders[name], device="cpu")
    np.testing.assert_array_equal(plain.tokenize(cells, rng=0).values, plain.tokenize(cells, rng=1).values)
    with pytest.raises(InputValueError, match="gene_sampling"):
        sgt.fm.load(name, checkpoint=folders[name], gene_sampling="best")


def test_ranks_ties_and_the_limit():
    counts = sp.csr_array(np.array([[4.0, 2, 2, 0, 8], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]))
    ids, medians = np.arange(10, 15, dtype=np.int32), np.array([1.0, 1, 1, 1, 4])
    tokens = rank(counts, ids, medians, max_length=6, cls_id=2, eos_id=3)
    cells = np.split(tokens.ids, tokens.offsets[1:-1])
    assert cells[0].tolist() == [2, 10, 11, 12, 14, 3]  # 4, then three ties of 2 in the order of the vocabulary
    assert cells[1].tolist() == []
    assert cells[2].tolist() == [2, 10, 11, 12, 13, 3]  # cut to the limit, the ends stay
    assert rank(counts, ids, medians, max_length=3, cls_id=-1, eos_id=-1).lengths.tolist() == [3, 0, 3]


def test_geneformer_divides_by_the_median_of_each_gene(models, cells):
    model = models["geneformer"]
    one = cells[:1].copy()
    tokens = model.tokenize(one)
    position = model.gene_of_token(tokens)
    genes = position[position >= 0]
    found = model.match_names(one.var_names.to_numpy(), None)
    of_vocabulary = np.zeros(len(model.vocabulary))
    of_vocabulary[found.index] = np.asarray(one.X.todense()).ravel()
    value = of_vocabulary[genes] / model.medians[genes]
    assert (np.diff(value) <= 1e-12).all()


def test_unknown_genes_are_no_part_of_the_depth_of_a_cell(models, cells):
    rng = np.random.default_rng(0)
    unknown = sp.csr_matrix(rng.poisson(1.0, (cells.n_obs, 80)).astype(np.float32))
    more = ad.AnnData(sp.hstack([cells.X, unknown], format="csr"))
    more.var_names = [*cells.var_names, *(f"NOGENE{i}" for i in range(80))]
    model = models["scfoundation"]
    assert more.n_vars > len(model.vocabulary)
    assert model.tokenize(more).values.max() == model.tokenize(cells).values.max()


def test_ranks_do_not_see_the_factor_of_a_cell(models, cells):
    import scanpy as sc

    logged = cells.copy()
    sc.pp.normalize_total(logged, target_sum=1e4)
    sc.pp.log1p(logged)
    model = models["geneformer"]
    assert (model.tokenize(logged).ids == model.tokenize(cells).ids).mean() > 0.95


def test_scfoundation_keeps_the_depth_behind_the_genes(models, cells):
    tokens = models["scfoundation"].tokenize(cells)
    total = np.asarray(cells.X.sum(axis=1)).ravel()
    last = tokens.offsets[1:] - 1
    n = len(models["scfoundation"].vocabulary)
    assert (tokens.ids[last] == n + 1).all()
    np.testing.assert_allclose(tokens.values[last], np.log10(total), rtol=1e-6)
    assert (tokens.ids[last - 1] == n).all()
    np.testing.assert_allclose(tokens.values[last - 1], 4.0)


@pytest.mark.parametrize("resolution", ["t", "x3", "f0", "f-1", "4"])
def test_a_wrong_depth_is_an_error(folders, resolution):
    with pytest.raises(InputValueError, match="resolution is 't4'"):
        sgt.fm.load("scfoundation", checkpoint=folders["scfoundation"], resolution=resolution)


def test_bins_are_quantiles_of_the_cell():
    rng = np.random.default_rng(0)
    rows = sp.csr_array(
        sp.random_array((30, 200), density=0.3, rng=rng, data_sampler=lambda size: rng.gamma(1.0, 3.0, size))
    )
    bins = bin_values(rows, 11)
    for a, b in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
        edges = np.quantile(rows.data[a:b], np.linspace(0, 1, 10))
        below, until = np.digitize(rows.data[a:b], edges, right=True), np.digitize(rows.data[a:b], edges)
        # on an edge, the published draw is from (below, until]: the lowest is one above
        np.testing.assert_array_equal(bins[a:b], below + (until > below))


def test_random_bins_lie_between_the_lowest_and_the_highest_that_fit():
    rows = sp.csr_array(np.random.default_rng(0).poisson(2.0, (50, 80)).astype(float))
    low, drawn = bin_values(rows), bin_values(rows, binning="random", rng=np.random.default_rng(0))
    assert (drawn >= low).all()
    assert (drawn > low).mean() > 0.3  # most tokens of counts are on several edges
    np.testing.assert_array_equal(drawn, bin_values(rows, binning="random", rng=np.random.default_rng(0)))


KEEP = {
    "top": keep_top,
    "random": lambda rows, most: keep_random(rows, most, np.random.default_rng(0)),
    "weighted": lambda rows, most: keep_weighted(rows, most, np.random.default_rng(0)),
}


@pytest.mark.parametrize("how", KEEP)
def test_what_is_kept(how):
    rows = sp.csr_array(np.random.default_rng(1).poisson(1.0, (20, 60)).astype(float))
    kept = KEEP[how](rows, 15)
    cell = np.repeat(np.arange(20), np.diff(rows.indptr))[kept]
    np.testing.assert_array_equal(np.bincount(cell, minlength=20), np.minimum(np.diff(rows.indptr), 15))
    assert (np.diff(cell) >= 0).all()
    assert len(set(zip(cell, rows.indices[kept], strict=True))) == len(cell)
