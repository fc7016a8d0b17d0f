import numpy as np
import pytest
from tests.perturbation.test_cgc import HOW
from tests.tl.test_perturb import small_screen

import scgnn_tools as sgt
from scgnn_tools._errors import InputValueError

__all__ = ["small_screen"]


def test_cells_are_control_cells_moved_by_the_change_and_none_is_below_zero(small_screen):
    before = small_screen.copy()
    made = sgt.models.Perturb(small_screen, "gene", ["STAT1", "IFNGR1+CDK6"], batch_key="batch")
    with pytest.raises(InputValueError, match=r"Not trained yet: call train\(\) first"):
        made.predict()
    made.train()
    cells = made.predict(n_cells=50)
    assert cells.shape == (100, 60)
    assert cells.obs["gene"].value_counts().to_dict() == {"STAT1": 50, "CDK6+IFNGR1": 50}
    assert cells.X.min() >= 0
    moved = cells[cells.obs["gene"] == "STAT1"].to_df().mean() - made.predict(n_cells=300)[:300].to_df().mean()
    assert moved.abs().max() < 0.5
    controls = sgt.models.Perturb(small_screen, "gene", "STAT1", method="no_change")
    controls.train()
    up = cells[:50].to_df().mean() - controls.predict(n_cells=300).to_df().mean()
    assert np.corrcoef(up, made.changes.loc["STAT1"])[0, 1] > 0.9
    assert (small_screen.X != before.X).nnz == 0
    assert list(small_screen.obs) == list(before.obs)
    with pytest.raises(InputValueError, match="query= names no perturbation"):
        sgt.models.Perturb(small_screen, "gene", [])
    with pytest.raises(InputValueError, match="kernel is no network of cells"):
        made.save_network("nowhere")


def test_a_network_changes_each_cell_in_its_own_way_and_is_saved(small_screen, tmp_path):
    made = sgt.models.Perturb(small_screen, "gene", "STAT1", method="scgpt", lr=1e-2, **{**HOW, "n_controls": 20})
    made.train()
    assert list(made.history) == ["loss", "validation"]
    cells = made.predict(n_cells=20)
    like = sgt.models.Perturb(small_screen, "gene", "STAT1", method="no_change")
    like.train()
    change = cells.X.toarray() - like.predict(n_cells=20).X.toarray()
    assert change.std(axis=0).max() > 1e-4
    np.testing.assert_allclose(change[:, cells.X.toarray().min(axis=0) > 0].mean(), 0, atol=2)
    made.save_network(tmp_path / "kept")
    assert sgt.fm.load("scgpt", checkpoint=tmp_path / "kept", device="cpu").config["n_special"] == 3
