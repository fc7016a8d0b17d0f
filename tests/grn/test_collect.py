import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scgnn_tools.genes.tables import noncoding
from scgnn_tools.grn import collect

HOW = {"use_rep": None, "layer": None, "gene_key": None, "organism": None, "rng": 0}
GENES = ["SPI1", "JUN", "FOS", "LYZ", "NEAT1", "CXCL8", "CD3D", "B2M", "CEBPB", "ACTB", "NKG7", "CD74"]


@pytest.fixture
def cells():
    counts = np.random.default_rng(0).poisson(2, (30, len(GENES))).astype(np.float32)
    return ad.AnnData(counts, var=pd.DataFrame(index=GENES))


def test_an_rna_is_no_transcription_factor_unless_it_is_named(cells, caplog):
    """TRRUST holds NEAT1 -> CXCL8, the edge of a long RNA."""
    with caplog.at_level("INFO", logger="scgnn_tools"):
        found = collect(cells, "trrust", tfs=None, **HOW)
    assert set(found.tfs) == {"SPI1", "JUN", "FOS", "CEBPB"}
    (said,) = [m for m in caplog.messages if "NEAT1" in m]
    assert "NEAT1 of the prior is an RNA and no transcription factor, and left out; tfs=" in said
    assert ((found.known["tf"] == "NEAT1") & (found.known["target"] == "CXCL8")).any()  # it stays known
    caplog.clear()
    assert list(collect(cells, "trrust", tfs=["NEAT1"], **HOW).tfs) == ["NEAT1"]
    collect(cells[:, cells.var_names != "NEAT1"].copy(), "trrust", tfs=None, **HOW)
    assert not [m for m in caplog.messages if "NEAT1" in m]


@pytest.mark.filterwarnings("ignore:Mouse genes")  # what is lost is said
def test_a_mouse_gene_without_a_human_name_is_one_gene_in_any_case(cells):
    """BEELINE writes mouse genes in upper case."""
    mouse = cells.copy()
    mouse.var_names = [g.capitalize() for g in GENES]
    mouse.varm["own"] = np.random.default_rng(0).normal(size=(len(GENES), 3))
    table = pd.DataFrame({"source": ["SPI1"] * 4, "target": ["LYZ", "NEAT1", "CD74", "B2M"]})
    lower = table.map(str.capitalize)
    one, two = (collect(mouse, t, tfs=t["source"][0], **{**HOW, "use_rep": "own"}) for t in (table, lower))
    pd.testing.assert_frame_equal(one.known, two.known)
    assert len(one.known) == 4
    assert list(one.tfs) == list(two.tfs)


def test_a_gene_that_a_table_spells_in_two_ways_is_one(cells):
    table = pd.DataFrame(
        {"source": ["GATA1", "gata1", " Gata1"], "target": ["LYZ", "CD74", "tal1"]}
    )  # neither is in the data
    known = collect(cells, table, tfs=["SPI1"], **HOW).known
    assert known[["tf", "target"]].to_numpy().tolist() == [["GATA1", "CD74"], ["GATA1", "LYZ"], ["GATA1", "TAL1"]]


def test_what_some_entry_calls_a_protein_is_none_of_the_rnas():
    assert {"NEAT1", "MALAT1", "XIST"} <= noncoding("human")
    assert "Neat1" in noncoding("mouse")
    assert not {"SPI1", "KIFC1", "RPS18"} & noncoding("human")
