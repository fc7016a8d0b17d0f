"""The number of attention heads, which published weights do not tell."""

import json

import numpy as np
import pytest
import scipy.sparse as sp
from benchmarks import checkpoints

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, SgtWarning, WeightsError

GENES = checkpoints.genes_like(30)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Return a function that writes a network of a width, and a config.json beside it."""

    def write(dim: int = 64, beside: object = None):
        folder = checkpoints.cgc(tmp_path_factory.mktemp("cgc"), GENES, n_layers=1, dim=dim, n_heads=None)
        if beside is not None:
            (folder / "config.json").write_text(json.dumps(beside))
        return folder

    return write


def load(folder, **options):
    return sgt.fm.load("cgc", checkpoint=folder, device="cpu", **options)


def test_heads_are_those_given_or_of_the_file_beside(write):
    models = [load(write(), heads=4), load(write(beside={"nhead": 4})), load(write(beside={"nhead": 4}), heads=2)]
    assert [m.sizes.heads for m in models] == [4, 4, 2]
    rows = sp.csr_array(np.random.default_rng(0).poisson(1.0, size=(4, 30)).astype(np.float32))
    vectors = [m.cell_vectors(m.tokenize_rows(rows, "counts", None)) for m in models]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-3


def test_heads_of_64_are_assumed_with_a_warning(write):
    folder = write(dim=128)
    with pytest.warns(SgtWarning, match=r"2 of 64 are assumed.*Pass heads=") as seen:
        assert load(folder).sizes.heads == 2
    assert seen[0].filename == __file__
    with pytest.raises(WeightsError, match=r"width 32 is no multiple of 64\. Pass heads="):
        load(write(dim=32))


@pytest.mark.parametrize("wrong", [3, 0, "4", True, 2.5])
def test_heads_that_do_not_divide_the_width(write, wrong):
    with pytest.raises(WeightsError, match=r"heads of .*config.json is .* divides the width of .*, 64, is wanted"):
        load(write(beside={"heads": wrong}))
    with pytest.raises(InputValueError, match="heads"):
        load(write(), heads=wrong)


def test_the_published_sizes_have_8_heads():
    from scgnn_tools.fm.cgc.checkpoint import _heads, card

    assert _heads(512, card().n_genes, checkpoints.Path("weights.pt"), None) == 8


def test_a_saved_network_tells_its_heads(write, tmp_path):
    load(write(), heads=4).save(tmp_path / "own")
    assert load(tmp_path / "own").sizes.heads == 4
    with pytest.raises(InputValueError, match="has 4 heads; got heads=8"):
        load(tmp_path / "own", heads=8)
