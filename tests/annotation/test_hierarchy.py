import numpy as np
import pandas as pd
import pytest

from scgnn_tools._errors import LabelError, SgtWarning
from scgnn_tools.annotation.hierarchy import BackOff, read_hierarchy

TABLE = {"CD4 T": "T cell", "CD8 T": "T cell", "T cell": "lymphocyte", "B": "lymphocyte", "Mono": "myeloid cell",
         "lymphocyte": "leukocyte", "myeloid cell": "leukocyte"}  # fmt: skip
CLASSES = np.array(["B", "CD4 T", "CD8 T", "Mono"])

OBO = """format-version: 1.2
ontology: cl

[Term]
id: CL:0000084
name: T cell
synonym: "T lymphocyte" EXACT []
is_a: CL:0000542 ! lymphocyte

[Term]
id: CL:0000542
name: lymphocyte
is_a: CL:0000738 {is_inferred="true"} ! leukocyte

[Term]
id: CL:0000738
name: leukocyte

[Term]
id: CL:0000236
name: B cell
is_a: CL:0000542 ! lymphocyte

[Term]
id: CL:0000999
name: gone
is_obsolete: true

[Typedef]
id: part_of
name: part of
"""


@pytest.mark.parametrize(
    ("proba", "name", "confidence"),
    [
        ([0.9, 0.05, 0.05, 0.0], "B", 0.9),
        ([0.05, 0.5, 0.4, 0.05], "T cell", 0.9),
        ([0.45, 0.25, 0.25, 0.05], "lymphocyte", 0.95),
        ([0.3, 0.2, 0.1, 0.4], "leukocyte", 1.0),
    ],
)
def test_the_deepest_safe_name(proba, name, confidence):
    back_off = BackOff(read_hierarchy(TABLE), CLASSES)
    at, found = back_off.choose(np.array([proba], dtype=np.float32), 0.8)
    assert back_off.names[at[0]] == name
    assert found[0] == pytest.approx(confidence, abs=1e-5)


def test_no_safe_name_if_the_labels_have_no_common_parent():
    table = pd.DataFrame({"child": ["CD4 T", "CD8 T"], "parent": ["T cell", "T cell"]})
    with pytest.warns(SgtWarning, match="2 labels have no parent in the hierarchy and stay as they are: B, Mono"):
        back_off = BackOff(read_hierarchy(table), CLASSES)
    at, found = back_off.choose(np.array([[0.5, 0.1, 0.0, 0.4], [0.1, 0.5, 0.4, 0.0]]), 0.8)
    assert (at[0], back_off.names[at[1]]) == (-1, "T cell")
    assert found[0] == pytest.approx(0.5)


def test_several_parents_and_a_class_above_another_class():
    back_off = BackOff(read_hierarchy({"a": ["x", "y"], "b": ["x"], "c": ["a"]}), np.array(["a", "b", "c"]))
    at, found = back_off.choose(np.array([[0.5, 0.1, 0.4], [0.4, 0.5, 0.1], [0.05, 0.05, 0.9]]), 0.85)
    assert list(back_off.names[at]) == ["a", "x", "c"]
    assert found[0] == pytest.approx(0.9)


def test_an_obo_file_with_names_synonyms_and_ids(tmp_path):
    path = tmp_path / "cl.obo"
    path.write_text(OBO)
    hierarchy = read_hierarchy(str(path))
    assert hierarchy.name_of("t lymphocyte") == hierarchy.name_of("CL:0000084") == "T cell"
    assert set(hierarchy.above("T cell")) == {"lymphocyte", "leukocyte"}
    assert hierarchy.name_of("gone") is None
    back_off = BackOff(hierarchy, np.array(["B cell", "T lymphocyte"]))
    at, _ = back_off.choose(np.array([[0.95, 0.05], [0.5, 0.5]]), 0.9)
    assert list(back_off.names[at]) == ["B cell", "lymphocyte"]
    assert list(back_off.ids[at]) == ["CL:0000236", "CL:0000542"]


def test_labels_that_are_numbers_and_what_has_no_parent():
    given = {1: 2, "b": None, "c": ["x", np.nan, " "], "d": ""}
    assert read_hierarchy(given).parents == {"1": {"2"}, "c": {"x"}}


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(LabelError, match="columns child and parent; it has name, above"):
        read_hierarchy(pd.DataFrame({"name": ["a"], "above": ["b"]}))
    with pytest.raises(LabelError, match="is no file"):
        read_hierarchy(tmp_path / "none.obo")
    (tmp_path / "empty.obo").write_text("nothing")
    with pytest.raises(LabelError, match=r"holds no \[Term\]"):
        read_hierarchy(tmp_path / "empty.obo")
    with pytest.raises(LabelError, match="no pair"):
        read_hierarchy({})
    with pytest.raises(LabelError, match="goes round in a circle through 'a'"):
        BackOff(read_hierarchy({"a": "b", "b": "a"}), np.array(["a", "c"]))
    with pytest.raises(LabelError, match="None of the 4 labels is in the hierarchy"):
        BackOff(read_hierarchy({"neuron": "cell"}), CLASSES)
