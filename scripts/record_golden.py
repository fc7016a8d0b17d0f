"""Run the official code of the published models on our random weights and write what it gives to ``tests/golden``.

Usage: ``python scripts/record_golden.py --official FOLDER [integration_heads perturbation_heads scgpt geneformer scfoundation scbert cgc scgrapht scregnet genelink]``, in an
environment with torch, transformers and einops; FOLDER holds clones of the repositories that ``tests/golden/README.md`` names. Nothing of them is copied.
"""

import argparse
import importlib.util
import json
import os
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import pandas as pd
import torch

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))

from _weights import fill  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--official", type=Path, required=True)
    parser.add_argument("models", nargs="*", default=list(RECORDERS))
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    for model in args.models or RECORDERS:
        RECORDERS[model](args.official)


def randomise(network: torch.nn.Module, *, tied: str = "-") -> dict[str, np.ndarray]:
    """Give a network our weights, but for tensors that are ``tied`` to others; return the names and shapes, by which a test makes them."""
    state = {n: t for n, t in network.state_dict().items() if not n.startswith(tied)}
    kept = {n: t for n, t in state.items() if t.is_floating_point()}
    filled = {n: torch.from_numpy(fill(n, tuple(t.shape))).to(t.dtype) if n in kept else t for n, t in state.items()}
    network.load_state_dict(filled, strict=tied == "-")
    network.eval()
    return {
        "names": np.array(list(kept)),
        "shapes": np.array([",".join(map(str, t.shape)) for t in kept.values()]),
    }


def write(name: str, **arrays: np.ndarray) -> None:
    path = GOLDEN / f"{name}.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB")


