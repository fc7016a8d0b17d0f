import hashlib

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn_tools import assets, genes
from scgnn_tools._errors import WeightsError


@pytest.mark.parametrize("name", sorted(assets.cards()))
def test_every_asset_is_what_its_card_promises(name):
    card = assets.card(name)
    assert hashlib.sha256(assets.path(name).read_bytes()).hexdigest() == card["sha256"]
    for field in ("source", "licence", "description", "made_by"):
        assert card[field], field
    if card["file"].endswith(".tsv.gz"):
        assert len(assets.read_table(name)) == card["n_rows"]


def test_trrust_and_gene_ontology_say_their_licence():
    assert assets.card("trrust")["licence"] == "CC BY-SA 4.0"
    assert assets.card("gene_ontology")["licence"] == "CC BY 4.0"


def test_gene_ontology_is_a_row_a_gene_of_a_set():
    table = genes.gene_ontology()
    assert len(table["term"].unique()) == assets.card("gene_ontology")["n_rows"]
    assert table["term"].str.fullmatch(r"GO:\d{7}").all()
    assert {"JAK2", "STAT3"} <= set(table.loc[table["name"].str.contains("JAK-STAT"), "gene"])
    assert not table.duplicated(["term", "gene"]).any()


def test_all_of_it_is_small():
    assert sum(assets.path(n).stat().st_size for n in assets.cards()) < 15e6


def test_a_damaged_file_is_refused(tmp_path):
    file = tmp_path / "table.tsv.gz"
    file.write_bytes(b"right")
    right = hashlib.sha256(b"right").hexdigest()
    assert assets.checked(file, right) == file
    file.write_bytes(b"wrong")
    with pytest.raises(WeightsError, match="damaged or was changed"):
        assets.checked(file, right)
    with pytest.raises(WeightsError, match="no file"):
        assets.checked(tmp_path / "gone", right)


def test_an_unknown_asset_names_those_that_exist():
    with pytest.raises(KeyError, match="trrust"):
        assets.card("../../etc/passwd")


def test_immune_reference():
    ref = assets.immune_reference()
    assert ref.n_obs == assets.card("immune_reference")["n_rows"]
    assert sp.issparse(ref.X)
    assert ref.X.dtype == np.float32
    assert (ref.X.data == np.rint(ref.X.data)).all()
    assert ref.obs["cell_type"].notna().all()
    assert {"B cell", "NK cell", "CD4 T cell", "CD8 T cell", "CD14+ monocyte"} <= set(ref.obs["cell_type"])
    # a marker a type: the label map did not mix types up
    mean = {
        t: np.asarray(ref[ref.obs["cell_type"] == t].X.mean(axis=0)).ravel()
        for t in ("B cell", "NK cell", "CD14+ monocyte")
    }
    for gene, best in (("MS4A1", "B cell"), ("GNLY", "NK cell"), ("LYZ", "CD14+ monocyte")):
        at = ref.var_names.get_loc(gene)
        assert max(mean, key=lambda t, at=at: mean[t][at]) == best


def test_orthologs_are_one_to_one():
    table = assets.read_table("orthologs")
    assert not table["human"].duplicated().any()
    assert not table["mouse"].duplicated().any()


def test_no_alias_is_a_current_symbol_or_leads_to_two_genes():
    aliases, genes = assets.read_table("aliases_human"), assets.read_table("genes_human")
    assert not aliases["alias"].isin(genes["symbol"]).any()
    assert not aliases["alias"].duplicated().any()
    assert aliases["symbol"].isin(genes["symbol"]).all()
