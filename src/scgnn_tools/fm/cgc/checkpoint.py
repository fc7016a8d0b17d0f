"""Cell-Graph Compass from its published ``.pt`` (plain or as Uni-Core wraps it) and its vocabulary; edges from tables."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scgnn_tools._choices import integer
from scgnn_tools._errors import InputValueError, WeightsError, warn
from scgnn_tools._log import printable
from scgnn_tools.data.bounds import check_csr
from scgnn_tools.fm import drafts, native, saves
from scgnn_tools.fm._card import ModelCard
from scgnn_tools.fm._fetched import fingerprint
from scgnn_tools.fm._vocabulary import genes_of, read_vocabulary
from scgnn_tools.fm.cgc.config import CGCConfig
from scgnn_tools.fm.cgc.graph import GeneGraph
from scgnn_tools.fm.cgc.model import GRAPH_FILE, CGCModel
from scgnn_tools.fm.cgc.network import CGCNetwork
from scgnn_tools.fm.cgc.sources import EDGES, read_graph, read_text
from scgnn_tools.fm.dictionaries import read_arrays, read_json

ASSETS = ("vocabulary", *EDGES, "text")
LAYER, GRAPH = r"^transformer_encoder\.layers\.(\d+)\.", r"^gnn_encoder\.encoder_layers\.(\d+)\."
RULES = [
    (r"^(module\.|model\.)+", ""),
    (rf"{LAYER}self_attn\.(?:_impl\.)?Wqkv\.", r"encoder.layers.\1.qkv."),
    (rf"{LAYER}self_attn\.in_proj_", r"encoder.layers.\1.qkv."),
    (rf"{LAYER}self_attn\.(?:_impl\.)?out_proj\.", r"encoder.layers.\1.out."),
    (rf"{LAYER}linear1\.", r"encoder.layers.\1.up."),
    (rf"{LAYER}linear2\.", r"encoder.layers.\1.down."),
    (LAYER, r"encoder.layers.\1."),
    (rf"{GRAPH}conv\.message_func\.0\.", r"graph.\1.message."),
    (rf"{GRAPH}edge_message_func\.0\.", r"graph.\1.edge."),
    (rf"{GRAPH}edge_norm\.", r"graph.\1.edge_norm."),
    (rf"{GRAPH}norm\.0\.", r"graph.\1.norm."),
    (rf"{GRAPH}norm\.1\.", r"graph.\1.unused_norm."),
    (r"^gene_encoder\.", "genes."),
    (r"^value_encoder\.", "values."),
    (r"^gene_summary_encoder\.layer\.", "text.0."),
    (r"^bn\.", "batch_norm."),
    (r"^pert_encoder\.", "special."),
    (r"^edge_encoder\.tftg_embedding\.", "edges.regulates."),
    (r"^edge_encoder\.corr_embedding\.", "edges.correlation."),
    (r"^edge_encoder\.chromo_embedding\.", "edges.distance."),
    (r"^cls_decoder\._decoder\.", "classifier.hidden."),
    (r"^cls_decoder\.out_layer\.", "classifier.out."),
    (r"^mvc_decoder\.gene2query\.", "cell_to_gene.query."),
    (r"^mvc_decoder\.W\.", "cell_to_gene.bilinear."),
]
IGNORED = {
    r"graph\.\d+\.unused_norm\.": "no part of the published forward pass",
    r"batch_norm\.num_batches_tracked": "a counter of training",
    r"grad_reverse_discriminator\.": "tells batches apart in fine-tuning only",
    r"batch_encoder\.": "labels of the batches that a fine-tuning had",
}
HEADS = ("decoder.", "classifier.", "cell_to_gene.", "edges.", "graph.")
PUBLISHED, HEAD = (512, 8), 64
"""Width and attention heads of the published network, and the width of a head that is assumed of others."""
NUMBER_OF_HEADS = ("heads", "nhead", "nheads", "n_heads", "num_heads", "num_attention_heads")
"""What a ``config.json`` beside the weights may call them."""


def card() -> ModelCard:
    """Return the card of the published weights."""
    return ModelCard(
        name="cgc",
        title="Cell-Graph Compass",
        kind="graph transformer",
        bundled=False,
        weights="https://github.com/epang-ucas/Cell-Graph-Compass (link to Google Drive)",
        sha256="",
        licence="not stated by its authors",
        organism="human",
        gene_key="symbol",
        input="counts",
        dimension=512,
        n_genes=44856,
        trained_on="50 million human cells, scCompass-h50M",
        limits="1,200 genes a cell. The published edge tables are not public: edges are those of TRRUST and the chromosomes unless given.",
        restricted=True,
    )


def recognises(path: Path) -> bool:
    """Tell whether a path is a folder with a ``.pt`` and a vocabulary and no ``args.json``."""
    return path.is_dir() and (path / "vocab.json").is_file() and not (path / "args.json").is_file()


def load(checkpoint: Path | None, assets: dict[str, Path], *, heads: int | None = None, **options: Any) -> CGCModel:
    """Load published weights, or a folder that ``save`` wrote.

    ``heads`` is the number of attention heads, which the weights do not tell; None reads it from a ``config.json`` beside them, takes the
    published 8 for the published sizes, and else assumes heads of 64, with a warning.
    """
    heads = integer("heads", heads, or_none=True)
    path = native.needs_checkpoint(checkpoint, card(), "the .pt file with vocab.json beside it, or their folder")
    if saves.is_own(path) and (path / GRAPH_FILE).is_file():
        return _own(path, assets, heads, options)
    path = (
        (native.find(path, ("*.pt",), "checkpoint={!r}") or path / "CGCompass_pretrain_weights.pt")
        if path.is_dir()
        else path
    )
    words = read_vocabulary(assets.get("vocabulary", path.parent / "vocab.json"), "<pad>")
    content = native.read_tensors(path)
    tensors = native.rename(native.state_dict(_unwrap(content), path), RULES)
    if any(name.startswith("dsbn.") for name in tensors):
        msg = f"{path} has a batch norm for each batch of its training (dsbn.*); cells of other data have none of these batches."
        raise WeightsError(msg)
    tensors.setdefault("batch_norm.num_batches_tracked", _zero())
    config = _config(tensors, words, path, heads)
    network, report = native.build(CGCNetwork, config, tensors, source=path, optional=HEADS, ignored=IGNORED)
    genes, ids = genes_of(words)
    found = replace(card(), sha256=fingerprint(path), dimension=config.dim, n_genes=len(genes))
    graph, text = read_graph(genes, assets), _text(config, words, assets, path)
    return CGCModel(found, genes, ids, report, config, network, graph=graph, text=text, **options)


def _own(folder: Path, assets: dict[str, Path], heads: int | None, options: dict[str, Any]) -> CGCModel:
    config, raw = saves.read_config(folder, "cgc", CGCConfig, CGCConfig.BEFORE)
    if heads not in (None, config.heads):
        msg = f"{folder} says itself that the network has {config.heads} heads; got heads={heads}. Leave it out."
        raise InputValueError(msg)
    if config.variant == "paper" and not set(CGCConfig.BEFORE) <= set(raw):
        msg = (
            f"{folder} holds a network of variant='paper' of an earlier version, whose equations were not those of the paper (edges from "
            "the new states of genes, two layers for correlations). Train it again: sgt.models.CGC(adata, variant='paper').train()."
        )
        raise WeightsError(msg)
    network, report = saves.build(CGCNetwork, config, raw, folder)
    found = replace(card(), sha256=raw["sha256"], dimension=config.dim, n_genes=len(raw["genes"]))
    genes, ids = np.array(raw["genes"], dtype=object), np.array(raw["ids"])
    own, text = _graph(folder / GRAPH_FILE, len(genes), config)
    graph = read_graph(genes, assets) if set(EDGES) & set(assets) else own
    return CGCModel(found, genes, ids, report, config, network, graph=graph, text=text, **options)


def _graph(path: Path, n_genes: int, config: CGCConfig) -> tuple[GeneGraph, np.ndarray | None]:
    """Return the edges and text features that a save wrote, after looking at what they index."""
    arrays = read_arrays(path)
    try:
        graph = GeneGraph(**{k: arrays[k] for k in GeneGraph.__annotations__})
        text = arrays["text"] if config.n_text else None
    except KeyError as error:
        msg = f"{path} lacks {error}. Save the model again."
        raise WeightsError(msg) from error
    check_csr(graph.offsets, graph.targets, (n_genes, n_genes), str(path), error=WeightsError)
    sides = {len(getattr(graph, k)) for k in ("regulates", "correlation", "distance")}
    if sides != {graph.n_edges} or (text is not None and text.shape != (config.n_tokens, config.n_text)):
        msg = f"{path}: its edges have attributes of {sides} edges, its text features shape {getattr(text, 'shape', None)}."
        raise WeightsError(msg)
    return graph, text


def _unwrap(content: Any) -> Any:
    """Uni-Core keeps the averaged weights under ``ema``, the last ones under ``model``."""
    if isinstance(content, dict) and isinstance(content.get("ema"), dict):
        inner = content["ema"].get("params", content["ema"])
        if isinstance(inner, dict) and any(hasattr(v, "shape") for v in inner.values()):
            return inner
    return content


def _zero() -> Any:
    import torch

    return torch.tensor(0)


def _text(config: CGCConfig, words: dict[str, int], assets: dict[str, Path], path: Path) -> np.ndarray | None:
    if not config.n_text:
        return None
    if "text" not in assets:
        msg = (
            f"{path} was trained with text features of {config.n_text} numbers a gene. Pass assets={{'text': '<file>.npz'}} with arrays "
            "genes (n,) and vectors (n, width)."
        )
        raise WeightsError(msg)
    by_id = np.array(sorted(words, key=words.__getitem__), dtype=object)
    return read_text(assets["text"], by_id, width=config.n_text)


def _heads(dim: int, n_genes: int, path: Path, given: int | None) -> int:
    """Return the number of attention heads: as given, as in a ``config.json`` beside, the published one, or heads of 64."""
    beside, whose = path.parent / saves.CONFIG, "heads="
    said = read_json(beside) if given is None and beside.is_file() else {}
    heads: Any = given
    for word in (w for w in NUMBER_OF_HEADS if w in said):
        heads, whose = said[word], f"{word} of {beside}"
        break
    if heads is None and (dim, n_genes) == (PUBLISHED[0], card().n_genes):
        return PUBLISHED[1]
    todo = f'Pass heads=, or write {{"heads": …}} into {beside}.'
    if heads is None and dim % HEAD == 0:
        msg = (
            f"{path} does not tell how many attention heads its network has; {dim // HEAD} of {HEAD} are assumed. With another number "
            f"all vectors are wrong. {todo}"
        )
        warn(msg)
        return dim // HEAD
    if heads is None:
        msg = f"{path} does not tell how many attention heads its network has, and its width {dim} is no multiple of {HEAD}. {todo}"
        raise WeightsError(msg)
    if not isinstance(heads, int) or isinstance(heads, bool) or heads < 1 or dim % heads:
        error = WeightsError if given is None else InputValueError
        msg = f"{whose} is {printable(heads)}; a number that divides the width of {path}, {dim}, is wanted."
        raise error(msg)
    return heads


def _config(tensors: dict[str, Any], words: dict[str, int], path: Path, heads: int | None) -> CGCConfig:
    """Read the sizes off the tensors; the file has no other record of them, and none of the heads."""
    table = tensors.get("genes.embedding.weight")
    if table is None or "encoder.layers.0.up.weight" not in tensors:
        msg = f"{path} is no Cell-Graph Compass: gene_encoder or transformer_encoder is missing."
        raise WeightsError(msg)
    if len(table) != len(words):
        msg = f"{path}: {len(words):,} tokens in the vocabulary, {len(table):,} rows in the gene embedding: they are not of one model."
        raise WeightsError(msg)

    out, text = tensors.get("classifier.out.bias"), tensors.get("text.0.weight")
    linear = sum(n.startswith("classifier.hidden.") and t.ndim == 2 for n, t in tensors.items())
    return CGCConfig(
        n_tokens=len(words),
        dim=table.shape[1],
        heads=_heads(table.shape[1], len(genes_of(words)[0]), path, heads),
        hidden=len(tensors["encoder.layers.0.up.weight"]),
        n_layers=drafts.count(tensors, "encoder.layers.", path),
        n_graph_layers=drafts.count(tensors, "graph.", path),
        n_class_layers=3 if out is None else 1 + linear,
        n_classes=1 if out is None else len(out),
        n_text=0 if text is None else text.shape[1],
        n_special=len(tensors.get("special.weight", ())),
        pad_id=words["<pad>"],
        cls_id=words["<cls>"],
    )