def module(path: Path, name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def padded(
    lengths: list[int], rng: np.random.Generator, n_ids: int, largest: int, pad: int, first: int = 3, most: int = 10**6
):
    """Return ids and values of a padded batch and the mask of the padding."""
    longest = min(max(lengths) + 3, most)  # more padding than needed: nothing may depend on it
    ids, values = np.full((len(lengths), longest), pad), np.full((len(lengths), longest), -2.0, dtype=np.float32)
    for i, n in enumerate(lengths):
        ids[i, :n] = rng.choice(np.arange(first, n_ids), size=n, replace=False)
        values[i, :n] = rng.integers(0, largest, size=n)
    mask = np.arange(longest)[None] >= np.array(lengths)[:, None]
    return ids, values, mask


def scgpt(official: Path) -> None:
    root = official / "scGPT"
    package = types.ModuleType("scgpt_model")
    package.__path__ = [str(root / "scgpt" / "model")]
    sys.modules["scgpt_model"] = package
    for part in ("flash_attn_compat", "dsbn", "grad_reverse"):
        module(root / "scgpt" / "model" / f"{part}.py", f"scgpt_model.{part}")
    network = module(root / "scgpt" / "model" / "model.py", "scgpt_model.model").TransformerModel
    for name, n, dim, layers, lengths in (
        ("scgpt_small", 60, 32, 3, [17, 9, 25, 1]),
        ("scgpt_real", 60697, 512, 12, [40, 61, 33]),
    ):
        rng = np.random.default_rng(0)
        vocabulary = {"<pad>": n - 3, "<cls>": n - 2, "<eoc>": n - 1}
        model = network(
            n, dim, 8, dim, layers, nlayers_cls=3, n_cls=1, vocab=vocabulary, dropout=0.2, pad_value=-2, do_mvc=True,
            use_fast_transformer=False,
        )  # fmt: skip
        weights = randomise(model)
        ids, values, mask = padded(lengths, rng, n - 3, 51, n - 3)
        ids[:, 0], values[:, 0] = n - 2, -2
        t_ids, t_values, t_mask = torch.tensor(ids), torch.tensor(values), torch.tensor(mask)
        hidden = model._encode(t_ids, t_values, t_mask)
        out = model(t_ids, t_values, t_mask, CLS=True, MVC=True)
        cell = hidden[:, 0].numpy()
        kept = (hidden if dim < 100 else hidden[..., ::8]).numpy()
        write(
            name, **weights, ids=ids[~mask], values=values[~mask], lengths=np.array(lengths), hidden=kept[~mask],
            cells=cell / np.linalg.norm(cell, axis=1, keepdims=True), decoder=out["mlm_output"].numpy()[~mask],
            classes=out["cls_output"].numpy(), cell_to_gene=out["mvc_output"].numpy()[~mask],
            genes=model.encoder(t_ids[0, :8]).numpy(),
        )  # fmt: skip
    scgpt_binning(root)


def scgpt_binning(root: Path) -> None:
    source = (root / "scgpt" / "preprocess.py").read_text()
    begin, end = source.index("def _digitize("), source.index("def binning(")
    stop = source.find("\ndef ", end + 10)
    space = {
        "np": np,
        "torch": torch,
        "logger": types.SimpleNamespace(warning=print),
        "Union": __import__("typing").Union,
    }
    exec(source[begin : stop if stop > 0 else None], space)
    rng = np.random.default_rng(1)
    rows = [rng.geometric(0.6, size=n).astype(np.float32) for n in (3, 40, 900, 2500)]
    rows += [np.full(30, 2.0, dtype=np.float32), np.log1p(rng.geometric(0.3, size=300)).astype(np.float32)]
    rows += [rng.gamma(1.0, 2.0, size=200).astype(np.float32), np.ones(1, dtype=np.float32)]
    rows += [rng.integers(1, 2000, size=400).astype(np.float32)]
    np.random.seed(5)  # noqa: NPY002
    bins = [space["binning"](row, 51) for row in rows]
    np.random.seed(5)  # noqa: NPY002
    draws = [np.random.rand(len(row)) for row in rows]  # noqa: NPY002
    write(
        "scgpt_binning", values=np.concatenate(rows), lengths=np.array([len(r) for r in rows]), bins=np.concatenate(bins),
        draws=np.concatenate(draws),
    )  # fmt: skip


def geneformer(official: Path) -> None:
    from transformers import BertConfig, BertForMaskedLM

    for name, n, dim, heads, hidden, layers, longest, specials in (
        ("geneformer_v1_small", 64, 32, 4, 64, 3, 24, 0),
        ("geneformer_v2_small", 64, 48, 4, 96, 3, 24, 1),
        ("geneformer_v1_real", 25426, 256, 4, 512, 6, 2048, 0),
        ("geneformer_v2_real", 20275, 896, 14, 1792, 2, 4096, 1),
    ):
        config = BertConfig(
            vocab_size=n, hidden_size=dim, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=hidden,
            hidden_act="relu", hidden_dropout_prob=0.02, attention_probs_dropout_prob=0.02, max_position_embeddings=longest,
            layer_norm_eps=1e-12, pad_token_id=0, attn_implementation="eager",
        )  # fmt: skip
        model = BertForMaskedLM(config)
        weights = randomise(model, tied="cls.predictions.decoder")
        assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
        rng = np.random.default_rng(0)
        lengths = [11, 24, 2, 7] if dim < 100 else [30, 55]
        ids, _, mask = padded(lengths, rng, n, 5, 0, first=4, most=longest)
        if specials:
            ids[:, 0] = 2
            for i, length in enumerate(lengths):
                ids[i, length - 1] = 3
        out = model(torch.tensor(ids), attention_mask=torch.tensor(~mask).long(), output_hidden_states=True)
        states = [h.numpy()[~mask] for h in out.hidden_states]
        second = out.hidden_states[-2].numpy()
        inner = [
            second[i, specials : length - specials].mean(axis=0) if length > 2 * specials else 0 * second[i, 0]
            for i, length in enumerate(lengths)
        ]
        small = dim < 100
        write(
            name, **weights, config=np.array(json.dumps(config.to_dict(), default=str)), ids=ids[~mask], lengths=np.array(lengths),
            hidden=np.stack(states) if small else np.stack([s[:, ::8] for s in (states[1], states[-2], states[-1])]),
            mean=np.stack(inner), cls=second[:, 0], logits=out.logits.numpy()[~mask][:, :64],
        )  # fmt: skip
    geneformer_tokens(official)


def geneformer_tokens(official: Path) -> None:
    source = (official / "geneformer" / "geneformer" / "tokenizer.py").read_text()
    space = {"np": np}
    exec(source[source.index("def rank_genes(") : source.index("class TranscriptomeTokenizer")], space)
    rng = np.random.default_rng(2)
    n = 3000
    ids = rng.permutation(n).astype(np.int16) + 2
    medians = rng.gamma(2.0, 1.0, size=n) + 0.05
    medians[:400] = np.round(medians[:400] * 2) / 2 + 0.5  # equal medians, so that equal counts tie
    counts = rng.geometric(0.5, size=(6, n)) * (rng.random((6, n)) < np.array([0.01, 0.1, 0.3, 0.9, 0.2, 0.0])[:, None])
    counts[4, :400] = 1
    cells = [np.asarray(row / max(row.sum(), 1) * 10_000 / medians) for row in counts.astype(np.float64)]
    ranked = [space["tokenize_cell"](cell, ids)[:2048] for cell in cells]
    write(
        "geneformer_tokens", counts=counts.astype(np.int16), ids=ids, medians=medians, tokens=np.concatenate(ranked),
        lengths=np.array([len(r) for r in ranked]),
    )  # fmt: skip


def scfoundation(official: Path) -> None:
    sys.path.insert(0, str(official / "scFoundation" / "model"))
    from load import gatherData, getEncoerDecoderData
    from pretrainmodels import select_model

    for name, genes, dim, heads, layers, decoder_dim, decoder_heads, decoder_layers in (
        ("scfoundation_small", 40, 96, 12, 2, 64, 2, 2),
        ("scfoundation_real", 19264, 768, 12, 2, 512, 8, 2),
    ):
        config = {
            "model": "mae_autobin", "n_class": 104, "seq_len": genes + 2, "bin_alpha": 1.0, "bin_num": 100, "pad_token_id": 103,
            "mask_token_id": 102, "encoder": {"module_type": "transformer", "hidden_dim": dim, "depth": layers, "heads": heads},
            "decoder": {"module_type": "performer", "hidden_dim": decoder_dim, "depth": decoder_layers, "heads": decoder_heads, "dim_head": 64},
        }  # fmt: skip
        model = select_model(config)
        weights = randomise(model)
        rng = np.random.default_rng(0)
        counts = rng.geometric(0.5, size=(3, genes)) * (rng.random((3, genes)) < (0.3 if genes < 100 else 0.01))
        counts = counts.astype(np.float64)
        total = counts.sum(axis=1)
        out = {
            "counts_row": counts.nonzero()[0],
            "counts_column": counts.nonzero()[1],
            "counts": counts[counts.nonzero()],
        }
        for word, t in (("t4", np.full(3, 4.0)), ("f2", np.log10(total * 2)), ("a1", np.log10(total) + 1)):
            x = np.log1p(counts / total[:, None] * 1e4)
            x = torch.tensor(np.column_stack([x, t, np.log10(total)])).float()
            cells_all, cells_max = [], []
            for row in x:
                row = row[None]
                keep = row > 0
                values, mask = gatherData(row, keep, 103)
                places, _ = gatherData(torch.arange(genes + 2)[None], keep, 103)
                e = model.token_emb(values.unsqueeze(2).float(), output_weight=0)
                e = e + model.pos_emb(places)
                e = model.encoder(e, mask)
                cells_all.append(torch.cat([e[:, -1], e[:, -2], e[:, :-2].amax(1), e[:, :-2].mean(1)], dim=1))
                cells_max.append(e.amax(1))
            out |= {f"all_{word}": torch.cat(cells_all).numpy(), f"max_{word}": torch.cat(cells_max).numpy()}
            if word == "t4":
                step = 1 if genes < 100 else 400
                final, model.to_final = model.to_final, None
                single = [
                    _scfoundation_genes(model, getEncoerDecoderData, row[None], config)[0]
                    for row in (x if step == 1 else x[:1])
                ]
                out["genes"] = torch.stack(single).numpy()[:, :genes:step]
                if step == 1:
                    out["genes_batch"] = _scfoundation_genes(model, getEncoerDecoderData, x, config).numpy()[:, :genes]
                    model.to_final = final
                    out["expression"] = _scfoundation_genes(model, getEncoerDecoderData, x[:1], config).numpy()[
                        :, :genes
                    ]
                model.to_final = final
        write(name, **weights, config=np.array(json.dumps(config)), **out)


def _scfoundation_genes(model, prepare, x, config):
    e, e_ids, e_mask, labels, d, d_mask, _, _, d_ids = prepare(x, x, config)
    return model.forward(
        x=e, padding_label=e_mask, encoder_position_gene_ids=e_ids, encoder_labels=labels, decoder_data=d, mask_gene_name=False,
        mask_labels=None, decoder_position_gene_ids=d_ids, decoder_data_padding_labels=d_mask,
    )  # fmt: skip


def scbert(official: Path) -> None:
    package = types.ModuleType("performer_pytorch")
    package.__path__ = [str(official / "scBERT" / "performer_pytorch")]
    sys.modules["performer_pytorch"] = package
    module(official / "scBERT" / "performer_pytorch" / "reversible.py", "performer_pytorch.reversible")
    code = module(
        official / "scBERT" / "performer_pytorch" / "performer_pytorch.py", "performer_pytorch.performer_pytorch"
    )
    for name, genes, dim, heads, layers in (("scbert_small", 30, 20, 4, 2), ("scbert_real", 16906, 200, 10, 1)):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "data").mkdir()
            (Path(folder) / "work").mkdir()
            np.save(Path(folder) / "data" / "gene2vec_16906.npy", fill("gene2vec_emb", (genes, dim)))
            os.chdir(Path(folder) / "work")
            model = code.PerformerLM(
                num_tokens=7,
                dim=dim,
                depth=layers,
                max_seq_len=genes + 1,
                heads=heads,
                local_attn_heads=0,
                g2v_position_emb=True,
            )
            os.chdir("/")
        weights = randomise(model)
        rng = np.random.default_rng(0)
        tokens = rng.integers(0, 6, size=(2, genes + 1)) * (rng.random((2, genes + 1)) < 0.3)
        tokens[:, -1] = 0
        step = 1 if genes < 100 else 400
        single = torch.cat(
            [model(torch.tensor(t[None]), return_encodings=True) for t in (tokens if step == 1 else tokens[:1])]
        )
        out = {"tokens": tokens, "hidden": single.numpy()[:, ::step]}
        if step == 1:
            out["hidden_batch"] = model(torch.tensor(tokens), return_encodings=True).numpy()
            out["logits"] = model(torch.tensor(tokens[:1])).numpy()
        write(name, **weights, **out)


