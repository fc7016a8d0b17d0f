import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from tests._compare import changed

import scgnn_tools as sgt
from scgnn_tools._errors import InputTypeError, InputValueError, MissingKeyError


@pytest.fixture
def adata():
    """Two conditions, six donors in each: F1 drives its targets in one of them, F2 does so in both."""
    rng = np.random.default_rng(0)
    n, genes = 480, ["F1", "F2", *(f"T{i}" for i in range(12)), *(f"O{i}" for i in range(20))]
    condition = np.repeat(["stim", "ctrl"], n // 2)
    rate = np.full((n, len(genes)), 4.0)
    rate[:, 14:] = 20
    f1, f2 = rng.gamma(2, 4, size=n), rng.gamma(2, 4, size=n)
    rate[:, 0], rate[:, 1] = f1, f2
    rate[:, 2:8] += np.where(condition == "stim", f1, 0)[:, None]
    rate[:, 8:14] += f2[:, None]
    obs = pd.DataFrame(
        {"condition": condition, "donor": np.tile([f"d{i}" for i in range(6)], n // 6)}, index=map(str, range(n))
    )
    out = ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)), obs=obs, var=pd.DataFrame(index=genes))
    edges = pd.DataFrame({"source": ["F1"] * 6 + ["F2"] * 6, "target": genes[2:14], "weight": np.linspace(1, 0.5, 12)})
    both = {"stim": edges, "ctrl": edges.drop(index=[0, 1]).assign(weight=lambda t: t["weight"][::-1].to_numpy())}
    sgt.tl.grn_from_edges(out, both, groupby="condition", organism="human")
    sgt.tl.grn_from_edges(out, edges.head(9), key_added="other", organism="human")
    sgt.tl.grn_from_edges(out, edges.tail(9), key_added="more", organism="human")
    return out


@pytest.mark.parametrize("replicate_key", [None, "donor"])
def test_groups_differ_where_they_do(adata, replicate_key):
    before = adata.copy()
    c = sgt.tl.compare_grn(adata, "stim", "ctrl", replicate_key=replicate_key)
    assert changed(before, adata) == set()
    assert c.found["n"].to_dict() == {"both": 10, "a": 2, "b": 0}
    of = c.edges.set_index(["source", "target"])
    assert of.loc["F1", "differs"].mean() > 0.5
    assert (of.loc["F1", "difference"] > 0).all()
    assert not of.loc["F2", "differs"].any()
    factors = c.factors.set_index("source")
    assert factors["differs"].to_dict()["F1"]
    assert factors.loc["F1", "low"] > 0
    assert factors.loc["F1", "jaccard"] == pytest.approx(4 / 6)
    assert c.control.loc["groups", "edges"] > 3 > c.control.loc["random groups", "edges"]
    assert (c.control.loc["random groups, most"] >= c.control.loc["random groups"]).all()
    assert "(median of 5 draws, at most " in c.verdict
    assert "10 edges are in both, 2 in stim alone" in repr(c)
    for table in (c.edges, c.factors):  # what differs first, by the size of the difference
        differs = table["differs"].to_numpy()
        assert not np.any(differs[1:] & ~differs[:-1])
        assert table.loc[differs, "difference"].abs().is_monotonic_decreasing
    figure = sgt.pl.grn_difference(c, n_shown=3)
    assert len(figure.axes) == 3
    of, random, most = c.control["factors"]
    title = f"transcription factors: {of} differ\nrandom groups: median {random}, at most {most}"
    assert figure.axes[1].get_title(loc="left") == title
    shown = {t.get_text() for t in figure.axes[2].get_yticklabels()}
    assert shown == set(c.edges["source"].head(3) + " → " + c.edges["target"].head(3))
    assert f"more active in stim: {c.factors['source'][0]}" in c.verdict


def test_tables_and_words_name_genes_alike(adata):
    var = pd.DataFrame({"symbol": adata.var_names}, index=[f"id{i}" for i in range(adata.n_vars)])
    other = ad.AnnData(adata.X, obs=adata.obs, var=var)
    edges = adata.uns["sgt_grn"]["edges"]
    both = {g: edges[edges["group"] == g][["source", "target", "score"]] for g in ("stim", "ctrl")}
    sgt.tl.grn_from_edges(other, both, groupby="condition", gene_key="symbol", organism="human")
    c = sgt.tl.compare_grn(other, "stim", "ctrl")
    assert set(c.factors["source"]) == {"F1", "F2"}
    assert "more active in stim: F1" in c.verdict


@pytest.mark.parametrize("replicate_key", [None, "donor"])
def test_which_group_is_called_a_decides_nothing(adata, replicate_key):
    one, other = (
        sgt.tl.compare_grn(adata, *names, replicate_key=replicate_key) for names in (("stim", "ctrl"), ("ctrl", "stim"))
    )
    both = one.edges.merge(other.edges, on=["source", "target"])
    assert len(both) == len(one.edges)
    np.testing.assert_allclose(both["p_x"], both["p_y"], rtol=1e-9)
    np.testing.assert_allclose(both["difference_x"], -both["difference_y"], rtol=1e-9)
    pd.testing.assert_frame_equal(one.control, other.control)


