import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from scgnn_tools._errors import InputValueError, MissingKeyError, SgtWarning
from scgnn_tools.annotation.sources import _named, _published, check_labels, experiments_of


def cells(**columns):
    return ad.AnnData(np.ones((4, 2), dtype=np.float32), obs=pd.DataFrame(columns, index=list("abcd")))


ALL = np.ones(4, dtype=bool)


def test_batches_donors_and_both():
    adata = cells(run=list("xxyy"), donor=[1, 2, 3, 3])
    assert list(experiments_of(adata, "", ALL, None, None)) == [""] * 4
    assert list(experiments_of(adata, "", ALL, "run", None)) == list("xxyy")
    assert list(experiments_of(adata, "atlas", ALL, None, "donor")) == ["atlas: 1", "atlas: 2", "atlas: 3", "atlas: 3"]
    both = experiments_of(cells(run=list("xyzz"), donor=[1, 1, 2, 3]), "", ALL, "run", "donor")
    assert list(both) == ["x + y", "x + y", "z", "z"]  # one donor was in two runs
    with pytest.raises(InputValueError, match="are crossed: nothing can be held out by both"):
        experiments_of(cells(run=list("xyxy"), donor=[1, 1, 2, 2]), "", ALL, "run", "donor")
    some = cells(run=list("xxyz"), donor=[1, 2, 3, np.nan])
    with pytest.raises(InputValueError, match="holds NaN in 1 of 4 cells; every cell needs a value of donor_key"):
        experiments_of(some, "", ALL, None, "donor")
    some = cells(
        run=list("xyzz"), donor=[np.nan, np.nan, 3, 4]
    )  # of cells without a label nobody asks, and they join no runs
    assert list(experiments_of(some, "", np.array([0, 0, 1, 1], dtype=bool), "run", "donor")) == ["x", "y", "z", "z"]
    with pytest.raises(MissingKeyError, match="batch_key='batch' is no column of obs"):
        experiments_of(adata, "", ALL, "batch", None)


def test_names_that_read_alike_stay_two():
    one = experiments_of(cells(run=list("bbcc")), "a", ALL, "run", None)
    two = experiments_of(cells(run=["c"] * 4), "a: b", ALL, "run", None)
    three = experiments_of(cells(run=["b: c"] * 4), "a", ALL, "run", None)
    assert len({*one, *two, *three}) == 4
    both = experiments_of(cells(run=["a", "b", "a + b", "a + b"], donor=[1, 1, 2, 2]), "", ALL, "run", "donor")
    assert len(set(both)) == 2


def test_no_reference_takes_the_place_of_another():
    with pytest.raises(InputValueError, match="reference= names two objects '1'"):
        _named({1: cells(), "1": cells()}, "rna")


def test_references_may_have_any_name():
    """A mapping whose keys can be asked for as attributes is one still, also with a reference "obs"."""
    assert list(_named(Bunch(obs=cells(), other=cells()), "rna")) == ["obs", "other"]
    assert list(_named(cells(), "rna")) == [""]


def test_one_experiment_is_refused_and_a_class_of_one_is_told_of():
    labels = np.array(["B", "T", "B", "NK"])
    with pytest.raises(InputValueError, match="batch_key='run' names one experiment; at least two"):
        check_labels(labels, np.zeros(4, dtype=int), "run", None)
    with pytest.warns(SgtWarning, match="2 classes are in one experiment only and are not scored on another: NK, T"):
        check_labels(labels, np.array([0, 0, 1, 1]), "run", None)


def test_labels_that_differ_by_case_or_blanks_are_told_of():
    with pytest.warns(SgtWarning, match="'B cell' and 'b_cell' and 'b  cell'|'B cell' and 'b  cell' and 'b_cell'"):
        check_labels(np.array(["B cell", "b_cell", "T cell", "b  cell"]), None, None, None)
    check_labels(np.array(["CD4+ T", "CD4- T", "T"]), None, None, None)


def test_a_file_near_a_wrong_reference_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zheng_ann.h5ad").touch()
    with pytest.raises(InputValueError, match=r"Did you mean 'zheng_ann\.h5ad'\?"):
        _published("zheng_an", "reference")
