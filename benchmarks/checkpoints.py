"""Checkpoints of the published formats with random weights: what tests and benchmarks load, as nobody may ship the real ones.

Usage: ``python -m benchmarks.checkpoints FOLDER [--layers 2]`` writes one of each model with the genes of the bundled tables.
"""

import argparse
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

Shapes = dict[str, tuple[int, ...]]
Fill = Callable[[str, tuple[int, ...]], np.ndarray]


def random_fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a tensor like those of a network before training."""
    rng = np.random.default_rng(abs(hash((len(name), shape))) % 2**32)
    if name.endswith("running_var") or (len(shape) == 1 and name.endswith("weight")):
        return np.ones(shape, dtype=np.float32)
    if len(shape) == 1:
        return np.zeros(shape, dtype=np.float32)
    scale = 1.0 if name.endswith("projection_matrix") else 0.5 if "emb" in name else shape[-1] ** -0.5
    return scale * rng.standard_normal(shape, dtype=np.float32)


def state(shapes: Mapping[str, tuple[int, ...]], fill: Fill = random_fill) -> dict[str, torch.Tensor]:
    """Return tensors for shapes."""
    return {name: torch.from_numpy(fill(name, shape)) for name, shape in shapes.items()}


def linear(name: str, n_in: int, n_out: int, *, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (n_out, n_in)} | ({f"{name}.bias": (n_out,)} if bias else {})


def norm(name: str, dim: int) -> Shapes:
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}


def torch_encoder(prefix: str, n_layers: int, dim: int, hidden: int) -> Shapes:
    """Return the shapes of ``torch.nn.TransformerEncoderLayer``, a layer each."""
    out: Shapes = {}
    for i in range(n_layers):
        p = f"{prefix}.{i}"
        out |= {f"{p}.self_attn.in_proj_weight": (3 * dim, dim), f"{p}.self_attn.in_proj_bias": (3 * dim,)}
        out |= linear(f"{p}.self_attn.out_proj", dim, dim)
        out |= linear(f"{p}.linear1", dim, hidden) | linear(f"{p}.linear2", hidden, dim)
        out |= norm(f"{p}.norm1", dim) | norm(f"{p}.norm2", dim)
    return out


def heads(dim: int, n_classes: int, decoder: str = "decoder") -> Shapes:
    """Return the shapes of the three heads of scGPT and CGC."""
    out = linear(f"{decoder}.fc.0", dim, dim) | linear(f"{decoder}.fc.2", dim, dim) | linear(f"{decoder}.fc.4", dim, 1)
    for i in (0, 3):
        out |= linear(f"cls_decoder._decoder.{i}", dim, dim) | norm(f"cls_decoder._decoder.{i + 2}", dim)
    out |= linear("cls_decoder.out_layer", dim, n_classes) | linear("mvc_decoder.gene2query", dim, dim)
    return out | linear("mvc_decoder.W", dim, dim, bias=False)


def values(dim: int) -> Shapes:
    """Return the shapes of the value encoder of scGPT and CGC."""
    return (
        linear("value_encoder.linear1", 1, dim)
        | linear("value_encoder.linear2", dim, dim)
        | norm("value_encoder.norm", dim)
    )


def performer(prefix: str, n_layers: int, dim: int, inner: int, d_head: int, n_features: int, *, bias: bool) -> Shapes:
    """Return the shapes of a published Performer, a layer each."""
    out: Shapes = {}
    for i in range(n_layers):
        p = f"{prefix}.{i}"
        out |= norm(f"{p}.0.norm", dim) | norm(f"{p}.1.norm", dim)
        for part in ("to_q", "to_k", "to_v"):
            out |= linear(f"{p}.0.fn.{part}", dim, inner, bias=bias)
        out |= linear(f"{p}.0.fn.to_out", inner, dim)
        out |= {f"{p}.0.fn.fast_attention.projection_matrix": (n_features, d_head)}
        out |= linear(f"{p}.1.fn.fn.w1", dim, 4 * dim) | linear(f"{p}.1.fn.fn.w2", 4 * dim, dim)
    return out


def scgpt(
    folder: Path, genes: list[str], *, n_layers: int = 12, dim: int = 512, n_heads: int = 8, tensors: dict | None = None
) -> Path:
    """Write a scGPT folder as the model zoo has them: Wqkv layout, a flag_encoder that nothing reads."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [*genes, "<pad>", "<cls>", "<eoc>"]
    args = {"embsize": dim, "nheads": n_heads, "d_hid": dim, "nlayers": n_layers, "n_layers_cls": 3, "dropout": 0.2}
    args |= {
        "pad_token": "<pad>",
        "pad_value": -2,
        "mask_value": -1,
        "n_bins": 51,
        "input_emb_style": "continuous",
        "max_seq_len": 1200,
    }
    (folder / "args.json").write_text(json.dumps(args))
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    if tensors is None:
        shapes = {"encoder.embedding.weight": (len(words), dim)} | norm("encoder.enc_norm", dim) | values(dim)
        shapes |= torch_encoder("transformer_encoder.layers", n_layers, dim, dim) | heads(dim, 1)
        tensors = state(shapes)
        tensors = {k.replace("in_proj_", "Wqkv."): v for k, v in tensors.items()}
        tensors["flag_encoder.weight"] = torch.zeros(2, dim)
    torch.save(tensors, folder / "best_model.pt")
    return folder


