import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scgnn_tools as sgt
from scgnn_tools.cli import main


@pytest.fixture
def screen(tmp_path):
    """240 cells of a screen with six targets, of which three move some genes."""
    rng = np.random.default_rng(0)
    names = ["control", "STAT1", "STAT2", "IRF1", "IRF7", "JAK2", "CD86"]
    target = np.arange(420) % 7
    rate = np.exp(rng.normal(size=40)) * np.ones((420, 1))
    rate[np.isin(target, [1, 2, 5]), :8] *= 3
    adata = ad.AnnData(
        sp.csr_matrix(rng.poisson(rate).astype(np.float32)),
        obs=pd.DataFrame({"target": np.array(names)[target]}, index=[f"c{i}" for i in range(420)]),
        var=pd.DataFrame(index=[*names[1:], *(f"GENE{i}" for i in range(34))]),
    )
    adata.write_h5ad(tmp_path / "screen.h5ad")
    return tmp_path / "screen.h5ad"


@pytest.fixture(autouse=True)
def _loud_again():
    yield
    sgt.settings.verbose = True


@pytest.mark.filterwarnings("ignore")
def test_a_screen_is_scored_and_unseen_perturbations_are_predicted(screen, tmp_path, capsys):
    out, table = tmp_path / "out.h5ad", tmp_path / "changes.csv"
    args = ["--quiet", "perturb", str(screen), "--perturbation-key", "target"]
    assert main([*args, "--output", str(out)]) == 0
    assert {"kernel", "mean"} <= set(ad.read_h5ad(out).uns["sgt_perturb"]["evaluation"].index)
    assert main([*args, "--query", "IRF9", "--query", "STAT1+IRF1", "--output", str(table)]) == 0
    assert pd.read_csv(table, index_col=0).shape[0] == 2
    assert f"{table} written" in capsys.readouterr().out
    assert main(["perturb", str(screen), "--perturbation-key", "nobody", "--output", str(tmp_path / "x.h5ad")]) == 1
    assert "'nobody'" in capsys.readouterr().err
