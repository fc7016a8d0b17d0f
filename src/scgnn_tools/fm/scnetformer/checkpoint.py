"""scNetFormer from a folder that ``save`` wrote; nobody publishes weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools.fm import native, saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm.dictionaries import read_arrays
from scgnn_tools.fm.scnetformer.config import ScNetFormerConfig
from scgnn_tools.fm.scnetformer.graph import TokenGraph
from scgnn_tools.fm.scnetformer.model import CONTRAST_FILE, GRAPH_FILE, ScNetFormer
from scgnn_tools.fm.scnetformer.network import ScNetFormerNetwork


def card() -> ModelCard:
    """Return the card."""
    return ModelCard(
        name="scnetformer",
        title="scNetFormer",
        kind="graph transformer",
        bundled=False,
        weights="none published; sgt.models.ScNetFormer trains it from a Geneformer and a gene graph",
        sha256="",
        licence="that of the Geneformer and the graph that it is made of",
        organism="human",
        gene_key="ensembl",
        input="counts",
        dimension=256,
        n_genes=25424,
        trained_on="cells of its user",
        limits="What its Geneformer, its graph and its cells hold.",
    )


def load(checkpoint: Path | None, assets: dict[str, Path], **options: Any) -> ScNetFormer:
    """Load a folder that ``save`` wrote."""
    folder = native.needs_checkpoint(checkpoint, card(), "a folder that model.save() wrote")
    config, raw = saves.read_config(folder, "scnetformer", ScNetFormerConfig, ScNetFormerConfig.BEFORE)
    network, report = saves.build(ScNetFormerNetwork, config, raw, folder)
    found = replace(
        card(), sha256=raw["sha256"], dimension=config.dim, n_genes=len(raw["genes"]), gene_key=raw["gene_key"]
    )
    return ScNetFormer(
        found,
        np.array(raw["genes"], dtype=object),
        np.array(raw["ids"]),
        report,
        config,
        network,
        graph=_graph(folder / GRAPH_FILE),
        contrast_graph=_graph(folder / CONTRAST_FILE),
        medians=np.array(raw["medians"]),
        mapping=pd.Series(raw["mapping"], dtype=object) if raw["mapping"] else None,
        **{"pooling": raw["pooling"], **options},
    )


def _graph(path: Path) -> TokenGraph:
    try:
        return TokenGraph.from_arrays(read_arrays(path))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        msg = f"{path} is damaged ({printable(error)}). Save the model again."
        raise WeightsError(msg) from error