def cgc(official: Path) -> None:
    flash = types.ModuleType("flash_attn.flash_attention")
    flash.FlashMHA = None
    sys.modules["flash_attn"], sys.modules["flash_attn.flash_attention"] = types.ModuleType("flash_attn"), flash
    package = types.ModuleType("cgc_models")
    package.__path__ = [str(official / "CGC" / "src" / "models")]
    sys.modules["cgc_models"] = package
    for part in ("dsbn", "grad_reverse", "gene_gnn"):
        module(official / "CGC" / "src" / "models" / f"{part}.py", f"cgc_models.{part}")
    code = module(official / "CGC" / "src" / "models" / "gene_model.py", "cgc_models.gene_model")
    for name, n, dim, layers, lengths, text in (
        ("cgc_small", 60, 32, 2, [17, 9, 25], False),
        ("cgc_text", 60, 32, 2, [17, 9, 25], True),
        ("cgc_real", 44859, 512, 12, [40, 61], False),
    ):
        model = code.GeneModel(
            n, dim, 8, dim, layers, n_cls=4, pad_value=-2, do_mvg=True, do_mvc=True, do_cls=True, use_gnn=True, use_embed=text,
            nlayers_gnn=3, n_message=1, n_edge_layers=1,
        )  # fmt: skip
        weights = randomise(model)
        rng = np.random.default_rng(0)
        ids, values, mask = padded(lengths, rng, n, 51, 0)
        ids[:, 0], values[:, 0] = 1, 0
        longest = ids.shape[1]
        edges, packed, attributes = [], [], []
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        for i, length in enumerate(lengths):
            m = 4 * length
            pairs = np.unique(rng.integers(1, length, size=(2, m)), axis=1)
            pairs = np.concatenate([pairs, np.stack([np.arange(1, length), np.zeros(length - 1, dtype=int)])], axis=1)
            kinds = np.stack(
                [
                    rng.integers(0, 2, pairs.shape[1]),
                    rng.uniform(-1, 1, pairs.shape[1]),
                    rng.integers(0, 102, pairs.shape[1]),
                ]
            )
            kinds[:, -(length - 1) :] = 0
            edges.append(pairs + longest * i)
            packed.append(pairs + offsets[i])
            attributes.append(kinds)
        attr = torch.tensor(np.concatenate(attributes, axis=1)).float()
        extra = torch.tensor(fill("text_emb", (n, 768)))[torch.tensor(ids)] if text else None
        t = [torch.tensor(ids), torch.tensor(values)]
        arguments = {
            "src_key_padding_mask": torch.tensor(mask),
            "edge_index": torch.tensor(np.concatenate(edges, axis=1)),
            "edge_attr": attr,
        }
        hidden = model._encode(*t, extra, **arguments)
        out = model(*t, extra, **arguments)
        kept = (hidden if dim < 100 else hidden[..., ::8]).numpy()
        write(
            name, **weights, ids=ids[~mask], values=values[~mask], lengths=np.array(lengths), edges=np.concatenate(packed, axis=1),
            attributes=attr.numpy(), hidden=kept[~mask], cells=hidden[:, 0].numpy(), decoder=out["mlm_output"].numpy()[~mask],
            classes=out["cls_output"].numpy(), cell_to_gene=out["mvc_output"].numpy()[~mask],
        )  # fmt: skip


