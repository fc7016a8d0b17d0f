import pytest

from scgnn_tools import genes
from scgnn_tools._errors import InputValueError
from scgnn_tools.genes import tables


def test_prior():
    human = genes.prior("trrust", "human")
    assert list(human.columns) == ["source", "target", "mode", "n_references"]
    assert len(human) > 8000
    assert not human.duplicated(["source", "target"]).any()
    assert (human["source"] != human["target"]).all()
    assert set(human["mode"]) == {"Activation", "Repression", "Unknown", "Conflict"}
    assert (human["n_references"] >= 1).all()
    assert genes.prior("trrust", "mouse")["source"].str.fullmatch(r"[A-Z]\d*[a-z].*").mean() > 0.9


def test_a_prior_that_is_not_there():
    with pytest.raises(InputValueError, match="no bundled prior 'collectri'; there is 'trrust'"):
        genes.prior("collectri")


def test_transcription_factors():
    human, mouse = genes.transcription_factors("human"), genes.transcription_factors("mouse")
    assert {"GATA1", "SPI1", "TP53"} <= set(human)
    assert {"Gata1", "Spi1"} <= set(mouse)
    assert set(human) < set(genes.transcription_factors("human", curated=False))
    with pytest.raises(InputValueError, match="'human' or 'mouse'"):
        genes.transcription_factors("fly")


def test_positions_are_ranks_along_a_chromosome():
    table = genes.positions().set_index("symbol")
    assert not table.index.duplicated().any()
    assert table.loc["TP53", "chromosome"] == "17"
    # neighbours on chromosome 12, beside each other in any assembly
    assert abs(table.loc["GAPDH", "position"] - table.loc["IFFO1", "position"]) < 10


def test_orthologs_go_both_ways():
    assert tables.human_of_mouse()["Cd3e"] == "CD3E"
    assert tables.mouse_of_human()["CD3E"] == "Cd3e"
    assert tables.human_of_mouse()["Gapdh"] == "GAPDH"  # three mouse partners, one of the same name
