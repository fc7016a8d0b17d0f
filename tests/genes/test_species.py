"""Genes of two species, features that are no genes, names in every form: never one gene for another without a word."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools import genes
from scgnn_tools._errors import GeneMatchError, SgtWarning
from scgnn_tools.genes import tables
from scgnn_tools.genes.ids import looks_like
from scgnn_tools.genes.names import best_column

PAIRS = tables.human_of_mouse()
MOUSE = PAIRS.index[PAIRS.index.str.fullmatch("[A-Z][a-z]+[0-9]*")].to_numpy(dtype=object)[:200]
HUMAN = PAIRS[MOUSE].to_numpy(dtype=object)
IDS = pd.Series(tables.symbol_of_id().index, index=tables.symbol_of_id().to_numpy()).groupby(level=0).first()
IDS_OF_HUMAN = IDS.reindex(HUMAN).to_numpy(dtype=object)


def match(names, **kwargs):
    return genes.match(np.array(names, dtype=object), np.unique(HUMAN), **kwargs)


@pytest.mark.parametrize("order", [[*HUMAN, *MOUSE[:60]], [*MOUSE[:60], *HUMAN]], ids=["human first", "mouse first"])
def test_two_organisms_are_refused_unless_one_is_asked_for(order):
    found = match(order)
    assert (found.organism, found.mixed) == ("human", True)
    with pytest.raises(GeneMatchError, match=r"two organisms: 60 of 260 are mouse genes.*Pass organism='human'"):
        found.check("m")
    asked = match(order, organism="human")
    assert asked.matched.sum() == 200
    assert set(asked.names[asked.foreign]) == set(MOUSE[:60])
    asked.check("m")


@pytest.mark.parametrize(
    ("names", "organism"),
    [([*HUMAN, *MOUSE[:5]], "human"), ([*MOUSE, *HUMAN[:5]], "mouse"), ([*IDS_OF_HUMAN, *MOUSE[:5]], "human")],
)
def test_a_few_genes_of_another_organism_are_no_second_one_and_not_taken_for_the_first(names, organism):
    found = match(names)
    assert (found.organism, found.mixed) == (organism, False)
    assert not (found.how == "case").any()


@pytest.mark.parametrize("change", [str.lower, str.capitalize], ids=["lower", "title"])
def test_case_is_ignored_only_where_somebody_changed_it_for_all(change):
    names = np.array([change(n) for n in HUMAN], dtype=object)
    fish = np.array([f"{n.lower()}a" if i % 3 else n.lower() for i, n in enumerate(HUMAN)], dtype=object)
    if change is str.lower:
        with pytest.warns(SgtWarning, match="only when upper and lower case are ignored"):
            match(names).check("m")
        with pytest.raises(GeneMatchError, match="lower case, as of zebrafish or frog"):
            match(fish).check("m")
    assert match(names, organism="human").matched.all()
    assert match(["C1ORF112"], organism=None).how[0] == "lost"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ENSDARG{:011d}", "zebrafish Ensembl ids"),
        ("ENSRNOG{:011d}.2", "rat Ensembl ids with versions"),
        ("ENSMUST{:011d}", "mouse Ensembl transcript ids"),
        ("ENST{:011d}", "human Ensembl transcript ids"),
        ("ENSXXXG{:011d}", "another species"),
        ("FBgn{:07d}", "fruit fly gene ids"),
        ("GRCh38_CD{}", "genome-prefixed names (GRCh38_)"),
        ("mm10___Cd{}", "genome-prefixed names (mm10___)"),
        ("CD{}|NM_1|end", "probe names"),
        ("sox{}a", "lower case, as of zebrafish or frog"),
    ],
)
def test_the_refusal_says_what_the_names_are(name, words):
    names = np.array([name.format(i) for i in range(1, 31)], dtype=object)
    assert words in looks_like(pd.Index(names))
    with pytest.raises(GeneMatchError) as error:
        match(names).check("m")
    assert words in str(error.value)
    assert "match_genes" not in str(error.value)  # a report that raises the same


def test_blanks_around_a_name_do_no_harm():
    assert match([f" {n} " for n in HUMAN]).matched.all()


def test_the_column_that_matches_most_is_proposed():
    var = pd.DataFrame(
        {"Unnamed: 0": [f"ENSMUSG{i:011d}" for i in range(200)], "n": range(200), "half": [*MOUSE[:120], *map(str, range(80))]},
        index=[str(i) for i in range(200)],
    )  # fmt: skip
    var["name"] = MOUSE
    assert best_column(var) == "name"
    with pytest.raises(GeneMatchError, match="pass gene_key='name'"):
        genes.gene_names(var)
    with pytest.raises(GeneMatchError, match=r"mouse Ensembl ids .*pass gene_key='name'"):
        match(var["Unnamed: 0"]).check("m", var=var)


def test_counts_that_are_found_make_up_for_genes_that_are_not():
    found = match([*HUMAN, *(f"ENSG99{i:09d}" for i in range(600))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.check("m", weights=np.r_[np.ones(200), np.zeros(600)])
    with pytest.warns(SgtWarning, match=r"25\.0%"):
        found.check("m")


@pytest.fixture(scope="module")
def cells():
    x = np.random.default_rng(0).poisson(1.0, (12, 200)).astype(np.float32)
    return ad.AnnData(x, var=pd.DataFrame(index=pd.Index(HUMAN)))


def test_antibodies_are_no_genes_and_count_for_nothing(cells):
    more = np.full((12, 3), 500, dtype=np.float32)
    var = pd.DataFrame({"symbol": [*HUMAN, "ADT_1", *HUMAN[:2]]}, index=[f"f{i}" for i in range(203)])
    both = ad.AnnData(np.hstack([cells.X, more]), var=var)
    both.var["feature_types"] = ["Gene Expression"] * 200 + ["Antibody Capture"] * 3
    alone = sgt.tl.embed(cells, copy=True)
    with pytest.warns(SgtWarning, match=r"3 of 203 features are no genes \(var\['feature_types'\]: Antibody Capture\)"):
        sgt.tl.embed(both, gene_key="symbol")
    np.testing.assert_allclose(both.obsm["X_cgc-mini"], alone.obsm["X_cgc-mini"], atol=1e-6)
    assert np.isnan(both.varm["cgc-mini"][200:]).all()
    with pytest.raises(GeneMatchError, match=r"holds no genes: .* says Antibody Capture"):
        sgt.tl.embed(both[:, 200:].copy(), gene_key="symbol")


def test_cells_beside_genes_of_a_mouse_have_their_own_vectors(cells):
    both = ad.AnnData(np.hstack([cells.X, 3 * cells.X]), var=pd.DataFrame(index=[*HUMAN, *MOUSE]))
    with pytest.raises(GeneMatchError, match="two organisms"):
        sgt.tl.embed(both)
    sgt.tl.embed(both, organism="human")
    alone = sgt.tl.embed(cells, copy=True)
    np.testing.assert_allclose(both.obsm["X_cgc-mini"], alone.obsm["X_cgc-mini"], atol=1e-6)
