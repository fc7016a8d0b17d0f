import numpy as np
import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.data.conditions import (
    at_dose,
    condition_name,
    dose_of,
    find_control,
    gene_of,
    gene_of_guide,
    one_spelling,
    parse_conditions,
)


@pytest.mark.parametrize(
    ("value", "genes"),
    [
        ("A", ("A",)),
        ("B+A", ("A", "B")),
        ("A,B", ("A", "B")),
        (["B", "A"], ("A", "B")),
        ("A+ctrl", ("A",)),
        ("ctrl+A", ("A",)),
        ("non-targeting+A", ("A",)),
        ("ctrl", ()),
        ("IRF1_SET", ("IRF1", "SET")),
        ("IRF1_ctrl", ("IRF1",)),
        ("drug_10uM", ("drug_10uM",)),
        ("SET|IRF1", ("IRF1", "SET")),
        ("IRF1;ctrl", ("IRF1",)),
        ("SET & IRF1", ("IRF1", "SET")),
        ("IRF1/SET", ("IRF1", "SET")),
        ("IRF1:SET", ("IRF1", "SET")),
        ("drug:10/day", ("drug:10/day",)),
        ("HLA-A", ("HLA-A",)),
        (" A ", ("A",)),
        ("A+neg_ctrl", ("A",)),
        ("(+)-JQ1", ("(+)-JQ1",)),
        ("2,4-D", ("2,4-D",)),
        ("STAT1,1700001C02Rik", ("1700001C02Rik", "STAT1")),
        ("A@2e+5+B@3", ("A@2e5", "B@3")),
        (np.nan, None),
        ("", None),
        ("Unknown", None),
    ],
)
def test_a_condition_is_its_genes_in_every_spelling(value, genes):
    assert parse_conditions([value, "B"], control="ctrl")[0] == genes


def test_an_underscore_parts_conditions_that_stand_alone_elsewhere():
    assert parse_conditions(["x1_y2", "x1", "y2"], control="ctrl")[0] == ("x1", "y2")


@pytest.mark.parametrize(
    "name",
    [
        "ctrl",
        "Control",
        "non-targeting",
        "NT",
        "unperturbed",
        "DMSO",
        "vehicle",
        "ctrl+ctrl",
        "NTC",
        "Negative Control",
    ],
)
def test_the_usual_controls_are_found(name):
    assert find_control(["A", name, "A+ctrl2"]) == name


def test_bad_conditions():
    with pytest.raises(InputValueError, match=r"No control among the conditions: A, B\. Pass control="):
        find_control(["A", "B"])
    with pytest.raises(
        InputValueError, match=r"No control .* NTg1, NTg2 look like guides of a control: pass a column of genes"
    ):
        find_control(["A", "NTg1", "NTg2"])
    with pytest.raises(InputValueError, match=r"2 conditions could be the control: DMSO, ctrl\. Pass control="):
        find_control(["A", "ctrl", "DMSO"])
    with pytest.raises(InputValueError, match=r"control='crtl' is no condition.*Did you mean 'ctrl'"):
        find_control(["A", "ctrl"], "crtl")
    with pytest.raises(InputValueError, match=r"'A\+A' names 'A' twice. Call it 'A'"):
        parse_conditions(["A+A"], control="ctrl")


def test_names_of_conditions():
    assert condition_name(("A", "B")) == "A+B"
    assert condition_name(()) == "control"


def test_genes_at_a_dose():
    dosed = at_dose(("A", "B"), 1e7)
    assert dosed == ("A@1e07", "B@1e07")
    assert parse_conditions([condition_name(dosed)], control="ctrl") == [dosed]  # "+" parts genes and is in no dose
    assert one_spelling(("B", "A@10.0")) == ("A@10", "B")
    assert [gene_of(g) for g in ("A@10", "A", "HLA@B")] == ["A", "A", "HLA@B"]
    assert [dose_of(g) for g in (*dosed, "A", "HLA@B")] == [1e7, 1e7, None, None]


@pytest.mark.parametrize("name", ["A@0", "A@1.2.3", "A@.", "A@1e999", "A@-3", "A@nan"])
def test_what_is_no_positive_number_is_no_dose(name):
    assert dose_of(name) is None
    assert gene_of(name) == name


@pytest.mark.parametrize(
    ("name", "gene"),
    [("JAK1g2", "JAK1"), ("JAK1_sg1", "JAK1"), ("JAK1-2", "JAK1"), ("NTg1", "NT"), ("non-targeting_2", "non-targeting")]
    + [(n, None) for n in ("NKX2-5", "H2-K1", "HLA-A", "drug_10", "TP53", "JAK1")],
)
def test_a_guide_is_known_by_the_gene_in_its_name(name, gene):
    assert gene_of_guide(name) == gene
