import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn_tools._errors import InputScaleError, InputTypeError, InputValueError, MissingKeyError, SgtWarning
from scgnn_tools.data import noted, open_expression

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(1.0, (30, 12)).astype(np.float32)
LOG = np.log1p(COUNTS * 1.37)
SCALED = COUNTS - COUNTS.mean(axis=0)


def make(x, *, raw=None, **layers):
    a = ad.AnnData(
        sp.csr_matrix(x) if (x >= 0).all() else x.copy(), var=pd.DataFrame(index=[f"g{i}" for i in range(x.shape[1])])
    )
    for name, layer in layers.items():
        a.layers[name] = sp.csr_matrix(layer)
    if raw is not None:
        a.raw = ad.AnnData(sp.csr_matrix(raw), var=a.var.copy())
    return a


@pytest.mark.parametrize(
    ("adata", "name"),
    [
        (make(LOG, counts=COUNTS), "layers['counts']"),
        (make(COUNTS, raw=LOG), "X"),
        (make(COUNTS, counts=COUNTS), "layers['counts']"),
        (make(SCALED, raw=COUNTS), "raw"),
        (make(LOG, raw=COUNTS), "raw"),
        (make(LOG), "X"),
        (make(LOG, raw=LOG), "X"),
        (make(SCALED, raw=LOG), "raw"),
        (make(SCALED, counts=LOG), "layers['counts']"),
    ],
)
def test_the_first_that_fits(adata, name):
    assert open_expression(adata).name == name


def test_nothing_fits_says_what_was_seen():
    with pytest.raises(InputScaleError, match=r"X holds negative values \(min .*it looks scaled\. Put the counts into"):
        open_expression(make(SCALED))


def test_counts_wanted_and_another_layer_has_them():
    with pytest.raises(
        InputScaleError,
        match=r"Raw counts are wanted; X holds .* log-normalised\. Another matrix fits: pass layer='umi'",
    ):
        open_expression(make(LOG, umi=COUNTS), accept=("counts",))


def test_counts_where_logs_are_wanted():
    with pytest.raises(InputScaleError, match=r"Log-normalised values are wanted; X holds whole numbers"):
        open_expression(make(COUNTS), accept=("log1p",))


def test_a_layer_by_name():
    a = make(COUNTS, raw=LOG, umi=COUNTS)
    for layer, name in (("umi", "layers['umi']"), ("X", "X"), ("raw", "raw")):
        assert open_expression(a, layer=layer).name == name
    with pytest.raises(MissingKeyError, match=r"no layer 'spliced'; layer= can be 'umi', 'X', 'raw'"):
        open_expression(a, layer="spliced")
    with pytest.raises(InputScaleError, match="X holds negative"):
        open_expression(make(SCALED, raw=COUNTS), layer="X")


def test_counts_with_fractions_are_used_with_one_warning():
    with pytest.warns(SgtWarning, match="like counts with fractions; it is used as counts") as seen:
        e = open_expression(make(COUNTS * 11.3))
    assert len([w for w in seen if w.category is SgtWarning]) == 1
    assert e.kind.kind == "counts"


def test_an_empty_object():
    with pytest.raises(InputValueError, match="no cells"):
        open_expression(make(COUNTS)[:0])


def test_object_dtype():
    with pytest.raises(InputTypeError, match="dtype object"):
        open_expression(ad.AnnData(np.array([["1", "2"]], dtype=object)))


def test_negative_values_that_the_sample_did_not_see(tmp_path):
    x = np.ones((2000, 2), dtype=np.float32)
    x[500, 1] = -1  # between the runs of the sample
    e = open_expression(ad.AnnData(x))
    with pytest.raises(InputValueError, match="holds 1 negative values between cells 0 and 1999"):
        list(e.rows())


@pytest.mark.parametrize("chunk_size", [1, 7, 30, 1000])
def test_chunks_put_together_are_the_whole(chunk_size):
    e = open_expression(make(COUNTS))
    starts, blocks = zip(*e.rows(chunk_size), strict=True)
    assert list(starts) == list(range(0, 30, chunk_size))
    assert np.array_equal(sp.vstack(blocks).toarray(), COUNTS)
    np.testing.assert_allclose(e.gene_totals(), COUNTS.sum(axis=0))


def test_log_normalised_whatever_the_matrix_holds():
    total = COUNTS.sum(axis=1, keepdims=True)
    expected = np.log1p(COUNTS / total * 1e4)
    for a in (make(COUNTS), make(expected)):
        np.testing.assert_allclose(open_expression(a).log_normalized().toarray(), expected, rtol=1e-5)


def test_the_genes_of_raw_can_be_others():
    a = make(SCALED, raw=COUNTS)[:, :5].copy()
    e = open_expression(a)
    assert e.name == "raw"
    assert len(e.var) == 12


def test_of_a_mudata_the_modality_is_noted():
    from mudata import MuData

    both = MuData({"rna": ad.AnnData(np.ones((3, 2), np.float32), obs={"n": list("abc")})})
    with pytest.raises(InputTypeError, match=r"got MuData. Pass the modality that holds the RNA"):
        noted(both, "counts")