def scgrapht(official: Path) -> None:
    root = official / "scGraPhT"
    sys.path.insert(0, str(root))
    for name in (
        "scgpt",
        "scgpt.model",
        "scgpt.model.model_default",
    ):  # imported at the top, used in the joint training alone
        sys.modules[name] = types.ModuleType(name)
    sys.modules["scgpt.model.model_default"].TransformerModel = None
    from configs import Type3Config, Type12Config
    from graph_construct import cellcell, cellgene, genegene
    from graph_models import Type3, Type12

    rng = np.random.default_rng(0)
    binned = (rng.integers(1, 51, size=(40, 30)) * (rng.random((40, 30)) < 0.4)).astype(np.float32)
    binned[7] = 0  # a cell without expression
    a_cg = cellgene(binned, 51)
    matrices = {"CG": a_cg, "GC": a_cg.T, "CC": cellcell(binned), "GG": genegene(binned)}
    labels, vectors = torch.arange(40) % 5, torch.from_numpy(fill("cell_emb", (40, 12)))
    logits = torch.from_numpy(fill("logits", (40, 5)))
    inputs = {"vectors": vectors, "genes": torch.eye(30), "cells": torch.eye(40)}
    out = {"binned": binned, "labels": labels.numpy(), "order5": cellcell(binned, "order5").numpy()}
    paths = ["GG-CG", "GC-CG", "CG-CC", "CC-CC", "CG", "CG-GC-CG"]
    for path, kind in [(p, k) for p in paths for k in (("vectors", "cells") if p[1] == "C" else ("genes",))]:
        steps, x = path.split("-"), inputs[kind]
        chosen = [matrices[s] for s in steps]
        config = Type12Config(x.shape[1], 256, 5, 0.2)
        for scheme, model in (
            ("graph", Type12(config, chosen)),
            ("fused", Type3(Type3Config(config, logits, 0.7), chosen)),
        ):
            key = f"{path}/{kind}/{scheme}"
            out |= {f"{key}/{k}": v for k, v in randomise(model).items()}
            out[f"{key}/scores"] = model(x, chosen).numpy()
            config.dropout = 0.0
            optimizer, losses = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=5e-5), []
            with torch.enable_grad():
                model.train()
                for _ in range(5):
                    optimizer.zero_grad()
                    loss = torch.nn.functional.nll_loss(model(x, chosen)[:25], labels[:25])
                    loss.backward()
                    optimizer.step()
                    losses.append(loss.item())
            model.eval()
            out |= {f"{key}/losses": np.array(losses), f"{key}/after": model(x, chosen).numpy()}
            config.dropout = 0.2
    write("scgrapht", **out)


