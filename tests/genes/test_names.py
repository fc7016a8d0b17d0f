import numpy as np
import pandas as pd
import pytest

from scgnn_tools import genes
from scgnn_tools._errors import GeneMatchError, MissingKeyError


def test_the_index_or_a_column():
    var = pd.DataFrame({"symbol": ["CD3E", "MS4A1"]}, index=["ENSG00000198851", "ENSG00000156738"])
    assert genes.gene_names(var).tolist() == ["ENSG00000198851", "ENSG00000156738"]
    assert genes.gene_names(var, gene_key="symbol").tolist() == ["CD3E", "MS4A1"]


def test_a_column_that_is_not_there():
    var = pd.DataFrame({"symbol": ["CD3E"]}, index=["a"])
    with pytest.raises(MissingKeyError, match="gene_key='gene_name' is no column of var; the columns are: symbol"):
        genes.gene_names(var, gene_key="gene_name")


def test_numbers_as_names_with_symbols_in_a_column():
    var = pd.DataFrame({"n": [1.0, 2.0, 3.0], "feature_name": ["CD3E", "MS4A1", "LYZ"]}, index=["0", "1", "2"])
    with pytest.raises(GeneMatchError, match="pass gene_key='feature_name'"):
        genes.gene_names(var)


@pytest.mark.parametrize(
    ("names", "organism"),
    [
        (["CD3E", "MS4A1", "LYZ"], "human"),
        (["Cd3e", "Ms4a1", "Lyz2"], "mouse"),
        (["ENSMUSG00000059552.3"], "mouse"),
        (["ENSG00000141510"], "human"),
        (["0610007P14RIK", "CD3E", "MS4A1"], "mouse"),
        (["nothing", "known"], "human"),
    ],
)
def test_organism(names, organism):
    assert genes.detect_organism(np.array(names, dtype=object)) == organism


def test_blanks_around_a_name_are_no_part_of_it():
    names = np.array([" CD3D", "ENSG00000167286\t", " ", "no such "], dtype=object)
    assert genes.canonical_symbols(names, organism="human").tolist() == ["CD3D", "CD3D", " ", "no such"]


def test_canonical_symbols_keep_what_is_unknown():
    names = np.array(["ENSG00000141510.17", "MARCH1", "TP53", "no such gene"], dtype=object)
    assert genes.canonical_symbols(names, organism="human").tolist() == ["TP53", "MARCHF1", "TP53", "no such gene"]