def geneformer(
    folder: Path, genes: list[str], *, series: str = "V2", n_layers: int = 12, dim: int = 768, n_heads: int = 12, hidden: int | None = None,
    max_length: int | None = None, tensors: dict | None = None, medians: dict[str, float] | None = None,
) -> Path:  # fmt: skip
    """Write a Geneformer folder with its dictionaries: V1 as pytorch_model.bin, V2 as safetensors without the tied decoder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    special = ["<pad>", "<mask>"] + (["<cls>", "<eos>"] if series == "V2" else [])
    tokens = {w: i for i, w in enumerate([*special, *genes])}
    hidden, max_length = hidden or (2 if series == "V1" else 4) * dim, max_length or (2048 if series == "V1" else 4096)
    config = {
        "model_type": "bert", "vocab_size": len(tokens), "hidden_size": dim, "num_hidden_layers": n_layers, "num_attention_heads": n_heads,
        "intermediate_size": hidden, "hidden_act": "relu", "max_position_embeddings": max_length, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.02, "architectures": ["BertForMaskedLM"],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    rng = np.random.default_rng(0)
    medians = medians or dict(zip(genes, rng.gamma(2.0, 1.0, size=len(genes)) + 0.1, strict=True))
    with (folder / "token_dictionary.pkl").open("wb") as file:
        pickle.dump({k: np.int16(v) if series == "V1" else v for k, v in tokens.items()}, file)
    with (folder / "gene_median_dictionary.pkl").open("wb") as file:
        pickle.dump({k: np.float64(v) for k, v in medians.items()}, file)
    if tensors is None:
        e, h = "bert.embeddings", "cls.predictions"
        shapes: Shapes = {
            f"{e}.word_embeddings.weight": (len(tokens), dim),
            f"{e}.position_embeddings.weight": (max_length, dim),
        }
        shapes |= {f"{e}.token_type_embeddings.weight": (2, dim)} | norm(f"{e}.LayerNorm", dim)
        for i in range(n_layers):
            p = f"bert.encoder.layer.{i}"
            for part in ("query", "key", "value"):
                shapes |= linear(f"{p}.attention.self.{part}", dim, dim)
            shapes |= linear(f"{p}.attention.output.dense", dim, dim) | norm(f"{p}.attention.output.LayerNorm", dim)
            shapes |= linear(f"{p}.intermediate.dense", dim, hidden) | linear(f"{p}.output.dense", hidden, dim)
            shapes |= norm(f"{p}.output.LayerNorm", dim)
        shapes |= (
            linear(f"{h}.transform.dense", dim, dim)
            | norm(f"{h}.transform.LayerNorm", dim)
            | {f"{h}.bias": (len(tokens),)}
        )
        tensors = state(shapes)
    if series == "V1":
        extra = {"bert.embeddings.position_ids": torch.arange(max_length)[None]}
        table = tensors["bert.embeddings.word_embeddings.weight"]
        torch.save({**tensors, **extra, "cls.predictions.decoder.weight": table}, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors")
    return folder


def scfoundation(
    folder: Path, genes: list[str], *, n_layers: int = 12, dim: int = 768, n_heads: int = 12, decoder_layers: int = 6,
    decoder_dim: int = 512, decoder_heads: int = 8, tensors: dict | None = None, sets: tuple[str, ...] = ("cell", "rde", "gene"),
) -> Path:  # fmt: skip
    """Write ``models.ckpt`` with its three sets of weights, and the gene list."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(f"{g}\t{i}" for i, g in enumerate(genes))
    (folder / f"OS_scRNA_gene_index.{len(genes)}.tsv").write_text(f"gene_name\tindex\n{rows}\n")
    n, inner = len(genes) + 2, 64 * decoder_heads
    encoder = {
        "hidden_dim": dim,
        "depth": n_layers,
        "heads": n_heads,
        "dim_head": 64,
        "module_type": "transformer",
        "norm_first": False,
    }
    decoder = {
        "hidden_dim": decoder_dim,
        "depth": decoder_layers,
        "heads": decoder_heads,
        "dim_head": 64,
        "module_type": "performer",
    }
    config = {
        "model": "mae_autobin",
        "model_config": {"mae_autobin": {
            "n_class": 104, "seq_len": n, "pad_token_id": 103, "mask_token_id": 102, "bin_num": 100, "bin_alpha": 1.0, "rawcount": True,
            "encoder": encoder, "decoder": decoder,
        }},
        "dataset_config": {"rnaseq": {"gene_num": n}},
    }  # fmt: skip
    if tensors is None:
        shapes = linear("token_emb.mlp", 1, 100) | linear("token_emb.mlp2", 100, 100)
        shapes |= {
            "token_emb.emb.weight": (100, dim),
            "token_emb.emb_mask.weight": (1, dim),
            "token_emb.emb_pad.weight": (1, dim),
        }
        shapes |= {"pos_emb.weight": (n + 1, dim)} | torch_encoder(
            "encoder.transformer_encoder", n_layers, dim, 4 * dim
        )
        shapes |= norm("encoder.norm", dim) | linear("decoder_embed", dim, decoder_dim)
        shapes |= performer("decoder.performer.net.layers", decoder_layers, decoder_dim, inner, 64, 266, bias=True)
        shapes |= norm("decoder.norm", decoder_dim) | norm("norm", decoder_dim) | linear("to_final", decoder_dim, 1)
        tensors = state(shapes)
    content = {}
    for which in sets:
        named = {f"model.{k}": v for k, v in tensors.items()}
        named["model.decoder.performer.calls_since_last_redraw"] = torch.tensor(0)
        content[which] = {"config": config, "state_dict": named}
    torch.save(content, folder / "models.ckpt")
    return folder