def scregnet(official: Path) -> None:
    sys.modules["colorlog"] = types.ModuleType("colorlog")
    code = module(official / "scRegNet" / "src" / "models.py", "scregnet_models")
    utils = module(official / "scRegNet" / "src" / "utils.py", "scregnet_utils")
    rng = np.random.default_rng(0)
    n, cells, d = 40, 15, 12
    counts = np.maximum(rng.normal(size=(n, cells)), 0).astype(np.float32)
    counts[3] = 1.5  # a constant gene
    pairs = np.unique(rng.integers(0, n - 4, size=(160, 2)), axis=0)  # four genes without an edge
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    train = np.column_stack([pairs, rng.random(len(pairs)) < 0.4]).astype(np.int64)
    x = utils.load_data(pd.DataFrame(counts)).exp_data()
    adj = utils.scRNADataset(train, n, flag=True).Adj_Generate(np.arange(n))
    asked = rng.integers(0, n, size=(50, 2))
    table = fill("table_emb", (n, d))
    out = {"counts": counts, "table": table, "train": train, "asked": asked, "x": x}
    for name, cls, options in (
        ("gcn", "GCN", {"gnn": [9, 7, 6], "mlp": [8]}),
        ("gcn_deep", "GCN", {"gnn": [11], "mlp": [9, 8, 7]}),
        ("sage", "SAGE", {"gnn": [9, 7], "mlp": [8, 5]}),
        ("gat_concate", "GAT", {"gnn": [6, 5], "mlp": [8], "num_heads": [2, 3], "reduction": "concate"}),
        ("gat_mean", "GAT", {"gnn": [6, 5], "mlp": [8], "num_heads": [2, 3], "reduction": "mean"}),
        ("gat_one", "GAT", {"gnn": [6], "mlp": [8], "num_heads": [4], "reduction": "concate"}),
        ("dot", "GCN", {"gnn": [9], "mlp": [8], "type": "dot"}),
        ("cosine", "GCN", {"gnn": [9], "mlp": [8], "type": "cosine"}),
    ):
        args = {
            "gnn_type": {"SAGE": "GraphSAGE"}.get(cls, cls), "gnn_hidden_dims": options["gnn"], "gnn_num_layers": len(options["gnn"]),
            "mlp_hidden_dims": options["mlp"], "mlp_num_layers": len(options["mlp"]), "dropout": 0.0, "alpha": 0.15,
            "type": options.get("type", "MLP"), "reduction": options.get("reduction", "concate"), "num_heads": options.get("num_heads", 3),
        }  # fmt: skip
        model = getattr(code, f"scTransNet_{cls}")(cells, argparse.Namespace(**args), d, "cpu")
        weights = randomise(model)
        pred = model(
            torch.from_numpy(x), utils.adj2saprse_tensor(adj), torch.from_numpy(asked), torch.from_numpy(table)
        )
        out |= {f"{name}_{k}": v for k, v in weights.items()}
        out |= {f"{name}_args": json.dumps(args), f"{name}_logits": pred.numpy()}
    write("scregnet", **out)


