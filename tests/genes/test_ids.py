import pandas as pd
import pytest

from scgnn_tools.genes.ids import looks_like, strip_version


@pytest.mark.parametrize(
    ("name", "stripped"),
    [
        ("ENSG00000141510", "ENSG00000141510"),
        ("ENSG00000141510.17", "ENSG00000141510"),
        ("ENSMUSG00000059552.13", "ENSMUSG00000059552"),
        ("ENSA", ""),
        ("ENSG0000014151", ""),
        ("xENSG00000141510", ""),
        ("ENSG00000141510.17.2", ""),
        ("TP53", ""),
        ("", ""),
    ],
)
def test_only_whole_ids_are_ids(name, stripped):
    assert strip_version(pd.Index([name])).tolist() == [stripped]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["ENSG00000141510.17", "ENSG00000136997.2"], "human Ensembl ids with versions"),
        (["ENSG00000141510", "ENSG00000136997"], "human Ensembl ids"),
        (["ENSMUSG00000059552", "ENSMUSG00000022346"], "mouse Ensembl ids"),
        (["Cd3e", "Trp53", "Actb"], "mouse gene symbols"),
        (["CD3E", "TP53", "ACTB", "C19orf12"], "human gene symbols"),
        (["0", "1", "2"], "numbers"),
        ([], "nothing"),
        (["äpfel", "birnen!"], "no gene names"),
    ],
)
def test_looks_like(names, words):
    assert words in looks_like(pd.Index(names, dtype=object))
