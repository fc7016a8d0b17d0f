import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools import assets
from scgnn_tools._errors import MissingKeyError

TARGETS = ["IFNGR1", "IFNGR2", "JAK1", "JAK2", "CDK2", "CDK4"]


@pytest.fixture(scope="module")
def bulk():
    """Six knock-outs with two replicates: those of interferon let other genes fall than those of the cell cycle."""
    rng = np.random.default_rng(0)
    base, rows, obs = rng.uniform(30, 300, size=40), [], []
    for i, target in enumerate(TARGETS):
        factor = np.ones(40)
        factor[6 : 16 if i < 4 else 6] = 0.3
        factor[i] = 0.05
        for role, rate in (("control", base), ("knockout", base * factor)) * 2:
            rows.append(rng.poisson(rate))
            obs.append((f"e{i}", role, target, "xy"[i % 2]))
    table = pd.DataFrame(obs, columns=["experiment", "role", "target", "study"])
    genes = [*TARGETS, *[f"GENE{i}" for i in range(34)]]
    adata = ad.AnnData(
        np.array(rows, dtype=np.float32), table.set_index(table.index.astype(str)), pd.DataFrame(index=genes)
    )
    sgt.tl.knockout_bulk(adata)
    return adata


def test_bulk_scores_classes_and_calibration(bulk):
    scores, classes, sure = sgt.pl.knockout_bulk(bulk).axes
    table = bulk.uns["sgt_knockout"]["evaluation"]
    assert {t.get_text() for t in scores.get_yticklabels()} == set(table.index[table["kind"] != "ceiling"])
    assert {t.get_text() for t in scores.texts} == {"chance", "a replicate"}
    widths = sorted(p.get_width() for p in scores.patches)
    assert widths == pytest.approx(sorted(table.loc[table["kind"] != "ceiling", "auprc"]))
    assert [t.get_text() for t in classes.get_xticklabels()] == ["down", "unchanged", "up"]
    drawn = sure.collections[0].get_offsets()
    bins = bulk.uns["sgt_knockout"]["calibration"].query("n > 0")
    np.testing.assert_allclose(np.asarray(drawn), bins[["predicted", "observed"]])


def test_genes_of_a_model_beside_their_like():
    blood = assets.immune_reference()[::40].copy()
    sgt.tl.in_silico(blood)
    table = blood.uns["sgt_in_silico"]["genes"]
    ranks, beside = sgt.pl.in_silico(blood, n_genes=5).axes
    assert [t.get_text() for t in beside.get_yticklabels()] == list(table.index[:5])
    assert sum(len(c.get_offsets()) for c in ranks.collections) == np.isfinite(table["shift"]).sum()
    assert "rank explains" in ranks.get_title(loc="left")
    kinds = blood.obs["cell_type"].value_counts().index
    sgt.tl.in_silico(blood, list(table.index[:3]), groupby="cell_type", goal=kinds[1], n_like=0)
    assert str(kinds[1]) in sgt.pl.in_silico(blood).axes[1].get_xlabel()


@pytest.mark.parametrize("name", ["knockout_bulk", "in_silico"])
def test_what_was_not_computed_cannot_be_drawn(bulk, name):
    with pytest.raises(MissingKeyError, match=f"Run sgt.tl.{name}"):
        getattr(sgt.pl, name)(bulk, key="other")


def test_what_is_odd_is_drawn(bulk):
    alike = bulk.copy()
    alike.X = np.tile(alike.X[:1], (alike.n_obs, 1))
    still = sgt.tl.knockout_bulk(alike[:, 6:].copy(), copy=True)
    assert "no gene changed" in {t.get_text() for t in sgt.pl.knockout_bulk(still).axes[0].texts}
    sgt.tl.knockout_bulk(bulk, classes=5, key_added="five")
    names = [t.get_text() for t in sgt.pl.knockout_bulk(bulk, key="five").axes[1].get_xticklabels()]
    assert names == ["down\nstrongly", "down", "unchanged", "up", "up\nstrongly"]
    blood = assets.immune_reference()[::80].copy()
    sgt.tl.in_silico(blood, ["ACTB", "B2M"], together=True)
    ranks, beside = sgt.pl.in_silico(blood).axes
    assert ranks.get_title(loc="left").endswith("genes deleted together")
    assert len(beside.get_xticks()) < 8