def genelink(official: Path) -> None:
    code = module(official / "GENELink" / "Code" / "scGNN.py", "genelink_scgnn")
    rng = np.random.default_rng(0)
    n, cells = 30, 12
    edges = np.unique(rng.integers(0, n - 3, size=(60, 2)), axis=0)  # three genes without an edge
    edges = edges[edges[:, 0] != edges[:, 1]]
    adjacency = np.zeros((n, n), dtype=np.float32)
    adjacency[edges[:, 0], edges[:, 1]] = adjacency[edges[:, 1], edges[:, 0]] = 1
    x, asked = rng.normal(size=(n, cells)).astype(np.float32), rng.integers(0, n, size=(40, 2))
    out = {"edges": edges, "x": x, "asked": asked}
    dropout = code.F.dropout
    # the channels' own dropout has no switch; that of the attention is off in evaluation
    code.F.dropout = lambda h, p=0.5, training=False: dropout(h, p, training)
    for kind in ("dot", "MLP"):
        model = code.GENELink(cells, 128, 64, 32, 16, 3, 3, 0.2, "cpu", kind, "concate")
        weights = randomise(model)
        logits = model(torch.from_numpy(x), torch.from_numpy(adjacency).to_sparse(), torch.from_numpy(asked))
        out |= {f"{kind.lower()}_{k}": v for k, v in weights.items()}
        out |= {f"{kind.lower()}_logits": logits.numpy()}
    out["encoded"] = model.encode(torch.from_numpy(x), torch.from_numpy(adjacency).to_sparse()).numpy()
    out |= {f"channel{i + 1}": h.numpy() for i, h in enumerate(model.get_embedding())}
    code.F.dropout = dropout
    write("genelink", **out)


