import pytest

from scgnn_tools._errors import InputValueError
from scgnn_tools.labels.scgrapht.pathway import parse


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ("P1", ("GG", "CG")),
        ("P2", ("GC", "CG")),
        ("P3", ("CG", "CC")),
        ("P4", ("CC", "CC")),
        ("CG", ("CG",)),
        ("CG-GC-CG", ("CG", "GC", "CG")),
        (["GC", "GG", "CG"], ("GC", "GG", "CG")),
    ],
)
def test_pathways_that_fit(given, steps):
    assert parse(given) == steps


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("CG-CG", "does not fit: CG gives cells, and CG takes genes. After CG comes CC or GC"),
        ("GC-CC", "GC gives genes, and CC takes cells"),
        ("GC", "ends with genes"),
        ("P5", "has the step 'P5'; steps are CC, CG, GC, GG"),
        ("", "has the step ''"),
    ],
)
def test_pathways_that_do_not_fit(given, says):
    with pytest.raises(InputValueError, match=says):
        parse(given)
