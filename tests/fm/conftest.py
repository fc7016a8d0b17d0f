"""Small checkpoints of all models, and counts of real genes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from benchmarks import checkpoints
from benchmarks.checkpoints import ensembl_of

import scgnn_tools as sgt
from scgnn_tools.fm._registry import MODELS
from scgnn_tools.fm.geneformer import Geneformer
from scgnn_tools.fm.scnetformer import ScNetFormer, TokenGraph

NAMES = [name for name, entry in MODELS.items() if entry.published]
GENES = checkpoints.genes_like(200)


def _scnetformer(folder: Path, genes: list[str]) -> Path:
    """Write a scNetFormer, whose gate is open, as its ``save`` does."""
    n, rng = len(genes), np.random.default_rng(0)
    sizes = {"dim": 32, "heads": 4, "hidden": 64, "n_layers": 2, "max_length": 128, "dropout": 0.0, "device": "cpu"}
    base = Geneformer.untrained(np.array(genes, dtype=object), rng.gamma(2.0, 1.0, size=n) + 0.1, **sizes)
    graph = TokenGraph({"": sp.csr_array((rng.random((n, n)) < 0.05).astype(np.float32))})
    model = ScNetFormer.of(base, sgt.fm.card("scnetformer"), graph=graph, n_graph_layers=2, masked_layers=(0,))
    with torch.no_grad():
        for p in model.network.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
        model.network.gate.fill_(0.7)
    model.save(folder)
    return folder


def _bundled(name: str) -> Callable[[Path, list[str]], Path]:
    """Return what saves a bundled model, whatever the genes."""

    def save(folder: Path, genes: list[str]) -> Path:
        sgt.fm.load(name).save(folder)
        return folder

    return save


WRITERS: dict[str, Callable[[Path, list[str]], Path]] = {
    "cgc-mini": _bundled("cgc-mini"),
    "corpus-svd": _bundled("corpus-svd"),
    "scgpt": partial(checkpoints.scgpt, n_layers=2, dim=32, n_heads=4),
    "geneformer": lambda folder, genes: checkpoints.geneformer(
        folder, ensembl_of(genes), n_layers=3, dim=32, n_heads=4, max_length=128
    ),
    "scfoundation": partial(
        checkpoints.scfoundation, n_layers=2, dim=32, n_heads=4, decoder_layers=2, decoder_dim=32, decoder_heads=2, sets=("cell", "gene")
    ),
    "scbert": partial(checkpoints.scbert, n_layers=2, dim=32, n_heads=2),
    "cgc": partial(checkpoints.cgc, n_layers=2, dim=64),
    "scnetformer": _scnetformer,
}  # fmt: skip
"""A small checkpoint of each model: in its published format, else as its ``save`` writes it. test_contract.py wants one of every model."""


def write(name: str, folder: Path, genes: list[str] | None = None) -> Path:
    """Write a small checkpoint of a model."""
    return WRITERS[name](folder, GENES if genes is None else genes)


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A small checkpoint of each model."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: write(name, root / name) for name in WRITERS}


@pytest.fixture(scope="session")
def models(folders) -> dict[str, "sgt.fm.FoundationModel"]:
    """The loaded models."""
    return {name: sgt.fm.load(name, checkpoint=folder, device="cpu") for name, folder in folders.items()}


@pytest.fixture(params=NAMES)
def name(request) -> str:
    """Each published model in turn; test_contract.py takes every model."""
    return request.param


@pytest.fixture
def model(name, models):
    """The model of this name, loaded."""
    return models[name]


@pytest.fixture
def folder(name, folders) -> Path:
    """The checkpoint of the model of this name; read only."""
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
