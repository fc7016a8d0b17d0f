"""A cell says by itself whether it is written as a logarithm, in every form in which real cells are written."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools import assets
from scgnn_tools._errors import InputScaleError
from scgnn_tools.data import open_expression
from scgnn_tools.data.kind import describe_matrix
from scgnn_tools.data.order import by_content
from scgnn_tools.data.rows import sample_by_content
from scgnn_tools.data.scale import log_votes

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def counts():
    """Real cells over 600 genes."""
    reference = assets.immune_reference()[::40]
    x = sp.csr_array(reference.X)
    often = np.sort(np.argsort(-np.asarray((x > 0).sum(axis=0)).ravel(), kind="stable")[:600])
    return sp.csr_array(x[:, often]).astype(np.float64)


def to(x, total):
    return sp.csr_array(x.multiply(total / np.asarray(x.sum(axis=1)).reshape(-1, 1)))


def with_values(x, values):
    return sp.csr_array((values.astype(np.float32), x.indices, x.indptr), shape=x.shape)


FRACTIONS = {
    "ambient removed": lambda x: with_values(x, x.data * RNG.uniform(0.7, 1, x.nnz)),
    "transcripts estimated": lambda x: with_values(x, x.data * np.where(RNG.random(x.nnz) < 0.2, RNG.random(x.nnz), 1)),
    "halves": lambda x: with_values(x, x.data / 2),
    "per 10,000": lambda x: with_values(x, to(x, 1e4).data),
    "per million": lambda x: with_values(x, to(x, 1e6).data),
    "square roots": lambda x: with_values(x, np.sqrt(to(x, 1e4).data)),
}
LOGARITHMS = {
    "log1p of 10,000": lambda x: with_values(x, np.log1p(to(x, 1e4).data)),
    "log1p of a million": lambda x: with_values(x, np.log1p(to(x, 1e6).data)),
    "log2 of a million": lambda x: with_values(x, np.log2(1 + to(x, 1e6).data)),
    "log1p of counts": lambda x: with_values(x, np.log1p(x.data)),
    "log1p of fractions": lambda x: with_values(x, np.log1p(to(FRACTIONS["ambient removed"](x), 1e4).data)),
    "log1p of some genes": lambda x: sp.csr_array(with_values(x, np.log1p(to(x, 1e4).data))[:, ::6]),
}


@pytest.mark.parametrize(
    ("write", "is_log"),
    [(f, False) for f in FRACTIONS.values()] + [(f, True) for f in LOGARITHMS.values()],
    ids=[*FRACTIONS, *LOGARITHMS],
)
def test_cells_are_told_one_by_one_and_together(counts, write, is_log):
    x = write(counts)
    votes = log_votes(x)
    assert np.mean(votes[votes != 0] > 0 if is_log else votes[votes != 0] < 0) > 0.97
    assert describe_matrix(x).kind == ("log1p" if is_log else "counts")


def test_neither_the_order_of_the_genes_nor_one_odd_cell_changes_it(counts):
    x = FRACTIONS["ambient removed"](counts)
    assert (log_votes(x) == log_votes(sp.csr_array(x[:, RNG.permutation(600)]))).all()
    odd = LOGARITHMS["log1p of 10,000"](counts).tolil()
    odd[3, 5] = 80.5
    assert describe_matrix(sp.csr_array(odd, dtype=np.float32)).kind == "log1p"


def test_a_block_of_another_kind_is_refused(counts):
    log = LOGARITHMS["log1p of 10,000"](counts)
    many = sp.csr_matrix(sp.vstack([log] * 12, format="csr"))
    opened = open_expression(ad.AnnData(many))
    rows = 2 * log.shape[0]
    mixed = sp.csr_matrix(sp.vstack([log] * 4 + [counts] * 2 + [log] * 6, format="csr"), dtype=np.float32)
    opened = open_expression(ad.AnnData(mixed))
    with pytest.raises(InputScaleError, match="two kinds of values"):
        list(opened.rows(rows))


def test_samples_and_orders_go_by_content(counts):
    x = sp.csr_array(counts, dtype=np.float32)
    order = RNG.permutation(x.shape[0])
    a, b = (sample_by_content(m, x.shape[0], 20, 16) for m in (x, sp.csr_array(x[order])))
    assert sorted(a.sum(axis=1).tolist()) == sorted(b.sum(axis=1).tolist())
    assert a.shape == (20, 600)
    assert (x[by_content(x)] != sp.csr_array(x[order])[by_content(sp.csr_array(x[order]))]).nnz == 0
    genes = sp.csr_array(x[:, RNG.permutation(600)])
    assert (by_content(x) == by_content(genes)).all()
