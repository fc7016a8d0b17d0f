"""scBERT from its published ``.pth`` (pretrained or fine-tuned), the order of its genes, and gene2vec where the file lacks it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from scgnn_tools._errors import WeightsError
from scgnn_tools.fm import drafts, native, saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._fetched import check_file, fingerprint
from scgnn_tools.fm.dictionaries import reading
from scgnn_tools.fm.scbert.config import ScBERTConfig
from scgnn_tools.fm.scbert.model import ScBERT
from scgnn_tools.fm.scbert.network import ScBERTNetwork

ASSETS = ("gene_order", "gene2vec")
LAYER = r"^performer\.net\.layers\.(\d+)\."
RULES = [
    (r"^module\.", ""),
    (r"^token_emb\.", "values."),
    (r"^pos_emb\.emb\.weight$", "places"),
    (rf"{LAYER}0\.norm\.", r"performer.layers.\1.norm1."),
    (rf"{LAYER}0\.fn\.fast_attention\.projection_matrix", r"performer.layers.\1.projection"),
    (rf"{LAYER}0\.fn\.to_(q|k|v|out)\.", r"performer.layers.\1.\2."),
    (rf"{LAYER}1\.norm\.", r"performer.layers.\1.norm2."),
    (rf"{LAYER}1\.fn\.(?:fn\.)?w1\.", r"performer.layers.\1.up."),
    (rf"{LAYER}1\.fn\.(?:fn\.)?w2\.", r"performer.layers.\1.down."),
    (r"^to_out\.(weight|bias)$", r"to_values.\1"),
]
IGNORED = {
    r"performer\.calls_since_last_redraw": "a counter of training",
    r"to_out\.(conv1|fc1|fc2|fc3|act|act1|act2)\.": "the classifier of a fine-tuning",
}


def card() -> ModelCard:
    """Return the card of the published weights."""
    return ModelCard(
        name="scbert",
        title="scBERT",
        kind="transformer",
        bundled=False,
        weights="https://github.com/TencentAILabHealthcare/scBERT (on request to its authors)",
        sha256="",
        licence="GPL-3.0 code; weights on request, licence not stated",
        organism="human",
        gene_key="symbol",
        input="counts",
        dimension=200,
        n_genes=16906,
        trained_on="1 million human cells of PanglaoDB",
        limits="All 16,906 genes are tokens: seconds a cell on a CPU. Values above 31 per 10,000 are one token.",
        restricted=True,
    )


def recognises(path: Path) -> bool:
    """Tell whether a path is a published ``.pth``."""
    return _file(path).suffix == ".pth" and _file(path).is_file()


def load(checkpoint: Path | None, assets: dict[str, Path], **options: Any) -> ScBERT:
    """Load a published ``.pth``, or a folder that ``save`` wrote."""
    path = native.needs_checkpoint(checkpoint, card(), "the .pth file, or its folder")
    if saves.is_own(path):
        return _own(path, options)
    path = _file(path)
    tensors = native.rename(native.state_dict(native.read_tensors(path), path), RULES)
    native.fuse_qkv(tensors, "{}.q", "{}.k", "{}.v", "{}.qkv")
    genes = read_gene_order(
        assets.get("gene_order")
        or native.find(path.parent, ("panglao_*.h5ad", "gene_order*"), "assets={{'gene_order': {!r}}}"),
        path,
    )
    if "places" not in tensors:
        of_genes = assets.get("gene2vec") or native.find(
            path.parent, ("gene2vec_*.npy",), "assets={{'gene2vec': {!r}}}"
        )
        tensors["places"] = _gene2vec(of_genes, path)
    config = _config(tensors, path)
    if config.n_genes != len(genes):
        msg = f"{path} was trained on {config.n_genes:,} genes, the gene order holds {len(genes):,}: they are not of one model."
        raise WeightsError(msg)
    network, report = native.build(
        ScBERTNetwork, config, tensors, source=path, optional=("to_values.",), ignored=IGNORED
    )
    found = replace(card(), sha256=fingerprint(path), dimension=config.dim, n_genes=len(genes))
    return ScBERT(found, genes, report, config, network, **options)


def _own(folder: Path, options: dict[str, Any]) -> ScBERT:
    config, raw = saves.read_config(folder, "scbert", ScBERTConfig)
    network, report = saves.build(ScBERTNetwork, config, raw, folder)
    found = replace(card(), sha256=raw["sha256"], dimension=config.dim, n_genes=len(raw["genes"]))
    return ScBERT(found, np.array(raw["genes"], dtype=object), report, config, network, **options)


def _file(path: Path) -> Path:
    if path.is_dir():
        return native.find(path, ("*.pth",), "checkpoint={!r}") or path / "panglao_pretrained.pth"
    return path


def read_gene_order(path: Path | None, checkpoint: Path) -> np.ndarray:
    """Return the genes of the model in its order: the genes of an ``.h5ad``, or the first column of a text file."""
    if path is None:
        msg = (
            f"No panglao_10000.h5ad beside {checkpoint}: the order of scBERT's genes is not in its weights. Pass "
            "assets={'gene_order': '<panglao_10000.h5ad, or a text file with one symbol a line>'}."
        )
        raise WeightsError(msg)
    check_file(path)
    with reading(path, "holds no genes"):
        if path.suffix == ".h5ad":
            import anndata

            genes = anndata.read_h5ad(path, backed="r").var_names.astype(str).to_numpy(dtype=object)
        else:
            genes = pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)[0].to_numpy(dtype=object)
    repeated = pd.Index(genes)[pd.Index(genes).duplicated()]
    if len(repeated):
        msg = f"{path}: {repeated[0]} stands twice; the genes of a model are unique."
        raise WeightsError(msg)
    return genes


def _gene2vec(path: Path | None, checkpoint: Path) -> torch.Tensor:
    if path is None:
        msg = (
            f"{checkpoint} holds no pos_emb and no gene2vec_16906.npy is beside it: without it the network cannot tell genes apart. "
            "Pass assets={'gene2vec': '<path>'}."
        )
        raise WeightsError(msg)
    check_file(path)
    with reading(path, "is no array"):
        table = np.load(path, allow_pickle=False, mmap_mode="r")
    if table.ndim != 2 or table.dtype.kind != "f":
        msg = f"{path} holds {table.dtype} of shape {table.shape}; a table of numbers, genes × width, is wanted."
        raise WeightsError(msg)
    return torch.from_numpy(np.concatenate([table, np.zeros((1, table.shape[1]))]))


def _config(tensors: dict[str, Any], path: Path) -> ScBERTConfig:
    """Read the sizes off the tensors; the file has no other record of them."""
    try:
        values, places = tensors["values.weight"], tensors["places"]
        features, d_head = tensors["performer.layers.0.projection"].shape
        inner, hidden = len(tensors["performer.layers.0.qkv.weight"]) // 3, len(tensors["performer.layers.0.up.weight"])
    except KeyError as error:
        msg = f"{path} is no scBERT: tensor {error} is missing."
        raise WeightsError(msg) from error
    return ScBERTConfig(
        n_genes=len(places) - 1,
        dim=values.shape[1],
        heads=inner // d_head,
        d_head=d_head,
        hidden=hidden,
        n_layers=drafts.count(tensors, "performer.layers.", path),
        n_features=features,
        n_values=len(values),
    )
