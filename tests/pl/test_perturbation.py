import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError, MissingKeyError


@pytest.fixture(scope="module")
def predicted():
    rng = np.random.default_rng(0)
    named = np.repeat(["ctrl", "JAK1", "JAK2", "CDK2"], 60)
    rate = np.exp(rng.normal(size=40) + 1.5 * np.isin(named, ["JAK1", "JAK2"])[:, None] * (np.arange(40) < 12))
    obs = pd.DataFrame({"gene": named}, index=[f"c{i}" for i in range(240)])
    adata = ad.AnnData(
        rng.poisson(3 * rate).astype(np.float32), obs, pd.DataFrame(index=[f"GENE{i}" for i in range(40)])
    )
    sgt.tl.perturb(adata, "gene", n_halves=1)
    return adata


def test_the_most_changed_genes_and_a_bar_a_method(predicted):
    genes, scores = sgt.pl.perturbation(predicted, "JAK2").axes
    assert "JAK2" in genes.get_title(loc="left")
    assert len(genes.get_xticklabels()) == 20
    shown = {t.get_text() for t in genes.get_legend().get_texts()}
    assert {"kernel", "mean", "true change, 95 %"} <= shown
    assert {t.get_text() for t in scores.get_yticklabels()} == {
        "kernel",
        "no_change",
        "mean",
        "shrunken_mean",
        "linear",
    }
    assert sgt.pl.perturbation(predicted).axes[0].get_title(loc="left").startswith("JAK")


def test_what_was_not_scored_cannot_be_drawn(predicted):
    with pytest.raises(MissingKeyError, match="holds no scored perturbations"):
        sgt.pl.perturbation(predicted, key="other")
    with pytest.raises(InputValueError, match=r"condition is 'CDK2', 'JAK1' or 'JAK2'; got 'JAK3'"):
        sgt.pl.perturbation(predicted, "JAK3")
    asked = sgt.tl.perturb(predicted, "gene", n_halves=1, query="STAT1", copy=True)
    with pytest.raises(
        InputValueError, match=r"'STAT1' was predicted and never measured .* varm\['sgt_perturb_change'\]"
    ):
        sgt.pl.perturbation(asked, "STAT1")


def test_names_are_drawn_as_they_are_and_the_legend_covers_nothing(predicted):
    adata = predicted.copy()
    adata.var_names = [f"a$gene${i:02d} of a very long name" for i in range(40)]
    adata.obs["gene"] = (
        adata.obs["gene"].astype(str).replace({"JAK2": "drug $x$ of a name that has no end and goes on"})
    )
    sgt.tl.perturb(adata, "gene", n_halves=1)
    genes, _ = sgt.pl.perturbation(adata, "drug $x$ of a name that has no end and goes on").axes
    assert genes.get_title(loc="left").startswith(r"drug \$x\$ of a name")
    assert all(len(t.get_text()) < 24 for t in genes.get_xticklabels())
    top = adata.uns["sgt_perturb"]["top"].query("condition.str.startswith('drug')")
    assert genes.get_ylim()[1] > (top["change"] + 1.96 * top["error"]).max() * 1.1
