import numpy as np
import pandas as pd

from scgnn_tools.perturbation import relations


def test_interferon_receptors_are_alike_by_ontology_and_unknown_genes_are_like_themselves_alone():
    found = relations([("IFNGR1",), ("IFNGR2", "CAV1"), ("ZZZ9",)], ["go", "prior"])
    at = {g: i for i, g in enumerate(found.genes)}
    k = found.kernels["go"]
    assert k[at["IFNGR1"], at["IFNGR2"]] > 0.5 > k[at["IFNGR1"], at["CAV1"]]
    assert not found.known["go"][at["ZZZ9"]]
    assert k[at["ZZZ9"]].sum() == 1
    for kernel in found.kernels.values():
        np.testing.assert_allclose(np.diag(kernel), 1)
        assert np.linalg.eigvalsh(kernel).min() > -1e-9


def test_a_combination_is_the_sum_of_its_genes():
    found = relations([("IFNGR1",), ("IFNGR2",)], ["go"])
    k = found.kernels["go"]
    both = found.between([("IFNGR1", "IFNGR2")], [("IFNGR1",)], k)
    assert both[0, 0] == k[0, 0] + k[0, 1]


def test_mouse_genes_are_found_as_orthologs():
    found = relations([("Ifngr1",), ("Ifngr2",)], ["go", "prior"], organism="mouse")
    assert found.known["go"].all()
    assert found.kernels["go"][0, 1] > 0.5


def test_a_table_of_ones_own():
    table = pd.DataFrame([[1.0, 0], [1, 1], [0, 2]], index=["drug a", "drug b", "drug c"])
    found = relations([("drug a",), ("drug b",), ("drug x",)], ["table"], vectors={"table": table})
    np.testing.assert_allclose(found.kernels["table"][0], [1, np.sqrt(0.5), 0])
    assert found.known["table"].tolist() == [True, True, False]