def integration_heads(official: Path) -> None:
    """Record the decoders that are told the batch, elastic similarity, and the adversary with its gradient, of both codes."""
    root = official / "scGPT" / "scgpt" / "model"
    package = types.ModuleType("scgpt_model")
    package.__path__ = [str(root)]
    sys.modules["scgpt_model"] = package
    for part in ("flash_attn_compat", "dsbn", "grad_reverse"):
        module(root / f"{part}.py", f"scgpt_model.{part}")
    network = module(root / "model.py", "scgpt_model.model").TransformerModel
    rng, dim, n, lengths = np.random.default_rng(0), 16, 40, [9, 13, 7, 11, 10]
    model = network(
        n, dim, 2, dim, 1, nlayers_cls=3, n_cls=1, vocab={"<pad>": n - 3, "<cls>": n - 2, "<eoc>": n - 1}, dropout=0.2, pad_value=-2,
        do_mvc=True, do_dab=True, use_batch_labels=True, num_batch_labels=3, ecs_threshold=0.8, use_fast_transformer=False,
    )  # fmt: skip
    weights = randomise(model)
    ids, values, mask = padded(lengths, rng, n - 3, 51, n - 3)
    ids[:, 0], values[:, 0] = n - 2, -2
    batch = np.array([0, 2, 1, 0, 2])
    given = [torch.tensor(x) for x in (ids, values, mask)]
    hidden = model._encode(*given, torch.tensor(batch))
    out = model(*given, batch_labels=torch.tensor(batch), MVC=True, ECS=True)

    flash = types.ModuleType("flash_attn.flash_attention")
    flash.FlashMHA = None
    sys.modules["flash_attn"], sys.modules["flash_attn.flash_attention"] = types.ModuleType("flash_attn"), flash
    package = types.ModuleType("cgc_models")
    package.__path__ = [str(official / "CGC" / "src" / "models")]
    sys.modules["cgc_models"] = package
    for part in ("dsbn", "grad_reverse", "gene_gnn"):
        module(official / "CGC" / "src" / "models" / f"{part}.py", f"cgc_models.{part}")
    code = module(official / "CGC" / "src" / "models" / "gene_model.py", "cgc_models.gene_model")
    cells, genes, labels = hidden[:, 0], model.encoder(given[0]), model.batch_encoder(torch.tensor(batch))
    with torch.enable_grad():
        adversary = code.AdversarialDiscriminator(dim, n_cls=3, reverse_grad=True)
        adversary.load_state_dict(model.grad_reverse_discriminator.state_dict())
        leaf = cells.clone().requires_grad_(True)
        guess = adversary(leaf)
        torch.nn.functional.cross_entropy(guess, torch.tensor(batch)).backward()
    from_gene, from_cell = code.ExprDecoder(dim, use_batch_labels=True), code.MVCDecoder(dim, use_batch_labels=True)
    from_gene.load_state_dict(model.decoder.state_dict())
    from_cell.load_state_dict(model.mvc_decoder.state_dict())
    beside = labels.unsqueeze(1).expand(-1, hidden.shape[1], -1)
    write(
        "integration_heads", **weights, ids=ids[~mask], lengths=np.array(lengths), batch=batch, hidden=hidden.numpy()[~mask],
        genes=genes.numpy()[~mask], scgpt_from_gene=out["mlm_output"].numpy()[~mask], scgpt_from_cell=out["mvc_output"].numpy()[~mask],
        scgpt_ecs=out["loss_ecs"].numpy(), scgpt_guess=out["dab_output"].numpy(),
        cgc_from_gene=from_gene(torch.cat([hidden, beside], dim=2))["pred"].numpy()[~mask],
        cgc_from_cell=from_cell(torch.cat([cells, labels], dim=1), genes)["pred"].numpy()[~mask],
        cgc_guess=guess.detach().numpy(), cgc_gradient=leaf.grad.numpy(),
    )  # fmt: skip


def perturbation_heads(official: Path) -> None:
    """Record the networks of both codes that turn control cells into perturbed ones, and the heads and losses of CGC's classes."""
    rng, n, dim, length, cells = np.random.default_rng(0), 40, 16, 12, 3
    ids = np.stack([rng.choice(np.arange(3, n), size=length, replace=False)] * cells)
    values = (rng.gamma(1.0, 1.0, size=ids.shape) * (rng.random(ids.shape) < 0.7)).astype(np.float32)
    target = np.maximum(values + rng.normal(scale=1.5, size=ids.shape), 0).astype(np.float32)
    flags = np.zeros(ids.shape, dtype=np.int64)
    flags[np.arange(cells), [1, 5, 5]], flags[2, 7] = 1, 1
    arrays = {"ids": ids, "values": values, "target": target, "flags": flags}
    arrays |= _scgpt_response(official / "scGPT" / "scgpt", n, dim, ids, values, flags)
    pairs = np.unique(rng.integers(0, length, size=(2, 4 * length)), axis=1)
    kinds = [
        rng.integers(0, 2, pairs.shape[1]),
        rng.uniform(-1, 1, pairs.shape[1]),
        rng.integers(0, 102, pairs.shape[1]),
    ]
    edges = np.concatenate([pairs + length * i for i in range(cells)], axis=1)
    arrays |= {"edges": edges, "attributes": np.tile(np.stack(kinds), cells)}
    arrays |= _cgc_responses(official / "CGC" / "src", n, dim, arrays)
    write("perturbation_heads", **arrays)


