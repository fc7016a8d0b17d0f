import numpy as np
import pytest
import scipy.sparse as sp
from tests.perturbation.test_cgc import seen

from scgnn_tools._errors import InputValueError
from scgnn_tools.perturbation import perturbation_method
from scgnn_tools.perturbation.cells import check_quantiles, predicted_cells


def test_means_move_all_cells_alike_down_to_zero():
    method = perturbation_method("mean")
    method.fit(seen(), rng=0)
    controls = sp.csr_array(np.eye(4, 12, dtype=np.float32))
    made = predicted_cells("mean", method, ("STAT1",), controls)
    np.testing.assert_allclose(made, np.maximum(controls.toarray() + seen().changes.mean(axis=0), 0), atol=1e-6)
    assert made.min() == 0


def test_quantiles_are_shares():
    assert check_quantiles((0.75, 0.25, 0.25)) == [0.25, 0.75]
    assert check_quantiles(None) == []
    with pytest.raises(InputValueError, match="quantiles is a number above 0 and below 1"):
        check_quantiles([50])
