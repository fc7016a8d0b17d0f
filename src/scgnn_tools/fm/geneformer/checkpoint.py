"""Geneformer from its published folder (config.json, model.safetensors or pytorch_model.bin) and its dictionaries."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn_tools._errors import WeightsError
from scgnn_tools._log import printable
from scgnn_tools.fm import drafts, native, saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._fetched import fingerprint
from scgnn_tools.fm._vocabulary import check_ids
from scgnn_tools.fm.dictionaries import read_json, read_words
from scgnn_tools.fm.geneformer.config import GeneformerConfig
from scgnn_tools.fm.geneformer.model import Geneformer
from scgnn_tools.fm.geneformer.network import GeneformerNetwork

ASSETS = ("token_dictionary", "gene_median", "gene_mapping")
CONFIG, WEIGHTS = "config.json", ("model.safetensors", "pytorch_model.bin")
FILES = {
    "token_dictionary": ("token_dictionary*.pkl", "token_dictionary*.json"),
    "gene_median": ("gene_median_dictionary*.pkl", "gene_median_dictionary*.json"),
    "gene_mapping": ("ensembl_mapping_dict*.pkl", "ensembl_mapping_dict*.json"),
}
LAYER = r"^bert\.encoder\.layer\.(\d+)\."
RULES = [
    (r"^module\.", ""),
    (rf"{LAYER}attention\.self\.(query|key|value)\.", r"encoder.layers.\1.\2."),
    (rf"{LAYER}attention\.output\.dense\.", r"encoder.layers.\1.out."),
    (rf"{LAYER}attention\.output\.LayerNorm\.", r"encoder.layers.\1.norm1."),
    (rf"{LAYER}intermediate\.dense\.", r"encoder.layers.\1.up."),
    (rf"{LAYER}output\.dense\.", r"encoder.layers.\1.down."),
    (rf"{LAYER}output\.LayerNorm\.", r"encoder.layers.\1.norm2."),
    (r"^bert\.embeddings\.word_embeddings\.", "genes."),
    (r"^bert\.embeddings\.position_embeddings\.", "ranks."),
    (r"^bert\.embeddings\.token_type_embeddings\.", "types."),
    (r"^bert\.embeddings\.LayerNorm\.", "norm."),
    (r"^cls\.predictions\.transform\.dense\.", "head.dense."),
    (r"^cls\.predictions\.transform\.LayerNorm\.", "head.norm."),
    (r"^cls\.predictions\.bias$", "head.bias"),
]
IGNORED = {
    r"bert\.embeddings\.position_ids": "a count from 0 on",
    r"cls\.predictions\.decoder\.": "tied to the gene embeddings",
    r"cls\.seq_relationship\.": "no part of Geneformer",
    r"bert\.pooler\.": "of a fine-tuned classifier",
    r"classifier\.": "of a fine-tuned classifier",
}


def card() -> ModelCard:
    """Return the card of the published weights."""
    return ModelCard(
        name="geneformer",
        title="Geneformer",
        kind="transformer",
        bundled=False,
        weights="https://huggingface.co/ctheodoris/Geneformer",
        sha256="",
        licence="Apache-2.0",
        organism="human",
        gene_key="ensembl",
        input="counts",
        dimension=768,
        n_genes=20271,
        trained_on="30 (V1) or 104 (V2) million human cells, Genecorpus",
        limits="2,048 (V1) or 4,096 (V2) tokens a cell; the ranks of genes alone; the dictionaries of one series do not fit the other.",
    )


def recognises(path: Path) -> bool:
    """Tell whether a path is a published Geneformer folder."""
    try:
        return read_json(path / CONFIG).get("model_type") == "bert"
    except WeightsError:
        return False


def load(checkpoint: Path | None, assets: dict[str, Path], **options: Any) -> Geneformer:
    """Load a published folder, or one that ``save`` wrote."""
    folder = native.needs_checkpoint(checkpoint, card(), "the folder with config.json and model.safetensors")
    if saves.is_own(folder):
        return _own(folder, options)
    given, folder = (None, folder) if folder.is_dir() else (folder, folder.parent)
    raw = read_json(folder / CONFIG)
    files = {role: assets.get(role) or _beside(folder, role) for role in ASSETS}
    tokens = _needs(files, "token_dictionary", folder, int)
    medians = _needs(files, "gene_median", folder, float)
    config = _config(raw, tokens, folder)
    genes = _genes(tokens, medians, config, files, folder)

    weights = given or native.find(folder, WEIGHTS, "checkpoint={!r}") or folder / WEIGHTS[0]
    tensors = native.rename(native.state_dict(native.read_tensors(weights), weights), RULES)
    native.fuse_qkv(tensors, "{}.query", "{}.key", "{}.value", "{}.qkv")
    _check_tied(tensors, weights)
    network, report = native.build(
        GeneformerNetwork, config, tensors, source=weights, optional=("head.",), ignored=IGNORED
    )
    found = replace(card(), sha256=fingerprint(weights), dimension=config.dim, n_genes=len(genes))
    return Geneformer(
        found,
        np.array(genes, dtype=object),
        np.array([tokens[g] for g in genes], dtype=np.int32),
        report,
        config,
        network,
        medians=np.array([medians[g] for g in genes]),
        mapping=_mapping(files["gene_mapping"], genes),
        **options,
    )


def _own(folder: Path, options: dict[str, Any]) -> Geneformer:
    config, raw = saves.read_config(folder, "geneformer", GeneformerConfig)
    network, report = saves.build(GeneformerNetwork, config, raw, folder)
    found = replace(
        card(), sha256=raw["sha256"], dimension=config.dim, n_genes=len(raw["genes"]), gene_key=raw["gene_key"]
    )
    genes = np.array(raw["genes"], dtype=object)
    options = {"pooling": raw["pooling"], **options}
    mapping = pd.Series(raw["mapping"], dtype=object) if raw["mapping"] else None
    medians = np.array(raw["medians"])
    return Geneformer(
        found, genes, np.array(raw["ids"]), report, config, network, medians=medians, mapping=mapping, **options
    )


def _beside(folder: Path, role: str) -> Path | None:
    """Look for a dictionary where the published repository has them: beside the weights, above them, in ``geneformer/``."""
    wanted = _version(folder.name)
    for place in (folder, folder.parent, folder.parent / "geneformer", folder / "geneformer"):
        found = [p for pattern in FILES[role] for p in sorted(place.glob(pattern))]
        fitting = [p for p in found if wanted is None or _version(p.name) in (None, wanted)]
        named = [p for p in fitting if _version(p.name) == wanted] or fitting
        if len(named) > 1:
            names = ", ".join(printable(p.name) for p in named[:6])
            msg = f"{len(named)} files of {place} fit: {names}. Say which: pass assets={{'{role}': '{named[0]}'}}."
            raise WeightsError(msg)
        if named:
            return named[0]
    return None


def _version(name: str) -> str | None:
    """Return "30", "95" or "104" where the name of a file or folder says on how many million cells it was made."""
    found = re.search(r"(30|95|104)M", name)
    return found[1] if found else None


def _needs(files: dict[str, Path | None], role: str, folder: Path, kind: "type[int] | type[float]") -> dict[str, Any]:
    path = files[role]
    if path is None:
        msg = (
            f"No {FILES[role][0]} beside {folder}: Geneformer's tokens are in files of their own, one set a series. "
            f"Pass assets={{'{role}': '<path>'}} with the file of the same series as the weights."
        )
        raise WeightsError(msg)
    return read_words(path, kind)


def _config(raw: dict[str, Any], tokens: dict[str, int], folder: Path) -> GeneformerConfig:
    if raw.get("hidden_act", "relu") != "relu":
        msg = f"{folder / CONFIG}: hidden_act is {printable(raw['hidden_act'])!r}; Geneformer's is 'relu'."
        raise WeightsError(msg)
    try:
        config = GeneformerConfig(
            n_tokens=raw["vocab_size"],
            dim=raw["hidden_size"],
            heads=raw["num_attention_heads"],
            hidden=raw["intermediate_size"],
            n_layers=raw["num_hidden_layers"],
            max_length=raw["max_position_embeddings"],
            n_types=raw.get("type_vocab_size", 2),
            eps=raw.get("layer_norm_eps", 1e-12),
            dropout=raw.get("hidden_dropout_prob", 0.02),
            pad_id=tokens.get("<pad>", 0),
            mask_id=tokens.get("<mask>", 1),
            cls_id=tokens.get("<cls>", -1),
            eos_id=tokens.get("<eos>", -1),
        )
    except KeyError as error:
        msg = f"{folder / CONFIG} lacks {error}."
        raise WeightsError(msg) from error
    drafts.check_values(config, folder / CONFIG)
    if len(tokens) != config.n_tokens:
        series = "V2" if config.cls_id >= 0 else "V1"
        msg = (
            f"The token dictionary is of another series than {folder}: it has {len(tokens):,} tokens (like {series}), the weights "
            f"have {config.n_tokens:,}. With the wrong one every gene gets another's vector. Pass assets={{'token_dictionary': …, "
            "'gene_median': …} of the right series."
        )
        raise WeightsError(msg)
    if (config.cls_id < 0) != (config.eos_id < 0):
        msg = f"The token dictionary of {folder} has one of <cls> and <eos>; series V1 has neither, V2 both."
        raise WeightsError(msg)
    return config


def _genes(
    tokens: dict[str, int],
    medians: dict[str, float],
    config: GeneformerConfig,
    files: dict[str, Path | None],
    folder: Path,
) -> list[str]:
    """Return the genes that have a token and a median, after checking that both are of one series."""
    words = [t for t in sorted(tokens, key=tokens.__getitem__) if not t.startswith("<")]
    check_ids(tokens, files["token_dictionary"])  # type: ignore[arg-type]
    genes = [g for g in words if g in medians]
    names = [str(files[r].name) for r in ("token_dictionary", "gene_median") if files[r] is not None]  # type: ignore[union-attr]
    versions = {v for v in map(_version, [*names, folder.name]) if v is not None}
    if len(versions) > 1 or len(genes) < 0.9 * len(words):
        msg = (
            f"The dictionaries are of different series: {', '.join(names)} for {folder.name}; {len(genes):,} of {len(words):,} "
            "tokens have a median. Pass assets= with both files of the series of the weights."
        )
        raise WeightsError(msg)
    wrong = [g for g in genes if not medians[g] > 0]
    if wrong:
        msg = (
            f"{files['gene_median']}: the median of {printable(wrong[0])} is {medians[wrong[0]]}; medians are positive."
        )
        raise WeightsError(msg)
    return genes


def _mapping(path: Path | None, genes: list[str]) -> "pd.Series | None":
    if path is None:
        return None
    known = set(genes)
    table = {k.upper(): v for k, v in read_words(path, str).items()}
    return pd.Series({k: v for k, v in table.items() if v in known and k != v}, dtype=object)


def _check_tied(tensors: dict[str, Any], weights: Path) -> None:
    """The output matrix of the head is that of the embeddings; where a file holds both, they have to be one."""
    twin, table = tensors.get("cls.predictions.decoder.weight"), tensors.get("genes.weight")
    if twin is not None and table is not None and (twin.shape != table.shape or not bool((twin == table).all())):
        msg = f"{weights}: the decoder is not tied to the gene embeddings; this is no Geneformer."
        raise WeightsError(msg)
