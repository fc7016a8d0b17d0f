import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from scgnn_tools.annotation import nearness
from scgnn_tools.annotation.nearness import Nearness


@pytest.mark.parametrize("k", [1, 10, 200])
def test_the_mean_distance_is_that_of_an_exhaustive_search(k, monkeypatch):
    rng = np.random.default_rng(0)
    reference, cells = (rng.normal(size=(n, 12)).astype(np.float32) for n in (150, 40))
    cells = np.concatenate([cells, reference[:3], np.zeros((1, 12), dtype=np.float32)])
    search = NearestNeighbors(n_neighbors=min(k, 150), metric="cosine").fit(reference)
    near = Nearness(reference, k)
    whole = near(cells)
    np.testing.assert_allclose(whole, search.kneighbors(cells)[0].mean(axis=1), atol=1e-6)
    monkeypatch.setattr(nearness, "BLOCK", 450)  # three cells at a time
    np.testing.assert_allclose(near(cells), whole, atol=1e-6)
    assert len(near(cells[:0])) == 0
