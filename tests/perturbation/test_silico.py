import numpy as np
import pytest
import scipy.sparse as sp
from benchmarks import checkpoints
from scipy.stats import mannwhitneyu

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError
from scgnn_tools.data import Tokens
from scgnn_tools.perturbation.silico import network
from scgnn_tools.perturbation.silico.editing import deleted, to_front, turned_up
from scgnn_tools.perturbation.silico.linear import LinearModel, shifts
from scgnn_tools.perturbation.silico.shifts import cosines
from scgnn_tools.perturbation.silico.statistics import of_like_genes, rank_sum, residual, table

IDS = np.array([5, 9, 7, 3, 8], dtype=np.int32)
NO_SPECIAL = np.zeros(5, dtype=bool)
RANKED = {"dim": 16, "heads": 2, "hidden": 32, "n_layers": 3, "max_length": 12}


def test_a_deleted_token_goes_and_ranks_close_up():
    edit = deleted(IDS, None, np.array([7]), NO_SPECIAL)
    assert edit.new_ids.tolist() == [5, 9, 3, 8]
    assert edit.ids[edit.kept].tolist() == edit.new_ids[edit.new_kept].tolist() == [5, 9, 3, 8]
    assert deleted(IDS, None, np.array([4]), NO_SPECIAL) is None


def test_a_gene_moves_to_the_front_behind_the_token_of_the_cell():
    edit = to_front(IDS, np.array([3]), NO_SPECIAL, 10, insert=False)
    assert edit.new_ids.tolist() == [3, 5, 9, 7, 8]
    assert edit.ids[edit.kept].tolist() == edit.new_ids[edit.new_kept].tolist() == [5, 9, 7, 8]
    assert to_front(IDS, np.array([5]), NO_SPECIAL, 10, insert=False) is None  # already there
    assert to_front(IDS, np.array([4]), NO_SPECIAL, 10, insert=False) is None  # not in the cell
    ends = np.array([True, False, False, False, True])
    edit = to_front(IDS, np.array([3]), ends, 10, insert=False)
    assert edit.new_ids.tolist() == [5, 3, 9, 7, 8]
    assert edit.ids[edit.kept].tolist() == edit.new_ids[edit.new_kept].tolist() == [9, 7]


@pytest.mark.parametrize(("most", "rest"), [(6, [5, 9, 7, 3, 8]), (5, [5, 9, 7, 3]), (4, [5, 9, 7])])
def test_what_overflows_is_cut_from_both_by_the_length_before_the_insertion(most, rest):
    ids = IDS[: most if most < 5 else 5]
    edit = to_front(ids, np.array([4]), np.zeros(len(ids), dtype=bool), most, insert=True)
    assert edit.new_ids.tolist() == [4, *rest]
    assert edit.ids.tolist() == rest
    assert len(edit.new_ids) <= most
    assert edit.ids[edit.kept].tolist() == edit.new_ids[edit.new_kept].tolist()


def test_a_bin_is_turned_up_and_a_token_added_where_it_lacks():
    values = np.array([-2, 4, 3, 2, 1], dtype=np.float32)
    special = np.arange(5) == 0
    edit = turned_up(IDS, values, np.array([3, 4]), special, 5, top=50, insert=True)
    assert edit.new_ids.tolist() == [5, 9, 7, 3, 4]  # the last of the others made room
    assert edit.new_values.tolist() == [-2, 4, 3, 50, 50]
    assert edit.ids.tolist() == [5, 9, 7, 3]
    assert edit.ids[edit.kept].tolist() == [9, 7]
    assert turned_up(IDS, values, np.array([4]), special, 5, top=50, insert=False) is None


