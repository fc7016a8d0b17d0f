"""The script for GPUs runs, in tiny shapes, so that it works on the day that there is a card."""

import numpy as np
import pytest
import torch
from benchmarks import gpu


@pytest.mark.filterwarnings("ignore")  # of networks without training; what counts is that every part ran
@pytest.mark.slow
def test_every_part_runs_in_tiny_shapes():
    found = gpu.table(gpu.tiny(), torch.device("cpu"))
    assert not found["note"].fillna("").str.contains("failed|no time").any(), found["note"].tolist()
    by_name = found.set_index("what")
    for shape in gpu.tiny().shapes:
        assert by_name.loc[shape.title, "cells/s"] > 0
        assert by_name.loc[shape.title, "of rate"] > 0
        assert by_name.loc[shape.title, "cosine"] == pytest.approx(1, abs=1e-5)
        assert by_name.loc[f"{shape.title}, batch halved", "cosine"] == pytest.approx(1, abs=1e-5)
    assert by_name.loc["attention sdpa", "ms"] > 0
    assert "cannot run here" in by_name.loc["attention flash", "note"]
    for kind in ("integrate", "perturb", "knockout_bulk"):
        for name in ("cgc", "scgpt"):
            assert by_name.loc[f"{kind}, {name}, 1x16", "cells/s"] != 0
    assert by_name.filter(like="graph convolution", axis=0)["ms"].notna().all()
    assert by_name.filter(like="epoch of tuning", axis=0)["cells/s"].notna().all()


def test_a_part_that_fails_is_a_row_and_the_others_run(monkeypatch):
    def broken(sizes, device, rate):
        msg = "no kernel"
        raise RuntimeError(msg)

    monkeypatch.setitem(gpu.PARTS, "attention", broken)
    found = gpu.table(gpu.tiny(), torch.device("cpu"), only=["attention", "products"])
    assert found["note"][1] == "failed: RuntimeError: no kernel"
    assert np.isfinite(found["ms"][2])
    late = gpu.table(gpu.tiny(), torch.device("cpu"), only=["products"], budget=-1.0)
    assert late["note"][1] == "no time left"


def test_the_published_shapes_are_the_published_ones():
    assert [s.title for s in gpu.WHOLE.shapes][1:3] == ["Geneformer V2-104M 12x768", "Geneformer V2-316M 18x1152"]
    cells = gpu.cells_like(np.array([f"g{i}" for i in range(20000)]), 300, 1460)
    assert 1000 < cells.X.getnnz(axis=1).mean() < 1600
