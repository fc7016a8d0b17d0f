"""scGPT from its published folder (args.json, vocab.json, best_model.pt), in any of its attention layouts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools.fm import native, saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._fetched import fingerprint
from scgnn_tools.fm._vocabulary import genes_of, read_vocabulary
from scgnn_tools.fm.dictionaries import read_json
from scgnn_tools.fm.scgpt.config import ScGPTConfig
from scgnn_tools.fm.scgpt.model import ScGPT
from scgnn_tools.fm.scgpt.network import ScGPTNetwork

ASSETS = ("vocabulary",)
ARGS, VOCABULARY, WEIGHTS = "args.json", "vocab.json", ("*.pt", "*.safetensors")

LAYER = r"transformer_encoder\.layers\.(\d+)\."
RULES = [
    (r"^(module\.|model\.)+", ""),
    (rf"^{LAYER}self_attn\.(?:_impl\.)?Wqkv\.", r"encoder.layers.\1.qkv."),
    (rf"^{LAYER}self_attn\.in_proj_", r"encoder.layers.\1.qkv."),
    (rf"^{LAYER}self_attn\.(?:_impl\.)?out_proj\.", r"encoder.layers.\1.out."),
    (rf"^{LAYER}linear1\.", r"encoder.layers.\1.up."),
    (rf"^{LAYER}linear2\.", r"encoder.layers.\1.down."),
    (rf"^{LAYER}", r"encoder.layers.\1."),
    (r"^encoder\.(embedding|weight)", r"genes.\1"),
    (r"^encoder\.enc_norm", "genes.norm"),
    (r"^value_encoder\.", "values."),
    (r"^bn\.", "batch_norm."),
    (r"^pert_encoder\.", "special."),
    (r"^cls_decoder\._decoder\.", "classifier.hidden."),
    (r"^cls_decoder\.out_layer\.", "classifier.out."),
    (r"^mvc_decoder\.gene2query\.", "cell_to_gene.query."),
    (r"^mvc_decoder\.W\.", "cell_to_gene.bilinear."),
]
IGNORED = {
    r"flag_encoder\.": "no part of scGPT's forward pass",
    r"grad_reverse_discriminator\.": "tells batches apart in fine-tuning only",
    r"batch_encoder\.": "labels of the batches that a fine-tuning had",
}
HEADS = ("decoder.", "classifier.", "cell_to_gene.")


def card() -> ModelCard:
    """Return the card of the published whole-human weights."""
    return ModelCard(
        name="scgpt",
        title="scGPT",
        kind="transformer",
        bundled=False,
        weights="https://github.com/bowang-lab/scGPT#pretrained-scgpt-model-zoo",
        sha256="",
        licence="MIT",
        organism="human",
        gene_key="symbol",
        input="counts",
        dimension=512,
        n_genes=60694,
        trained_on="33 million human cells of CELLxGENE (whole-human); seven more of single organs and cancers",
        limits="1,200 tokens a cell; human symbols, mouse through orthologs; zero-shot it is often no better than PCA.",
    )


def recognises(path: Path) -> bool:
    """Tell whether a path is a published scGPT folder."""
    return (path / ARGS).is_file() and (path / VOCABULARY).is_file()


def load(checkpoint: Path | None, assets: dict[str, Path], **options: Any) -> ScGPT:
    """Load a published folder, or one that ``save`` wrote."""
    folder = native.needs_checkpoint(checkpoint, card(), "the folder with args.json, vocab.json and best_model.pt")
    if saves.is_own(folder):
        return _own(folder, options)
    given, folder = (None, folder) if folder.is_dir() else (folder, folder.parent)
    args = read_json(folder / ARGS)
    words = read_vocabulary(assets.get("vocabulary", folder / VOCABULARY), str(args.get("pad_token", "<pad>")))
    weights = given or native.find(folder, WEIGHTS, "checkpoint={!r}") or folder / "best_model.pt"
    tensors = native.rename(native.state_dict(native.read_tensors(weights), weights), RULES)
    if any(name.startswith("dsbn.") for name in tensors):
        msg = f"{weights} has a batch norm for each batch of its training (dsbn.*); cells of other data have none of these batches."
        raise WeightsError(msg)
    config = _config(args, words, tensors, folder)
    network, report = native.build(ScGPTNetwork, config, tensors, source=weights, optional=HEADS, ignored=IGNORED)
    genes, ids = genes_of(words)
    found = replace(card(), sha256=fingerprint(weights), dimension=config.dim, n_genes=len(genes))
    return ScGPT(found, genes, ids, report, config, network, **options)


def _own(folder: Path, options: dict[str, Any]) -> ScGPT:
    config, raw = saves.read_config(folder, "scgpt", ScGPTConfig, ScGPTConfig.BEFORE)
    network, report = saves.build(ScGPTNetwork, config, raw, folder)
    found = replace(card(), sha256=raw["sha256"], dimension=config.dim, n_genes=len(raw["genes"]))
    return ScGPT(found, np.array(raw["genes"], dtype=object), np.array(raw["ids"]), report, config, network, **options)


def _config(args: dict[str, Any], words: dict[str, int], tensors: dict[str, Any], folder: Path) -> ScGPTConfig:
    style = args.get("input_emb_style", "continuous")
    if style != "continuous":
        msg = f"{folder / ARGS}: input_emb_style {printable(style)!r} is not supported; 'continuous' is."
        raise WeightsError(msg)
    missing = [k for k in ("embsize", "nheads", "d_hid", "nlayers") if k not in args]
    if missing:
        msg = f"{folder / ARGS} lacks {', '.join(missing)}."
        raise WeightsError(msg)
    embedding = tensors.get("genes.embedding.weight")
    if embedding is not None and len(embedding) != len(words):
        msg = f"{folder}: {len(words):,} tokens in {VOCABULARY}, {len(embedding):,} rows in the gene embedding: they are not of one model."
        raise WeightsError(msg)
    out, pad_value = tensors.get("classifier.out.bias"), args.get("pad_value", -2)
    return ScGPTConfig(
        n_tokens=len(words),
        dim=args["embsize"],
        heads=args["nheads"],
        hidden=args["d_hid"],
        n_layers=args["nlayers"],
        n_class_layers=args.get("n_layers_cls", 3),
        n_classes=1 if out is None else len(out),
        dropout=args.get("dropout", 0.2),
        pad_id=words[str(args.get("pad_token", "<pad>"))],
        cls_id=words["<cls>"],
        cls_value=float(pad_value) if isinstance(pad_value, int) else pad_value,
        n_special=len(tensors.get("special.weight", ())),
        batch_norm=any(name.startswith("batch_norm.") for name in tensors),
    )