@pytest.mark.parametrize("kind", ["delete", "overexpress"])
@pytest.mark.parametrize("together", [False, True])
def test_the_closed_form_is_that_of_perturbing_each_cell(kind, together):
    rng = np.random.default_rng(0)
    x = sp.csr_array(rng.poisson(0.8, size=(70, 12)).astype(float))
    parts = [(x, rng.normal(size=(12, 4))), (sp.csr_array(np.maximum(x.toarray() - 1, 0)), rng.normal(size=(12, 3)))]
    genes, offset, goal = np.array([1, 5, 7]), rng.normal(size=7), rng.normal(size=7)
    found = shifts(LinearModel(parts, offset), genes, kind, together=together, states={"goal": goal})
    before = LinearModel(parts, offset).cells()
    for i, some in enumerate([genes] if together else [[g] for g in genes]):
        new = []
        for values, w in parts:
            dense = values.toarray()
            dense[:, some] = 0 if kind == "delete" else dense.max(axis=1, keepdims=True)
            new.append(dense @ w)
        after = np.hstack(new) + offset
        own = (x.toarray()[:, some] > 0).any(axis=1) if kind == "delete" else np.ones(70, dtype=bool)
        np.testing.assert_array_equal(np.isfinite(found.cosine[:, i]), own)
        np.testing.assert_allclose(found.cosine[own, i], cosines(before, after)[own], atol=1e-9)
        moved = cosines(after, goal[None]) - cosines(before, goal[None])
        np.testing.assert_allclose(found.toward["goal"][own, i], moved[own], atol=1e-9)


@pytest.fixture(scope="module")
def ranked():
    from scgnn_tools.fm.geneformer.model import Geneformer

    genes = sgt.genes.transcription_factors()[:30]
    return Geneformer.untrained(genes, np.ones(30), device="cpu", **RANKED)


def test_geneformer_is_compared_token_by_token_on_the_genes_that_stay(ranked):
    rng = np.random.default_rng(0)
    rows = sp.csr_array(rng.poisson(1.0, size=(5, 30)).astype(np.float32))
    tokens = ranked.tokenize_rows(rows, "counts", None)
    goal = rng.normal(size=16)
    genes = np.array([2, 3])
    for kind, insert in (("delete", False), ("overexpress", True)):
        found = network.shifts(
            ranked, tokens, genes, kind, together=False, insert=insert, states={"g": goal}, by_gene=True
        )
        for cell in range(5):
            ids = tokens.select(np.array([cell])).ids
            for i, g in enumerate(ranked.ids[genes]):
                if kind == "delete" and g not in ids:
                    assert np.isnan(found.cosine[cell, i])
                    continue
                rest = ids[ids != g]
                if kind == "overexpress":
                    rest = rest[: len(rest) - max(0, len(ids) + (g not in ids) - 12)]
                old = ids if g in ids else rest
                new = rest if kind == "delete" else np.r_[g, rest]
                if np.array_equal(old, new):
                    assert np.isnan(found.cosine[cell, i])
                    continue
                a, b = (
                    ranked.forward(Tokens(s.astype(np.int32), None, np.array([0, len(s)]))).numpy() for s in (old, new)
                )
                a, b = a[np.isin(old, rest)], b[np.isin(new, rest)]
                assert found.cosine[cell, i] == pytest.approx(cosines(a, b).mean(), abs=1e-5)
                moved = cosines(b.mean(0)[None], goal[None]) - cosines(a.mean(0)[None], goal[None])
                assert found.toward["g"][cell, i] == pytest.approx(moved[0], abs=1e-5)
        mean, n = found.of_genes
        assert mean.shape == (2, 30)
        assert ((mean <= 1 + 1e-6) | np.isnan(mean)).all()
        assert n.max() <= 5


def test_a_new_token_stands_before_what_a_model_has_at_the_end_of_a_cell():
    values, ends = np.array([1, 4, 3, 4, 2], dtype=np.float32), np.arange(5) > 2
    edit = turned_up(IDS, values, np.array([9, 4]), ends, 99, top=4, insert=True)
    assert edit.new_ids.tolist() == [5, 9, 7, 4, 3, 8]
    assert edit.new_values.tolist() == [1, 4, 3, 4, 4, 2]
    assert edit.ids[edit.kept].tolist() == edit.new_ids[edit.new_kept].tolist() == [5, 7]


@pytest.fixture(scope="module", params=["scfoundation", "scbert"])
def dense(request, tmp_path_factory):
    """A small network that knows depth at the end of a cell, or has every gene as a token."""
    folder, genes = tmp_path_factory.mktemp(request.param), [f"G{i}" for i in range(30)]
    if request.param == "scbert":
        checkpoints.scbert(folder, genes, n_layers=1, dim=16, n_heads=2)
    else:
        sizes = {"n_layers": 1, "dim": 16, "n_heads": 2, "decoder_layers": 1, "decoder_dim": 16, "decoder_heads": 2}
        checkpoints.scfoundation(folder, genes, sets=("cell",), **sizes)
    return sgt.fm.load(request.param, checkpoint=folder, device="cpu")


