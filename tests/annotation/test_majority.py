import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingKeyError
from scgnn_tools.annotation.majority import overclusters, vote

QUICK = {"method": "logreg_pca"}


def test_a_cluster_has_the_label_of_most_of_its_cells():
    label, share = vote(np.array(["B", "B", "T", "T", "NK", "T"]), np.array([0, 0, 0, 1, 1, -1]))
    assert list(label) == ["B", "B", "B", "NK", "NK", "T"]  # a tie goes to the first by name; no cluster, no change
    np.testing.assert_allclose(share, [2 / 3, 2 / 3, 2 / 3, 0.5, 0.5, np.nan], rtol=1e-6)


def test_small_clusters_lie_within_groups():
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(3, 8)) * 20
    group = np.arange(300) % 3
    vectors = (centre[group] + rng.normal(size=(300, 8))).astype(np.float32)
    found = overclusters(vectors, 0)
    assert found.max() > 3
    assert pd.crosstab(found, group).gt(0).sum(axis=1).max() == 1
    np.testing.assert_array_equal(found, overclusters(vectors, 0))
    assert (overclusters(vectors[:10], 0) == 0).all()


@pytest.fixture
def partly(pbmc68k):
    hide = np.random.default_rng(0).random(pbmc68k.n_obs) < 0.5
    pbmc68k.obs["cell_type"] = pbmc68k.obs["bulk_labels"].astype(object).where(~hide)
    return pbmc68k


@pytest.mark.parametrize(("majority", "said"), [(True, "leiden"), ("leiden", "leiden"), ("louvain", "obs['louvain']")])
def test_labels_by_cluster_beside_labels_by_cell(partly, majority, said, tmp_path):
    sgt.tl.annotate(partly, majority=majority, **QUICK)
    share = partly.obs["sgt_label_majority_share"]
    assert share.dtype == np.float32
    assert share.between(0, 1).all()
    assert partly.uns["sgt_label"]["params"]["majority"] == said
    assert (partly.obs["sgt_label_majority"].astype(str) == partly.obs["sgt_label"].astype(str)).mean() > 0.6
    if majority == "louvain":
        assert (partly.obs.groupby("louvain", observed=True)["sgt_label_majority"].nunique() == 1).all()
    partly.write_h5ad(tmp_path / "a.h5ad")


def test_the_order_of_the_cells_decides_no_cluster(partly):
    reference, query = partly[300:].copy(), partly[:300].copy()
    turned = query[np.random.default_rng(1).permutation(300)].copy()
    for one in (query, turned):
        sgt.tl.annotate(one, "bulk_labels", reference=reference, majority=True, method="centroid")
    for column in ("sgt_label_majority", "sgt_label_majority_share"):
        pd.testing.assert_series_equal(query.obs[column], turned.obs[column].loc[query.obs_names])


def test_with_a_reference_and_wrong_clusters(partly):
    query = partly[:60].copy()
    sgt.tl.annotate(query, "bulk_labels", reference=partly[100:].copy(), majority=True, **QUICK)
    assert query.obs["sgt_label_majority"].notna().all()
    before = set(partly.obs)
    for wrong, error in (("lovain", MissingKeyError), (1, InputValueError)):
        with pytest.raises(error, match="majority"):
            sgt.tl.annotate(partly, majority=wrong, **QUICK)
    partly.obs["none"] = np.nan
    with pytest.raises(InputValueError, match="a column without values"):
        sgt.tl.annotate(partly, majority="none", **QUICK)
    assert set(partly.obs) == before | {"none"}