def _scgpt_response(root: Path, n: int, dim: int, ids: np.ndarray, values: np.ndarray, flags: np.ndarray) -> dict:
    for name, path in {"scgpt_whole": root, "scgpt_whole.model": root / "model"}.items():
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    sys.modules["scgpt_whole"].logger = types.SimpleNamespace(warning=print)
    sys.modules["scgpt_whole.utils"] = types.SimpleNamespace(map_raw_id_to_vocab_id=None)
    for part in ("flash_attn_compat", "dsbn", "grad_reverse", "model"):
        module(root / "model" / f"{part}.py", f"scgpt_whole.model.{part}")
    code = module(root / "model" / "generation_model.py", "scgpt_whole.model.generation_model")
    model = code.TransformerGenerator(
        n, dim, 2, dim, 2, nlayers_cls=3, n_cls=1, vocab={"<pad>": 0}, dropout=0.0, pad_value=0, pert_pad_id=2, use_fast_transformer=False,
    )  # fmt: skip
    weights = randomise(model)
    mask = torch.zeros(ids.shape, dtype=torch.bool)
    out = model(torch.tensor(ids), torch.tensor(values), torch.tensor(flags), src_key_padding_mask=mask)["mlm_output"]
    return {"scgpt_names": weights["names"], "scgpt_shapes": weights["shapes"], "scgpt_predicted": out.numpy()}


def _cgc_responses(root: Path, n: int, dim: int, arrays: dict[str, np.ndarray]) -> dict:
    flash = types.ModuleType("flash_attn.flash_attention")
    flash.FlashMHA = None
    sys.modules["flash_attn"], sys.modules["flash_attn.flash_attention"] = types.ModuleType("flash_attn"), flash
    package = types.ModuleType("cgc_models")
    package.__path__ = [str(root / "models")]
    sys.modules["cgc_models"] = package
    for part in ("dsbn", "grad_reverse", "gene_gnn", "gene_model"):
        module(root / "models" / f"{part}.py", f"cgc_models.{part}")
    code = module(root / "models" / "gene_pert_model.py", "cgc_models.gene_pert_model")
    loss = _cgc_loss(root)
    ids, values, flags = (torch.tensor(arrays[k]) for k in ("ids", "values", "flags"))
    where = {"edge_index": torch.tensor(arrays["edges"]), "edge_attr": torch.tensor(arrays["attributes"]).float()}
    batch = {"values": values, "target": torch.tensor(arrays["target"]), "gene_list": ids}
    found = {}
    for name, style, five in (("value", "continuous", False), ("three", "category", False), ("five", "category", True)):
        model = code.GeneModel(
            n, dim, 2, dim, 2, do_mvg=True, use_gnn=True, nlayers_gnn=2, n_message=1, n_edge_layers=1, mvg_decoder_style=style,
            is_five_class=five,
        )  # fmt: skip
        weights = randomise(model)
        out = model(ids, values, None, flags, src_key_padding_mask=torch.zeros(ids.shape, dtype=torch.bool), **where)
        model.vocab, model.pad_token, model.mvg_decoder_style, model.five_class = {"<pad>": 0}, "<pad>", style, five
        model.focal_weight = 1.0
        found |= {f"{name}_names": weights["names"], f"{name}_shapes": weights["shapes"]}
        found |= {f"{name}_{k}": v.numpy() for k, v in out.items() if k in ("mlm_output", "up_logits", "change_logits")}
        for alpha, gamma in ((0.5, 0), (0.05, 2)):
            model.focal_alpha, model.focal_gamma = alpha, gamma
            found[f"{name}_loss_{gamma}"] = (loss.loss(out, batch, model)[0] / len(ids)).numpy()
    return found


def _cgc_loss(root: Path) -> object:
    """Return the published loss without its trainer, and with the focal loss of torchvision's documentation."""

    def sigmoid_focal_loss(inputs, targets, alpha, gamma, reduction):
        p = torch.sigmoid(inputs)
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
        right = p * targets + (1 - p) * (1 - targets)
        return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - right) ** gamma * entropy).sum()

    stand_ins = {
        "unicore": {"metrics": None}, "unicore.utils": {"tensor_tree_map": None}, "unicore.data": {"data_utils": None},
        "unicore.losses": {"UnicoreLoss": type("UnicoreLoss", (), {"__init__": lambda self, task: None}),
                           "register_loss": lambda name: lambda kind: kind},
        "torchvision": {"ops": types.SimpleNamespace(sigmoid_focal_loss=sigmoid_focal_loss)}, "torchmetrics": {},
    }  # fmt: skip
    for name, content in stand_ins.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    return module(root / "losses" / "gene_pert_loss.py", "cgc_loss").PertLoss(None)


RECORDERS = {
    "integration_heads": integration_heads,
    "perturbation_heads": perturbation_heads,
    "scgpt": scgpt,
    "geneformer": geneformer,
    "scfoundation": scfoundation,
    "scbert": scbert,
    "cgc": cgc,
    "scgrapht": scgrapht,
    "scregnet": scregnet,
    "genelink": genelink,
}

if __name__ == "__main__":
    main()
