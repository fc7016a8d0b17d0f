"""Where ``cgc-mini`` is read from: the weights in the package, or a folder that ``save`` wrote."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools.data.bounds import check_csr
from scgnn_tools.fm import drafts, saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm.cgc_mini.network import BITS, CGCMini, CGCMiniSettings

WEIGHTS = Path(__file__).parent / "weights"
DIMENSION = 64
SHAPES: dict[str, tuple[int | None, ...]] = {
    "vectors": (None, DIMENSION),
    "trained": (None,),
    "rarity": (None,),
    "offsets": (None,),
    "targets": (None,),
    "correlation": (None,),
    "own": (None, None),
}


def _card(config: dict[str, Any], n_own: int = 0) -> ModelCard:
    return ModelCard(
        name="cgc-mini",
        title="A small cell graph: co-expressed genes and a cell node, trained on blood, bone marrow, lung and brain cells",
        kind="linear",
        bundled=True,
        weights="bundled, made by scripts/pretrain_cgc_mini.py",
        sha256=config["sha256"],
        licence=config["licence"],
        organism="human",
        gene_key="symbol",
        input="log1p",
        dimension=DIMENSION + BITS + n_own,
        n_genes=len(config["genes"]),
        trained_on=config["trained_on"],
        limits="No transformer: those that were tried on this corpus were worse. Tissues that the corpus lacks (pancreas) come nearer to "
        "PCA of the cells themselves than with corpus-svd, not up to it.",
    )


@cache
def card() -> ModelCard:
    """Return the card of the bundled weights."""
    return _card(json.loads((WEIGHTS / saves.CONFIG).read_text(encoding="utf-8")))


@cache
def _bundled() -> CGCMini:
    return _read(WEIGHTS)


def load(checkpoint: Path | None, assets: dict[str, Path]) -> CGCMini:
    """Load the bundled weights, or those of a folder."""
    return _bundled() if checkpoint is None else _read(checkpoint)


def _read(folder: Path) -> CGCMini:
    tensors, config = saves.load(folder, SHAPES)
    n, trained, ends = len(config.get("genes", [])), tensors["trained"], tensors["targets"]
    if not len(tensors["offsets"]) or any(tensors[k].dtype.kind != "i" for k in ("trained", "offsets", "targets")):
        msg = f"{folder}: trained, offsets and targets are no whole numbers. Fetch or save it again."
        raise WeightsError(msg)
    pairs = [
        (len(trained), len(tensors["vectors"])),
        (len(ends), len(tensors["correlation"])),
        (len(ends), tensors["offsets"][-1]),
        *((len(tensors[name]) - extra, n) for name, extra in (("rarity", 0), ("own", 0), ("offsets", 1))),
    ]
    if any(a != b for a, b in pairs) or not ((trained >= 0) & (trained < n)).all():
        msg = f"{folder}: vectors, graph and vocabulary ({n:,} genes) do not fit together. Fetch or save it again."
        raise WeightsError(msg)
    vectors = np.zeros((n, DIMENSION))
    vectors[trained] = tensors["vectors"]
    check_csr(tensors["offsets"], ends, (n, n), str(folder), error=WeightsError)
    edges = (tensors["correlation"].astype(np.float64), ends, tensors["offsets"])
    return CGCMini(
        _card(config, tensors["own"].shape[1]),
        np.array(config["genes"], dtype=str),
        vectors=vectors,
        rarity=tensors["rarity"].astype(np.float64),
        graph=sp.csr_array(edges, shape=(n, n)),
        settings=_settings(config, folder),
        config=config,
        own=tensors["own"],
    )


def _settings(config: dict[str, Any], folder: Path) -> CGCMiniSettings:
    try:
        out = CGCMiniSettings(**config["settings"])
    except (KeyError, TypeError) as error:
        msg = f"{folder / saves.CONFIG}: its settings do not fit ({printable(error)}). Fetch or save it again."
        raise WeightsError(msg) from error
    drafts.check_values(out, folder / saves.CONFIG)
    return out
