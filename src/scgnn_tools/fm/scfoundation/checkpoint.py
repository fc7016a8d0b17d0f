"""scFoundation from its published ``models.ckpt``, which holds three sets of weights, and its gene list."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._choices import choice
from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools.fm import native, saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._fetched import check_file, fingerprint
from scgnn_tools.fm.dictionaries import reading
from scgnn_tools.fm.scfoundation.config import ScFoundationConfig
from scgnn_tools.fm.scfoundation.model import GENES_FOLDER, ScFoundation
from scgnn_tools.fm.scfoundation.network import ScFoundationNetwork

ASSETS = ("gene_order",)
SETS = ("cell", "rde", "gene")
ENCODER, DECODER = r"^encoder\.transformer_encoder\.(\d+)\.", r"^decoder\.performer\.net\.layers\.(\d+)\."
RULES = [
    (r"^(?:.*?model\.)", ""),
    (r"^token_emb\.emb\.", "values.bins."),
    (r"^token_emb\.emb_mask\.", "values.mask."),
    (r"^token_emb\.emb_pad\.", "values.pad."),
    (r"^token_emb\.", "values."),
    (r"^pos_emb\.", "places."),
    (rf"{ENCODER}self_attn\.in_proj_", r"encoder.layers.\1.qkv."),
    (rf"{ENCODER}self_attn\.out_proj\.", r"encoder.layers.\1.out."),
    (rf"{ENCODER}linear1\.", r"encoder.layers.\1.up."),
    (rf"{ENCODER}linear2\.", r"encoder.layers.\1.down."),
    (rf"{ENCODER}", r"encoder.layers.\1."),
    (r"^encoder\.norm\.", "encoder_norm."),
    (r"^decoder_embed\.", "to_decoder."),
    (rf"{DECODER}0\.norm\.", r"decoder.layers.\1.norm1."),
    (rf"{DECODER}0\.fn\.fast_attention\.projection_matrix", r"decoder.layers.\1.projection"),
    (rf"{DECODER}0\.fn\.to_(q|k|v|out)\.", r"decoder.layers.\1.\2."),
    (rf"{DECODER}1\.norm\.", r"decoder.layers.\1.norm2."),
    (rf"{DECODER}1\.fn\.(?:fn\.)?w1\.", r"decoder.layers.\1.up."),
    (rf"{DECODER}1\.fn\.(?:fn\.)?w2\.", r"decoder.layers.\1.down."),
    (r"^decoder\.norm\.", "decoder_norm."),
    (r"^to_final\.", "to_expression."),
]
IGNORED = {r"decoder\.performer\.calls_since_last_redraw": "a counter of training"}


def card() -> ModelCard:
    """Return the card of the published weights."""
    return ModelCard(
        name="scfoundation",
        title="scFoundation",
        kind="transformer",
        bundled=False,
        weights="https://github.com/biomap-research/scFoundation (models.ckpt)",
        sha256="",
        licence="scFoundation Model License (not open source; read MODEL_LICENSE before use)",
        organism="human",
        gene_key="symbol",
        input="counts",
        dimension=3072,
        n_genes=19264,
        trained_on="50 million human cells",
        limits="Every expressed gene is a token, so that time grows with the square of their number; genes in context run over all 19,264.",
        restricted=True,
    )


def recognises(path: Path) -> bool:
    """Tell whether a path is a published ``.ckpt``."""
    return _file(path).suffix == ".ckpt" and _file(path).is_file()


def load(checkpoint: Path | None, assets: dict[str, Path], *, weights: str = "cell", **options: Any) -> ScFoundation:
    """Load a published ``models.ckpt``, or a folder that ``save`` wrote.

    ``weights`` is "cell", "rde" (trained for enhancing read depth) or "gene", the set that cell vectors come from.
    """
    path = native.needs_checkpoint(checkpoint, card(), "models.ckpt, or its folder")
    choice("weights", weights, SETS)
    if saves.is_own(path):
        return _own(path, options)
    path = _file(path)
    genes = read_gene_order(assets.get("gene_order") or _order(path.parent), path)
    content = native.read_tensors(path)
    digest = fingerprint(path)

    def build(which: str, genes_network: Any = None) -> ScFoundation:
        config, tensors = _unpack(content, which, path)
        if config.n_genes != len(genes):
            msg = f"{path} was trained on {config.n_genes:,} genes, the gene list holds {len(genes):,}: they are not of one model."
            raise WeightsError(msg)
        network, report = native.build(ScFoundationNetwork, config, tensors, source=path, ignored=IGNORED)
        found = replace(card(), sha256=digest, n_genes=len(genes))
        return ScFoundation(found, genes, report, config, network, genes_network=genes_network, **options)

    only = not any(isinstance(content, Mapping) and s in content for s in SETS)
    if only or weights == "gene":
        return build(weights)
    return build(weights, cache(lambda: build("gene")) if "gene" in content else None)


def _own(folder: Path, options: dict[str, Any]) -> ScFoundation:
    config, raw = saves.read_config(folder, "scfoundation", ScFoundationConfig)
    network, report = saves.build(ScFoundationNetwork, config, raw, folder)
    found = replace(card(), sha256=raw["sha256"], n_genes=len(raw["genes"]))
    genes, of_genes = np.array(raw["genes"], dtype=object), folder / GENES_FOLDER
    genes_network = cache(lambda: _own(of_genes, options)) if saves.is_own(of_genes) else None
    return ScFoundation(found, genes, report, config, network, genes_network=genes_network, **options)


def _file(path: Path) -> Path:
    if path.is_dir():
        return native.find(path, ("*.ckpt", "models/*.ckpt"), "checkpoint={!r}") or path / "models.ckpt"
    return path


def _order(folder: Path) -> Path | None:
    return native.find(folder, ("OS_scRNA_gene_index*.tsv",), "assets={{'gene_order': {!r}}}")


def read_gene_order(path: Path | None, checkpoint: Path) -> np.ndarray:
    """Return the genes of the model in its order, from a table with a column ``gene_name``."""
    if path is None:
        msg = (
            f"No OS_scRNA_gene_index.19264.tsv beside {checkpoint}: the order of the genes is in that file of the published "
            "repository (model/). Pass assets={'gene_order': '<path>'}."
        )
        raise WeightsError(msg)
    check_file(path)
    with reading(path, "is no table"):
        table = pd.read_csv(path, sep="\t")
    if "gene_name" not in table or table["gene_name"].duplicated().any() or table["gene_name"].isna().any():
        msg = f"{path}: a column gene_name without repeats is wanted; the columns are {', '.join(map(str, table.columns))}."
        raise WeightsError(msg)
    if "index" in table and not np.array_equal(table["index"].to_numpy(), np.arange(len(table))):
        table = table.sort_values("index")
        if not np.array_equal(table["index"].to_numpy(), np.arange(len(table))):
            msg = f"{path}: its column index does not run from 0 without a hole; every gene behind it would get another's vector."
            raise WeightsError(msg)
    return table["gene_name"].astype(str).to_numpy(dtype=object)


def _unpack(content: Any, which: str, path: Path) -> tuple[ScFoundationConfig, dict[str, Any]]:
    """Return the sizes and renamed tensors of one set of weights, of the published file or of the older one with one set."""
    part = content.get(which, content) if isinstance(content, Mapping) else content
    if not isinstance(part, Mapping) or "config" not in part:
        there = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        msg = f"{path} holds no weights {which!r} with a config; it holds: {there}."
        raise WeightsError(msg)
    raw = part["config"]
    tensors = native.rename(native.state_dict(part, path), RULES)
    native.fuse_qkv(tensors, "{}.q", "{}.k", "{}.v", "{}.qkv")
    try:
        if isinstance(raw.get("model"), str) and "model_config" in raw:
            raw = {**raw["model_config"][raw["model"]], **raw.get("dataset_config", {}).get("rnaseq", {})}
        encoder, decoder = raw["encoder"], raw["decoder"]
        config = ScFoundationConfig(
            n_genes=raw["seq_len"] - 2,
            dim=encoder["hidden_dim"],
            heads=encoder["heads"],
            n_layers=encoder["depth"],
            hidden=4 * encoder["hidden_dim"],
            n_bins=raw["bin_num"],
            bin_alpha=raw["bin_alpha"],
            decoder_dim=decoder["hidden_dim"],
            decoder_heads=decoder["heads"],
            decoder_layers=decoder["depth"],
            decoder_hidden=4 * decoder["hidden_dim"],
            decoder_d_head=decoder.get("dim_head", 64),
            n_features=len(tensors.get("decoder.layers.0.projection", np.empty(266))),
        )
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: the config of its weights {which!r} lacks {printable(error)}."
        raise WeightsError(msg) from error
    return config, tensors