def scbert(
    folder: Path, genes: list[str], *, n_layers: int = 6, dim: int = 200, n_heads: int = 10, tensors: dict | None = None
) -> Path:
    """Write ``panglao_pretrained.pth`` as DDP training leaves it, and the order of the genes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gene_order.txt").write_text("\n".join(genes) + "\n")
    if tensors is None:
        shapes: Shapes = {"token_emb.weight": (7, dim), "pos_emb.emb.weight": (len(genes) + 1, dim)}
        shapes |= performer("performer.net.layers", n_layers, dim, 64 * n_heads, 64, 266, bias=False)
        shapes |= norm("norm", dim) | linear("to_out", dim, 7)
        tensors = state(shapes)
        tensors["pos_emb.emb.weight"] = tensors["pos_emb.emb.weight"].double()
        tensors["pos_emb.emb.weight"][-1] = 0
    content = {"epoch": 1, "model_state_dict": {**tensors, "performer.calls_since_last_redraw": torch.tensor(0)}}
    content |= {"optimizer_state_dict": {"state": {}, "param_groups": []}, "losses": np.float64(0.5)}
    torch.save(content, folder / "panglao_pretrained.pth")
    return folder


def cgc(
    folder: Path,
    genes: list[str],
    *,
    n_layers: int = 12,
    dim: int = 512,
    n_heads: int | None = 8,
    n_text: int = 0,
    n_classes: int = 1,
    tensors: dict | None = None,
) -> Path:
    """Write a Uni-Core checkpoint of Cell-Graph Compass, its vocabulary, and its number of heads, which the published one lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["<pad>", "<cls>", "<eoc>", *genes]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    if tensors is None:
        shapes = {"gene_encoder.embedding.weight": (len(words), dim)} | norm("gene_encoder.norm", dim) | values(dim)
        shapes |= norm("bn", dim) | {"bn.running_mean": (dim,), "bn.running_var": (dim,)}
        e = "edge_encoder"
        shapes |= {f"{e}.tftg_embedding.0.weight": (2, dim), f"{e}.chromo_embedding.0.weight": (102, dim)}
        shapes |= (
            norm(f"{e}.tftg_embedding.1", dim)
            | norm(f"{e}.chromo_embedding.1", dim)
            | norm(f"{e}.corr_embedding.3", dim)
        )
        shapes |= linear(f"{e}.corr_embedding.0", 1, dim) | linear(f"{e}.corr_embedding.2", dim, dim)
        for i in range(3):
            p = f"gnn_encoder.encoder_layers.{i}"
            shapes |= linear(f"{p}.conv.message_func.0", 3 * dim, dim) | linear(
                f"{p}.edge_message_func.0", 3 * dim, dim
            )
            shapes |= norm(f"{p}.norm.0", dim) | norm(f"{p}.norm.1", dim) | norm(f"{p}.edge_norm", dim)
        if n_text:
            shapes |= linear("gene_summary_encoder.layer", n_text, dim)
        shapes |= torch_encoder("transformer_encoder.layers", n_layers, dim, dim) | heads(dim, n_classes)
        tensors = {k.replace("in_proj_", "Wqkv."): v for k, v in state(shapes).items()}
        tensors["bn.num_batches_tracked"] = torch.tensor(1)
    if n_heads is not None:
        (folder / "config.json").write_text(json.dumps({"heads": n_heads}))
    content = {"args": argparse.Namespace(arch="cgc"), "model": {f"model.{k}": v for k, v in tensors.items()}}
    torch.save(content, folder / "CGCompass_pretrain_weights.pt")
    return folder


