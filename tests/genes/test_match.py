from importlib import import_module

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scgnn_tools import genes
from scgnn_tools._errors import GeneMatchError, InputValueError, SgtWarning
from scgnn_tools.genes.match import spelled_as

VOCABULARY = np.array(["TP53", "ENSA", "MARCHF1", "SEPTIN2", "CD3E", "MS4A1", "UQCC4", "GAPDH"])


def match(names, **kwargs):
    return genes.match(np.array(names, dtype=object), VOCABULARY, **kwargs)


@pytest.mark.parametrize(
    ("name", "organism", "gene", "how"),
    [
        ("TP53", "human", "TP53", "exact"),
        ("ENSA", "human", "ENSA", "exact"),
        ("ENSG00000141510", "human", "TP53", "ensembl"),
        ("ENSG00000141510.17", "human", "TP53", "ensembl"),
        ("MARCH1", "human", "MARCHF1", "alias"),
        ("C16orf91", "human", "UQCC4", "alias"),
        ("1-Mar", "human", "MARCHF1", "date"),
        ("2-Sep", "human", "SEPTIN2", "date"),
        ("Sep-02", "human", "SEPTIN2", "date"),
        ("Cd3e", "mouse", "CD3E", "ortholog"),
        ("Trp53", "mouse", "TP53", "ortholog"),
        ("cd3e", "human", "CD3E", "case"),
        ("Cd3e", "human", "CD3E", "case"),
        ("no gene", "human", "", "lost"),
        ("", "human", "", "lost"),
        ("Ünïcode\n", "human", "", "lost"),
    ],
)
def test_each_way(name, organism, gene, how):
    found = match([name], organism=organism)
    row = found.table().iloc[0]
    assert (row["matched"], row["how"]) == (gene, how)


def test_per_entry_never_all_or_nothing():
    found = match(["TP53", "ENSG00000156738.3", "1-Mar", "nothing"], organism="human")
    assert found.how.tolist() == ["exact", "ensembl", "date", "lost"]


def test_a_vocabulary_of_older_symbols_is_reached_too():
    found = genes.match(np.array(["UQCC4", "ENSG00000174109"]), np.array(["C16orf91"]), organism="human")
    assert found.index.tolist() == [0, 0]


def test_a_vocabulary_of_ensembl_ids():
    words = np.array(["ENSG00000141510", "ENSG00000156738"])
    found = genes.match(
        np.array(["TP53", "ENSG00000156738.9", "ENSG00000141510"]), words, key="ensembl", organism="human"
    )
    assert found.index.tolist() == [0, 1, 0]
    assert found.how.tolist() == ["symbol", "version", "exact"]


def test_duplicates_sum_and_are_reported():
    found = match(["TP53", "ENSG00000141510.1", "ENSG00000141510.2", "CD3E"], organism="human")
    x = sp.csr_array(np.array([[1.0, 2.0, 4.0, 8.0]], dtype=np.float32))
    projected = (x @ found.projection()).toarray()[0]
    assert projected[VOCABULARY.tolist().index("TP53")] == 7
    assert projected[VOCABULARY.tolist().index("CD3E")] == 8
    assert found.summary()["n_duplicate"] == 1
    assert found.summary()["duplicates"] == "TP53"


def test_summary_adds_up_and_weighs_what_is_lost():
    found = match(["TP53", "nope", "1-Mar", "cd3e"], organism="human")
    s = found.summary(np.array([1.0, 6.0, 2.0, 1.0]))
    assert s["n_matched"] + s["n_lost"] == s["n_genes"] == 4
    assert s["share_counts_lost"] == pytest.approx(0.6)
    assert sum(s[f"n_{k}"] for k in ("exact", "ensembl", "alias", "date", "case", "ortholog")) == 3


def test_refused_under_20_percent_with_what_to_type():
    names = [f"ENSG000{i:08d}.{i}" for i in range(10)] + ["TP53"]
    with pytest.raises(
        GeneMatchError, match=r"Matched 1 of 11 genes \(9\.1%\).*human Ensembl ids with versions.*Pass gene_key="
    ):
        match(names, organism="human").check("m")


def test_warned_under_70_percent_and_silent_above():
    with pytest.warns(SgtWarning, match=r"Matched 1 of 2 genes \(50\.0%\)"):
        match(["TP53", "nope"], organism="human").check("m")
    match(["TP53", "CD3E"], organism="human").check("m")


def test_mouse_genes_are_told_of_once():
    with pytest.warns(SgtWarning, match="2 of 2 go through one-to-one orthologs") as seen:
        match(["Trp53", "Cd3e"]).check("m")
    assert len([w for w in seen if w.category is SgtWarning]) == 1


def test_nothing_to_match():
    with pytest.raises(GeneMatchError, match="0 columns"):
        match([])
    with pytest.raises(InputValueError, match="more than once"):
        genes.match(np.array(["a"]), np.array(["a", "a"]))
    with pytest.raises(InputValueError, match="'human' or 'mouse'"):
        match(["a"], organism="fish")


def test_a_monstrous_name_does_not_reach_the_message():
    with pytest.raises(GeneMatchError) as error:
        match(["x" * 1_000_000, "forged\nline"], organism="human").check("m")
    assert len(str(error.value)) < 1000
    assert "\n" not in str(error.value)


@settings(max_examples=30, deadline=None)
@given(st.permutations(["TP53", "1-Mar", "ENSG00000156738.3", "cd3e", "nothing", "GAPDH"]))
def test_the_order_of_the_genes_does_not_matter(names):
    found = match(names, organism="human")
    one_by_one = [match([n], organism="human").index[0] for n in names]
    assert found.index.tolist() == one_by_one


def test_the_same_question_is_answered_once_and_the_answer_is_the_callers_own(monkeypatch):
    module, match, asked = import_module("scgnn_tools.genes.match"), genes.match, []
    monkeypatch.setattr(module, "_match", lambda *args, _match=module._match: asked.append(1) or _match(*args))
    names, words = np.array(["CD4", "no such", "CD8A"], dtype=object), np.array(["CD8A", "CD4", "ZZZ1"], dtype=object)
    first = match(names, words)
    first.index[:] = -7
    again = match(names.copy(), words.copy())
    assert again.index.tolist() == [1, -1, 0]
    assert len(asked) == 1
    for other in (match(names[::-1], words), match(names, words[::-1]), match(names, words, organism="mouse")):
        assert len(other.names) == 3
    assert len(asked) == 4
    for i in range(20):
        match(np.array([f"G{i}"], dtype=object), words)
    assert len(module._RECENT) == module.RECENT


def test_names_are_spelled_as_they_are_wanted():
    names = np.array(["ENSG00000096968", "STAT1", "IRF1", "nothing"], dtype=object)
    found = spelled_as(names, ["JAK2", "stat1", "IRF1", "another"], organism="human")
    assert found.tolist() == ["JAK2", "stat1", "IRF1", "nothing"]
    assert spelled_as(names, ["STAT1", "stat1"], ["JAK2", "irf1"], organism="human").tolist() == [
        "JAK2", "STAT1", "irf1", "nothing",
    ]  # fmt: skip
    assert spelled_as(names, ["stat1"], ["STAT1"], organism="human")[1] == "stat1"