@pytest.mark.parametrize("kind", ["delete", "overexpress"])
def test_models_of_values_see_the_cell_with_another_value(dense, kind):
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, size=(4, 30)).astype(np.float32)
    tokens, genes = dense.tokenize_rows(sp.csr_array(counts), "counts", None), np.array([2, 3])
    how = {"together": False, "insert": True, "states": {}, "by_gene": True}
    found = network.shifts(dense, tokens, genes, kind, **how)
    for cell in range(4):
        own = tokens.select(np.array([cell]))
        is_gene = dense.gene_of_token(own) >= 0
        for i, gene in enumerate(genes):
            there = own.ids == gene
            if kind == "delete":
                if not there.any():
                    assert np.isnan(found.cosine[cell, i])
                    continue
                new = Tokens(own.ids[~there], own.values[~there], np.array([0, int((~there).sum())]))
            else:
                top = 5 if dense.card.name == "scbert" else own.values[is_gene].max()
                if (own.values[there] == top).any():
                    continue
                ids, values = own.ids[~there & is_gene], own.values[~there & is_gene]
                ids, values = np.append(ids, gene), np.append(values, top)
                ids, values = np.append(ids, own.ids[~is_gene]), np.append(values, own.values[~is_gene])
                new = Tokens(ids.astype(np.int32), values.astype(np.float32), np.array([0, len(ids)]))
            a, b = (dense.cell_vectors(t).astype(float) for t in (own, new))
            assert found.cosine[cell, i] == pytest.approx(cosines(a, b)[0], abs=1e-5)
    mean, n = found.of_genes
    assert (n[0, np.delete(np.arange(30), 2)] <= 4).all()
    assert n[0, 2] == 0
    assert np.nanmax(mean) <= 1 + 1e-6


def test_a_rank_sum_is_that_of_scipy_and_chance_is_not_found():
    rng = np.random.default_rng(0)
    effect = rng.normal(size=(60, 40))
    effect[:, 3] += 2
    effect[:58, 4] = np.nan
    p = rank_sum(effect)
    others = np.delete(effect, 3, axis=1)
    expected = mannwhitneyu(effect[:, 3], others[np.isfinite(others)], use_continuity=False).pvalue
    assert p[3] == pytest.approx(expected, rel=1e-3)
    assert np.isnan(p[4])
    assert 0.3 < np.nanmean(np.delete(p, 3)) < 0.7


def test_baselines_of_like_genes_and_of_rank():
    mean, level = np.arange(30.0), np.arange(30.0)
    like = of_like_genes(mean, np.stack([level, level], axis=1))
    assert np.abs(like[10:20] - mean[10:20]).max() < 2
    left, share = residual(2 * level + 1, np.stack([level], axis=1))
    np.testing.assert_allclose(left, 0, atol=1e-9)
    assert share == pytest.approx(1)
    out = table(np.full((3, 2), np.nan), np.zeros((2, 2)))
    assert out["n_cells"].tolist() == [0, 0]
    assert out["shift"].isna().all()


def test_edited_cells_are_no_longer_than_the_model_was_asked_to_take():
    from scgnn_tools.fm.scgpt.model import ScGPT

    sizes = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1}
    model = ScGPT.untrained(sgt.genes.transcription_factors()[:30], device="cpu", **sizes)
    model.max_length = 12  # as of fm.load(max_length=12): the network itself could take 1,200
    tokens = model.tokenize_rows(sp.csr_array(np.ones((2, 30), dtype=np.float32)), "counts", None)
    seen = []
    forward = model.cell_vectors
    model.cell_vectors = lambda packed: seen.append(packed.lengths.max()) or forward(packed)
    genes = np.array([28, 29])  # beyond the 11 that the cells keep
    how = {"together": False, "insert": True, "states": {}}
    assert np.isfinite(network.shifts(model, tokens, genes, "overexpress", **how).cosine).all()
    assert max(seen) == 12


def test_a_network_that_does_not_say_what_it_reads_of_a_gene_is_refused(ranked):
    class Other(type(ranked)):
        gene_input = None

    other = Other.untrained(ranked.vocabulary, ranked.medians, device="cpu", **RANKED)
    with pytest.raises(InputValueError, match="cannot be perturbed in silico; these can"):
        network.check_model(other)
