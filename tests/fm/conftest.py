"""Small checkpoints of all published models in their native formats, and counts of real genes."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from benchmarks import checkpoints
from benchmarks.checkpoints import ensembl_of

import scgnn_tools as sgt

NAMES = ["scgpt", "geneformer", "scfoundation", "scbert", "cgc"]
GENES = checkpoints.genes_like(200)


def write(name: str, folder: Path, genes: list[str] | None = None) -> Path:
    """Write a small checkpoint of a model in its published format."""
    genes = GENES if genes is None else genes
    match name:
        case "scgpt":
            return checkpoints.scgpt(folder, genes, n_layers=2, dim=32, n_heads=4)
        case "geneformer":
            return checkpoints.geneformer(folder, ensembl_of(genes), n_layers=3, dim=32, n_heads=4, max_length=128)
        case "scfoundation":
            return checkpoints.scfoundation(
                folder, genes, n_layers=2, dim=32, n_heads=4, decoder_layers=2, decoder_dim=32, decoder_heads=2, sets=("cell", "gene")
            )  # fmt: skip
        case "scbert":
            return checkpoints.scbert(folder, genes, n_layers=2, dim=32, n_heads=2)
        case _:
            return checkpoints.cgc(folder, genes, n_layers=2, dim=64)


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A small checkpoint of each published model."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: write(name, root / name) for name in NAMES}


@pytest.fixture(scope="session")
def models(folders) -> dict[str, "sgt.fm.NetworkModel"]:
    """The loaded models."""
    return {name: sgt.fm.load(name, checkpoint=folder, device="cpu") for name, folder in folders.items()}


@pytest.fixture(params=NAMES)
def name(request) -> str:
    """Each published model in turn."""
    return request.param


@pytest.fixture
def model(name, models):
    """Each published model, loaded."""
    return models[name]


@pytest.fixture
def folder(name, folders) -> Path:
    """The checkpoint of each published model; read only."""
    return folders[name]


@pytest.fixture(scope="session")
def _cells() -> ad.AnnData:
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.4, 2.0, size=len(GENES)) * rng.gamma(2.0, 0.7, size=(40, 1))
    counts = sp.csr_matrix(rng.poisson(rate).astype(np.float32))
    obs = pd.DataFrame({"group": pd.Categorical(rng.choice(["a", "b"], size=40))}, index=[f"c{i}" for i in range(40)])
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))


@pytest.fixture
def cells(_cells) -> ad.AnnData:
    """40 cells × 200 human genes, counts, 20 to 160 genes a cell."""
    return _cells.copy()
