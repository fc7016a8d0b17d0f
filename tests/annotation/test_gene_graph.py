"""A graph of genes from ``varp`` goes with the labelled cells, by the names of the genes."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._errors import GraphError, InputTypeError, InputValueError, MissingKeyError
from scgnn_tools.annotation import Annotator
from scgnn_tools.annotation.gene_graph import over, places, read_graph

KNOWN = {
    "method": "scgrapht",
    "pathway": "P1",
    "scheme": "graph",
    "gene_graph": "prior",
    "max_epochs": 3,
    "n_genes": 200,
    "unknown": None,
}
HOW = {
    "unlabeled_category": "Unknown",
    "mod": "rna",
    "use_rep": None,
    "layer": None,
    "gene_key": None,
    "organism": None,
}


@pytest.fixture(scope="module")
def halves():
    """Every sixteenth cell of the reference that ships over its 999 strongest genes, with a prior, and others of it as a query."""
    reference = assets.immune_reference()
    total = np.asarray(reference.X.sum(axis=0)).ravel()
    reference = reference[reference.obs["cell_type"] != "Platelet", total > np.sort(total)[-1000]].copy()
    query = reference[4::64].copy()
    query.obs = query.obs[[]]
    reference = reference[::16].copy()
    sgt.pp.prior_graph(reference, key_added="prior")
    return reference, query


def square(adata, matrix, key="prior"):
    out = ad.AnnData(sp.csr_matrix(adata.X), obs=adata.obs[["cell_type"]], var=pd.DataFrame(index=adata.var_names))
    out.varp[key] = matrix
    return out


def scored(query):
    return query.obsm["sgt_label_proba"].to_numpy()


def test_values_of_varp():
    adata = ad.AnnData(np.ones((2, 3), dtype=np.float32))
    adata.varp["signed"] = np.array([[0, -2, 0], [0, 0, 0.5], [0, 0, 3]])
    np.testing.assert_array_equal(read_graph(adata, "signed").toarray(), abs(adata.varp["signed"]))
    adata.varp["flags"] = sp.csc_matrix(adata.varp["signed"] != 0)
    assert read_graph(adata, "flags").sum() == 3
    bad = {
        "nan": (np.where(np.eye(3), np.nan, 1.0), GraphError, r"varp\['nan'\] has 3 weights that are not finite"),
        "large": (np.full((3, 3), 1e300), GraphError, "9 weights that are not finite"),
        "none": (sp.csr_matrix(np.eye(3)), GraphError, r"varp\['none'\] has no edge between two genes"),
        "stack": (np.ones((3, 3, 2)), InputTypeError, r"varp\['stack'\] is 3 × 3 × 2 of float64"),
        "words": (np.full((3, 3), "a"), InputTypeError, "a matrix of numbers, 3 × 3"),
    }
    for key, (matrix, error, says) in bad.items():
        adata.varp[key] = matrix
        with pytest.raises(error, match=says):
            read_graph(adata, key)
    with pytest.raises(
        MissingKeyError, match=r"gene_graph='sgned' is not in varp; there is: signed, .*Did you mean 'signed'"
    ):
        read_graph(adata, "sgned")


def test_genes_of_one_name_are_joined_and_others_left_out():
    one = sp.csr_array(np.array([[0, 1, 2, 9], [0, 0, 0, 9], [5, 0, 3, 9], [9, 9, 9, 9]], dtype=np.float32))
    found = over([(one, np.array([1, 0, 1, -1]))], 3).toarray()  # the first and the third are one gene
    np.testing.assert_array_equal(found, [[0, 0, 0], [1, 5, 0], [0, 0, 0]])
    twice = over([(one, np.array([1, 0, 1, -1])), (one[:2, :2], np.array([0, 2]))], 3).toarray()
    np.testing.assert_array_equal(twice, [[0, 0, 1], [1, 5, 0], [0, 0, 0]])
    assert places(pd.Index(list("cab")), pd.Index(list("bcbd"))).tolist() == [1, -1, 0]


def test_the_order_of_the_genes_does_not_matter(halves):
    reference, query = halves
    called = sgt.tl.annotate(query, "cell_type", reference=reference, copy=True, **KNOWN)
    params = called.uns["sgt_label"]["params"]["options"]
    assert params["gene_graph"] == "prior"
    assert params["gene_graph_edges"] >= 5
    turned = reference[:, np.random.default_rng(0).permutation(reference.n_vars)].copy()
    other = sgt.tl.annotate(query, "cell_type", reference=turned, copy=True, **KNOWN)
    np.testing.assert_array_equal(scored(called), scored(other))
    cosine = sgt.tl.annotate(query, "cell_type", reference=reference, copy=True, **KNOWN | {"gene_graph": "cosine"})
    assert not np.allclose(scored(cosine), scored(called), atol=1e-4)


def test_names_go_through_the_match_of_the_expression(halves):
    reference, query = halves
    as_symbols = sgt.annotation.collect(query, "cell_type", reference, gene_graph="prior", **HOW).labelled
    renamed = reference.copy()
    renamed.var["symbol"] = renamed.var_names.to_numpy()
    renamed.var_names = [f"gene {i}" for i in range(renamed.n_vars)]
    asked = query.copy()
    asked.var["symbol"] = asked.var_names.to_numpy()
    by_key = sgt.annotation.collect(
        asked, "cell_type", renamed, gene_graph="prior", **HOW | {"gene_key": "symbol"}
    ).labelled
    assert as_symbols.gene_graph.nnz == by_key.gene_graph.nnz > 20
    assert (as_symbols.gene_graph != by_key.gene_graph).nnz == 0
    edges = sp.coo_array(reference.varp["prior"])
    named = set(zip(reference.var_names[edges.row], reference.var_names[edges.col], strict=True))
    found = sp.coo_array(as_symbols.gene_graph)
    assert set(zip(as_symbols.genes[found.row], as_symbols.genes[found.col], strict=True)) <= named


def test_labels_of_the_object_itself_take_its_own_graph(pbmc68k):
    """Its values are in ``raw``, whose genes may be others."""
    pbmc68k.obs["cell_type"] = pbmc68k.obs["bulk_labels"].astype(object).where(np.arange(700) % 2 == 0)
    sgt.pp.prior_graph(pbmc68k, key_added="prior")
    some = pbmc68k[:, ::-2].copy()
    some.raw = pbmc68k.raw.to_adata()
    cells = sgt.annotation.collect(some, "cell_type", None, gene_graph="prior", **HOW).labelled
    assert len(cells.genes) == cells.gene_graph.shape[0] == pbmc68k.raw.n_vars
    edges, found = sp.coo_array(some.varp["prior"]), sp.coo_array(cells.gene_graph)
    names = [some.var_names, cells.genes]
    one, other = (set(zip(n[g.row], n[g.col], strict=True)) for n, g in zip(names, (edges, found), strict=True))
    assert one == other
    assert one


def test_several_references_join_what_they_know(halves):
    reference, query = halves
    n, at = reference.n_vars, np.arange(reference.n_vars - 1)
    a = square(reference[::2], sp.csr_matrix((np.ones(n - 1), (at, at + 1)), shape=(n, n)))
    b = square(reference[1::2], sp.csr_matrix((np.full(2, 2.0), ([0, 3], [1, 0])), shape=(n, n)))
    c = square(reference[1::2], b.varp["prior"], key="other")
    found = {
        name: sgt.annotation.collect(query, "cell_type", parts, gene_graph="prior", **HOW).labelled.gene_graph
        for name, parts in {"both": [a, b], "one": [a, c]}.items()
    }
    assert found["one"].max() == 1
    assert found["both"].nnz == found["one"].nnz + 1
    assert (found["both"].data == 2).sum() == 2
    with pytest.raises(
        MissingKeyError, match="gene_graph='next' is not in varp of the labelled cells; there is: prior, other"
    ):
        sgt.annotation.collect(query, "cell_type", [a, c], gene_graph="next", **HOW)


def test_an_annotator_keeps_the_graph(halves, tmp_path):
    reference, query = halves
    made = Annotator.fit(reference, "cell_type", **KNOWN)
    made.save(tmp_path / "ann")
    back = Annotator.load(tmp_path / "ann")
    assert (back.known.gene_graph != made.known.gene_graph).nnz == 0
    assert "prior" not in query.varp
    np.testing.assert_allclose(
        scored(back.annotate(query, copy=True)), scored(made.annotate(query, copy=True)), atol=1e-5
    )
    fewer = query[:, ::2].copy()  # it is trained again, on the edges between the genes that are left
    again = back.annotate(fewer, copy=True, retrain=True)
    called = sgt.tl.annotate(fewer, "cell_type", reference=reference, copy=True, **KNOWN)
    np.testing.assert_allclose(scored(again), scored(called), atol=1e-5)


def test_the_ensemble_hands_it_on(halves):
    reference, query = halves
    given = {**KNOWN, "method": "auto", "members": ("centroid", "scgrapht")}
    out = sgt.tl.annotate(query, "cell_type", reference=reference, copy=True, **given)
    assert out.uns["sgt_label"]["params"]["options"]["options_of"]["scgrapht"]["gene_graph"] == "prior"
    with pytest.raises(InputValueError, match="auto has no option 'gene_graph'"):
        sgt.tl.annotate(
            query, "cell_type", reference=reference, method="auto", members=("centroid", "knn_pca"), gene_graph="x"
        )


def test_an_explanation_takes_it_too(halves):
    reference, query = halves
    given = {**{k: v for k, v in KNOWN.items() if k != "unknown"}, "how": "gradcam", "n_cells": 3}
    del given["n_genes"]  # of an explanation, the genes that are asked about
    out = sgt.tl.explain(query, "cell_type", reference=reference, copy=True, **given)
    assert out.uns["sgt_explain"]["params"]["options"]["gene_graph"] == "prior"
    assert np.nanmax(out.uns["sgt_explain"]["genes"].to_numpy()) == pytest.approx(1)


def test_a_graph_of_the_query_alone_is_refused(halves):
    reference, query = halves
    asked, known = query.copy(), reference.copy()
    asked.varp["mine"] = reference.varp["prior"]
    before = asked.copy()
    for call in (sgt.tl.annotate, sgt.tl.explain):
        options = {**KNOWN, "gene_graph": "mine"}
        if call is sgt.tl.explain:
            options.pop("unknown")
        with pytest.raises(
            MissingKeyError, match=r"'mine' is not in varp of the labelled cells; there is: prior\..*is not looked at"
        ):
            call(asked, "cell_type", reference=known, **options)
    with pytest.raises(MissingKeyError, match=r"there is: none\..*The bundled reference has none"):
        sgt.tl.annotate(asked, **KNOWN)
    with pytest.raises(InputValueError, match="which the pathway CG lacks"):
        sgt.tl.annotate(asked, "cell_type", reference=known, method="scgrapht", gene_graph="prior")
    assert list(asked.uns) == list(before.uns)
