"""Where ``corpus-svd`` is read from: the weights in the package, or a folder that ``save`` wrote."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scgnn_tools._errors import WeightsError
from scgnn_tools.fm import saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm.corpus_svd.network import CorpusSVD

WEIGHTS = Path(__file__).parent / "weights"
DIMENSION = 50


def _card(config: dict[str, Any], n_genes: int) -> ModelCard:
    return ModelCard(
        name="corpus-svd",
        title="SVD of a small corpus of blood, bone marrow, lung and brain cells",
        kind="linear",
        bundled=True,
        weights="bundled, made by scripts/build_corpus_svd.py",
        sha256=config["sha256"],
        licence=config["licence"],
        organism="human",
        gene_key="symbol",
        input="log1p",
        dimension=DIMENSION,
        n_genes=n_genes,
        trained_on=config["trained_on"],
        limits="A linear map, trained mostly on blood: tissues that the corpus lacks (pancreas) are told apart less well "
        "than by PCA of the cells themselves.",
    )


@cache
def card() -> ModelCard:
    """Return the card of the bundled weights."""
    config = json.loads((WEIGHTS / saves.CONFIG).read_text(encoding="utf-8"))
    return _card(config, len(config["genes"]))


@cache
def _bundled() -> CorpusSVD:
    return _read(WEIGHTS)


def load(checkpoint: Path | None, assets: dict[str, Path]) -> CorpusSVD:
    """Load the bundled weights, or those of a folder."""
    return _bundled() if checkpoint is None else _read(checkpoint)


def _read(folder: Path) -> CorpusSVD:
    shapes = {"loadings": (None, DIMENSION), "singular_values": (DIMENSION,)}
    tensors, config = saves.load(folder, shapes)
    genes = np.array(config.get("genes", []), dtype=str)
    if len(genes) != len(tensors["loadings"]):
        msg = f"{folder}: {len(genes):,} genes in the vocabulary, {len(tensors['loadings']):,} rows of loadings."
        raise WeightsError(msg)
    return CorpusSVD(_card(config, len(genes)), genes, tensors["loadings"], tensors["singular_values"], config)