def genes_like(n: int, *, ensembl: bool = False) -> list[str]:
    """Return ``n`` gene names, sorted: genes that real cells are known to express, then others of the tables, then made-up ones."""
    import scgnn_tools as sgt
    from scgnn_tools.genes import tables

    table = tables.symbol_of_id()
    expressed = table.isin(sgt.fm.load("corpus-svd").vocabulary)
    table = pd.concat([table[expressed], table[~expressed]])
    known = list(dict.fromkeys(table.index if ensembl else table.to_numpy()))[:n]
    made = (f"ENSG9{i:010d}" if ensembl else f"MADEUP{i}" for i in range(n - len(known)))
    return sorted([*known, *made])


def ensembl_of(symbols: list[str]) -> list[str]:
    """Return the Ensembl id of each symbol of the bundled tables."""
    from scgnn_tools.genes import tables

    table = tables.symbol_of_id()
    by_symbol = pd.Series(table.index, index=table.to_numpy())
    return by_symbol[~by_symbol.index.duplicated()][symbols].tolist()


# the published vocabulary size and width of each model; depth None is the published one
WRITERS: dict[str, Callable[[Path, int | None], Path]] = {
    "scgpt": lambda folder, depth: scgpt(folder, genes_like(60694), n_layers=depth or 12),
    "geneformer": lambda folder, depth: geneformer(folder, genes_like(20271, ensembl=True), n_layers=depth or 12),
    "scfoundation": lambda folder, depth: scfoundation(
        folder, genes_like(19264), n_layers=depth or 12, decoder_layers=depth or 6, sets=("cell", "gene")
    ),
    "scbert": lambda folder, depth: scbert(folder, genes_like(16906), n_layers=depth or 6),
    "cgc": lambda folder, depth: cgc(folder, genes_like(44856), n_layers=depth or 12),
}


def all_models(folder: Path, *, n_layers: int | None = 2) -> dict[str, Path]:
    """Write every model with its published vocabulary size and width, and ``n_layers`` blocks."""
    return {name: write(folder / name, n_layers) for name, write in WRITERS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=2)
    args = parser.parse_args()
    for name, path in all_models(args.folder, n_layers=args.layers).items():
        print(f"{name:14s} {path}")


if __name__ == "__main__":
    main()
