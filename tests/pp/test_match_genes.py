import numpy as np
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import GeneMatchError


def test_report(pbmc68k):
    before = set(pbmc68k.uns)
    assert sgt.pp.match_genes(pbmc68k) is None
    report = pbmc68k.uns["sgt"]["genes"]
    assert set(pbmc68k.uns) == before | {"sgt"}
    assert report["model"] == sgt.fm.best_bundled()
    assert report["n_genes"] == 765
    assert report["share_matched"] > 0.95
    assert 0 <= report["share_counts_lost"] < 0.05
    assert len(report["table"]) == 765


def test_copy_leaves_the_object_alone(pbmc68k):
    out = sgt.pp.match_genes(pbmc68k, copy=True)
    assert "sgt" in out.uns
    assert "sgt" not in pbmc68k.uns


def test_a_vocabulary_of_ones_own(pbmc68k):
    sgt.pp.match_genes(pbmc68k, [*pbmc68k.var_names[:700], "X1"])
    assert pbmc68k.uns["sgt"]["genes"]["n_matched"] == 700


def test_nothing_in_common_changes_nothing(pbmc68k):
    pbmc68k.var_names = [f"region-{i}" for i in range(765)]
    with pytest.raises(GeneMatchError, match="Matched 0 of 765 genes"):
        sgt.pp.match_genes(pbmc68k)
    assert "sgt" not in pbmc68k.uns


def test_round_trip(pbmc68k, tmp_path):
    import anndata as ad

    sgt.pp.match_genes(pbmc68k)
    pbmc68k.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad").uns["sgt"]["genes"]
    report = pbmc68k.uns["sgt"]["genes"]
    assert {k: v for k, v in back.items() if k != "table"} == {k: v for k, v in report.items() if k != "table"}
    assert np.array_equal(back["table"]["how"].astype(str), report["table"]["how"].astype(str))