def test_a_sign_that_the_groups_disagree_about_is_that_of_neither(adata):
    signs = {g: pd.DataFrame({"source": "F1", "target": ["T0", "T1", "T2"], "weight": w}) for g, w in
             {"stim": [1.0, -2.0, 3.0], "ctrl": [2.0, -1.0, -3.0]}.items()}  # fmt: skip
    sgt.tl.grn_from_edges(adata, signs, groupby="condition", organism="human")
    one, other = (sgt.tl.compare_grn(adata, *names) for names in (("stim", "ctrl"), ("ctrl", "stim")))
    assert one.edges.set_index("target")["sign"].reindex(["T0", "T1"]).tolist() == [1.0, -1.0]
    for c in (one, other):
        assert np.isnan(c.edges.set_index("target").loc["T2", "sign"])
    assert one.factors["difference"].tolist() == pytest.approx((-other.factors["difference"]).tolist())


def test_networks_of_the_same_cells_and_a_truth(adata):
    truth = pd.DataFrame({"tf": ["F1", "f1", "F2"], "target": ["T0", "T3", "T11"]})
    c = adata.sgt.compare_grn("other", "more", truth=truth)
    assert c.found.to_dict("list")["n_true"] == [1, 1, 1]
    assert c.found.loc["both", "precision"] == pytest.approx(1 / 6)
    assert "differs" not in c.edges
    assert "the networks are of the same cells" in c.verdict
    assert sgt.pl.grn_difference(c).axes
    with pytest.raises(InputTypeError, match=r"comparison is what .* returned; got AnnData"):
        sgt.pl.grn_difference(adata)
    best = sgt.tl.compare_grn(adata, "other", "more", n_targets=2)
    assert best.found["n"].sum() < c.found["n"].sum()
    assert "(of the 2 best targets of each factor, Jaccard " in best.verdict
    assert "best target" not in c.verdict  # 100, of which no factor has so many


def test_edges_without_weights_have_no_ranks_to_agree(adata):
    regulons = {"F1": ["T0", "T1", "T2"], "F2": ["T6"]}
    sgt.tl.grn_from_edges(adata, regulons, key_added="listed", organism="human")
    c = sgt.tl.compare_grn(adata, "other", "listed")
    assert c.verdict.startswith("4 edges are in both, 5 in other alone, 0 in listed alone (Jaccard 0.44)\n")
    sgt.tl.grn_from_edges(adata, [("F1", "T0")], key_added="one", organism="human")
    assert sgt.tl.compare_grn(adata, "other", "one").verdict.startswith("1 edge is in both")


def test_groups_of_cells_seen_through_one_network(adata):
    rng = np.random.default_rng(0)
    adata.obs["half"] = rng.choice(["x", "y"], adata.n_obs)
    c = sgt.tl.compare_grn(adata, "x", "y", key="other", groupby="half")
    assert (c.edges["found"] == "both").all()
    assert not c.edges["differs"].any()
    assert "no difference that chance does not make" in c.verdict


@pytest.mark.parametrize(
    ("a", "b", "more", "error", "says"),
    [
        (
            "stim",
            "moon",
            {},
            MissingKeyError,
            "'moon' is neither a group of the network 'sgt_grn' .*stim.* nor a network in uns",
        ),
        ("stim", "few", {"groupby": "few"}, InputValueError, "Group stim of obs.* has 0 cells; 10 are wanted"),
        (
            "few",
            "rest",
            {"groupby": "few"},
            InputValueError,
            "Group few of obs.* has 4 cells; 10 are wanted. There is rest",
        ),
        ("a", "b", {"groupby": "nothing"}, InputValueError, r"obs\['nothing'\] names no group"),
        ("rest", "rest", {"groupby": "few"}, InputValueError, "a and b are the same group"),
        (["few"], "rest", {"groupby": "few"}, InputTypeError, r"a is the name of one group or network; got \['few'\]"),
        (
            "stim",
            "ctrl",
            {"replicate_key": "cell"},
            InputValueError,
            "3 replicates .* are wanted in each group; stim has 0",
        ),
        ("other", "more", {"replicate_key": "donor"}, InputValueError, "are networks of all"),
        ("stim", "ctrl", {"key": "nosuch"}, MissingKeyError, "neither a group"),
        ("stim", "ctrl", {"n_targets": 0}, InputValueError, "n_targets is a positive integer"),
    ],
)
def test_what_cannot_be_compared(adata, a, b, more, error, says):
    adata.obs["few"] = ["few"] * 4 + ["rest"] * (adata.n_obs - 4)
    adata.obs["cell"], adata.obs["nothing"] = adata.obs_names, np.nan
    with pytest.raises(error, match=says):
        sgt.tl.compare_grn(adata, a, b, **more)


def test_a_network_is_not_compared_with_itself(adata):
    with pytest.raises(InputValueError, match=r"a and b are the same network, other\. Pass two"):
        sgt.tl.compare_grn(adata, "other", "other")
