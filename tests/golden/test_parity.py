"""Our networks against the recorded numbers of the official code, on the same random weights (see README.md beside this file)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks import checkpoints

import scgnn_tools as sgt
from scgnn_tools.data import Tokens
from scgnn_tools.fm.cgc.graph import CellEdges
from scgnn_tools.nn import Segments
from tests.golden._weights import fill, state

HERE = Path(__file__).parent
TIGHT, PERFORMER = 1e-5, 1e-4


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(HERE / f"{name}.npz") as file:
        return {k: file[k] for k in file.files}


def tensors(record: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {k: torch.from_numpy(v) for k, v in state(record["names"], record["shapes"]).items()}


def tokens(record: dict[str, np.ndarray]) -> Tokens:
    values = record["values"].astype(np.float32) if "values" in record else None
    return Tokens(record["ids"].astype(np.int32), values, np.concatenate([[0], np.cumsum(record["lengths"])]))


def close(ours, theirs: np.ndarray, tolerance: float = TIGHT, *, head: bool = False) -> None:
    """Absolute, except for the products of a head, whose numbers are of any size: there relative to the largest."""
    ours = ours.detach().numpy() if hasattr(ours, "detach") else ours
    tolerance *= max(1.0, float(np.abs(theirs).max())) if head else 1.0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


LAYOUTS = {
    "plain": lambda name: name,
    "zoo": lambda name: name.replace("self_attn.in_proj_", "self_attn.Wqkv."),
    "2026": lambda name: name.replace("self_attn.in_proj_", "self_attn._impl.Wqkv.").replace(
        "self_attn.out_proj", "self_attn._impl.out_proj"
    ),
    "ddp": lambda name: f"module.{name}",
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", ["small", pytest.param("real", marks=pytest.mark.slow)])
def test_scgpt(tmp_path, size, layout):
    record = golden(f"scgpt_{size}")
    weights = {LAYOUTS[layout](k): v for k, v in tensors(record).items()}
    n, dim = weights[next(k for k in weights if k.endswith("encoder.embedding.weight"))].shape
    layers = sum(k.endswith("linear1.weight") and "layers." in k for k in weights)
    genes = [f"G{i}" for i in range(n - 3)]
    model = sgt.fm.load(
        "scgpt", checkpoint=checkpoints.scgpt(tmp_path, genes, n_layers=layers, dim=dim, tensors=weights), device="cpu"
    )
    t = tokens(record)
    hidden, step = model.forward(t), 1 if size == "small" else 8
    segments = Segments(t.offsets)
    close(hidden[:, ::step], record["hidden"])
    close(model.cell_vectors(t), record["cells"])
    with torch.inference_mode():
        network, ids = model.network, torch.as_tensor(t.ids, dtype=torch.long)
        close(network.decoder(hidden), record["decoder"], head=True)
        close(network.classifier(segments.first(hidden)), record["classes"], head=True)
        close(
            network.cell_to_gene(segments.first(hidden), network.genes(ids), segments),
            record["cell_to_gene"],
            head=True,
        )
        close(network.genes(ids[:8]), record["genes"])


def test_scgpt_binning_of_the_official_code_from_the_same_draws():
    import scipy.sparse as sp

    from scgnn_tools.data.binning import bin_values

    record = golden("scgpt_binning")
    offsets = np.concatenate([[0], np.cumsum(record["lengths"])])

    class Draws:
        def random(self, n: int) -> np.ndarray:
            assert n == len(record["draws"])
            return record["draws"]

    rows = sp.csr_array((record["values"], np.concatenate([np.arange(n) for n in record["lengths"]]), offsets))
    np.testing.assert_array_equal(bin_values(rows, 51, binning="random", rng=Draws()), record["bins"])
    lower = bin_values(rows, 51)
    assert (lower <= record["bins"]).all()
    assert lower.min() == 1


@pytest.mark.parametrize(
    "name",
    [
        "geneformer_v1_small",
        "geneformer_v2_small",
        pytest.param("geneformer_v1_real", marks=pytest.mark.slow),
        pytest.param("geneformer_v2_real", marks=pytest.mark.slow),
    ],
)
def test_geneformer(tmp_path, name):
    record = golden(name)
    config = json.loads(str(record["config"]))
    series = "V1" if "v1" in name else "V2"
    specials = 2 if series == "V1" else 4
    genes = [f"ENSG{i:011d}" for i in range(config["vocab_size"] - specials)]
    folder = checkpoints.geneformer(
        tmp_path, genes, series=series, n_layers=config["num_hidden_layers"], dim=config["hidden_size"],
        n_heads=config["num_attention_heads"], hidden=config["intermediate_size"], max_length=config["max_position_embeddings"],
        tensors=tensors(record),
    )  # fmt: skip
    t = tokens(record)
    layers = config["num_hidden_layers"]
    model = sgt.fm.load("geneformer", checkpoint=folder, device="cpu", pooling="mean")
    assert model.series == series
    which = range(layers + 1) if "small" in name else (1, layers - 1, layers)
    for i, layer in enumerate(which):
        hidden = model.forward(t, layer=layer)
        close(hidden if "small" in name else hidden[:, ::8], record["hidden"][i])
    close(model.cell_vectors(t), record["mean"])
    with torch.inference_mode():
        last = model.forward(t, layer=-1)
        close(model.network.head(last, model.network.genes.weight)[:, :64], record["logits"], head=True)
    if series == "V2":
        close(sgt.fm.load("geneformer", checkpoint=folder, device="cpu").cell_vectors(t), record["cls"])


def test_geneformer_tokens_of_the_official_code():
    import scipy.sparse as sp

    from scgnn_tools.fm.geneformer.tokens import tokenize

    record = golden("geneformer_tokens")
    counts, medians = record["counts"].astype(float), record["medians"]
    ours = tokenize(
        sp.csr_array(counts), record["ids"].astype(np.int32), medians, max_length=2048, cls_id=-1, eos_id=-1
    )
    np.testing.assert_array_equal(ours.lengths, record["lengths"])
    column = np.argsort(record["ids"])
    for i, (a, b) in enumerate(zip(ours.offsets[:-1], ours.offsets[1:], strict=True)):
        value = (counts[i] / medians)[column]
        mine, theirs = ours.ids[a:b] - 2, record["tokens"][a:b] - 2
        np.testing.assert_allclose(value[mine], value[theirs], rtol=1e-12)  # the same order, up to ties
        rounded = pd.Series(np.round(value[mine], 9))
        alone = ~rounded.duplicated(keep=False).to_numpy()
        np.testing.assert_array_equal(mine[alone], theirs[alone])  # identical where nothing ties
    assert record["lengths"].max() == 2048 < (counts > 0).sum(axis=1).max()
    assert record["lengths"].min() == 0


@pytest.mark.parametrize("size", ["small", pytest.param("real", marks=pytest.mark.slow)])
def test_scfoundation(tmp_path, size):
    import scipy.sparse as sp

    record = golden(f"scfoundation_{size}")
    config = json.loads(str(record["config"]))
    n = config["seq_len"] - 2
    folder = checkpoints.scfoundation(
        tmp_path, [f"G{i}" for i in range(n)], n_layers=config["encoder"]["depth"], dim=config["encoder"]["hidden_dim"],
        n_heads=config["encoder"]["heads"], decoder_layers=config["decoder"]["depth"], decoder_dim=config["decoder"]["hidden_dim"],
        decoder_heads=config["decoder"]["heads"], tensors=tensors(record), sets=("cell", "gene"),
    )  # fmt: skip
    counts = sp.csr_array((record["counts"], (record["counts_row"], record["counts_column"])), shape=(3, n))
    for word in ("t4", "f2", "a1"):
        for pooling in ("all", "max"):
            model = sgt.fm.load("scfoundation", checkpoint=folder, device="cpu", resolution=word, pooling=pooling)
            t = model.tokenize_rows(counts, "counts", None)
            close(model.cell_vectors(t), record[f"{pooling}_{word}"])
    model = sgt.fm.load("scfoundation", checkpoint=folder, device="cpu")
    genes, step = model.contextual(), 1 if size == "small" else 400
    for i in range(len(record["genes"])):
        hidden = genes.forward(t := model.tokenize_rows(counts[[i]], "counts", None))
        close(hidden[:n:step], record["genes"][i], PERFORMER)
    if size == "small":
        t = model.tokenize_rows(counts, "counts", None)
        close(model.predict_expression(t)[:1], record["expression"], PERFORMER)
        published = sgt.fm.load("scfoundation", checkpoint=folder, device="cpu", stabiliser="published").contextual()
        close(published.forward(t).view(3, n + 2, -1)[:, :n], record["genes_batch"], PERFORMER)
        # ours does not depend on the batch
        close(genes.forward(t).view(3, n + 2, -1)[:, :n], record["genes"], PERFORMER)


@pytest.mark.parametrize("size", ["small", pytest.param("real", marks=pytest.mark.slow)])
def test_scbert(tmp_path, size):
    record = golden(f"scbert_{size}")
    weights = tensors(record)
    weights["pos_emb.emb.weight"] = weights["pos_emb.emb.weight"].double()
    n, dim = len(weights["pos_emb.emb.weight"]) - 1, weights["token_emb.weight"].shape[1]
    model = sgt.fm.load(
        "scbert", checkpoint=checkpoints.scbert(tmp_path, [f"G{i}" for i in range(n)], tensors=weights), device="cpu"
    )
    assert model.sizes.dim == dim
    step, values = (1 if size == "small" else 400), record["tokens"]
    cells = [values] if size == "small" else [values[:1]]
    for dense in cells:
        row, column = dense[:, :-1].nonzero()
        packed = Tokens(
            column.astype(np.int32), dense[row, column].astype(np.float32),
            np.concatenate([[0], np.cumsum((dense[:, :-1] > 0).sum(axis=1))]),
        )  # fmt: skip
        np.testing.assert_array_equal(model.dense_tokens(packed), dense)
        hidden = model.forward(packed).view(len(dense), n + 1, dim)
        close(hidden[:, ::step], record["hidden"], PERFORMER)
        if size == "small":
            with torch.inference_mode():
                close(model.network.to_values(hidden[:1]), record["logits"], PERFORMER)
            model.stabiliser = "published"
            close(model.forward(packed).view(len(dense), n + 1, dim), record["hidden_batch"], PERFORMER)


@pytest.mark.parametrize("layout", ["plain", "zoo"])
@pytest.mark.parametrize("name", ["cgc_small", "cgc_text", pytest.param("cgc_real", marks=pytest.mark.slow)])
def test_cgc(tmp_path, name, layout):
    record = golden(name)
    weights = {LAYOUTS[layout](k): v for k, v in tensors(record).items()}
    n = len(weights["gene_encoder.embedding.weight"])
    genes = [f"G{i}" for i in range(n - 3)]
    assets = {}
    if name == "cgc_text":
        assets["text"] = tmp_path / "text.npz"
        np.savez(
            assets["text"], genes=np.array(["<pad>", "<cls>", "<eoc>", *genes]), vectors=fill("text_emb", (n, 768))
        )
    model = sgt.fm.load(
        "cgc", checkpoint=checkpoints.cgc(tmp_path, genes, tensors=weights), assets=assets, device="cpu"
    )
    t = tokens(record)
    segments = Segments(t.offsets)
    source, target = torch.from_numpy(record["edges"])
    kinds = torch.from_numpy(record["attributes"])
    edges = CellEdges(source, target, kinds[0].long(), kinds[1], kinds[2].long())
    ids = torch.as_tensor(t.ids, dtype=torch.long)
    text = None if model.text is None else model.text[ids]
    with torch.inference_mode():
        hidden = model.network(ids, torch.as_tensor(t.values), segments, edges=edges, text=text)
        cells = segments.first(hidden)
        close(hidden if name != "cgc_real" else hidden[:, ::8], record["hidden"])
        close(cells, record["cells"])
        close(model.network.decoder(hidden), record["decoder"], head=True)
        close(model.network.classifier(cells), record["classes"], head=True)
        close(model.network.cell_to_gene(cells, model.network.genes(ids), segments), record["cell_to_gene"], head=True)


def test_the_records_hold_numbers_and_no_weights():
    assert pd.Series({p.name: p.stat().st_size for p in HERE.glob("*.npz")}).max() < 400_000
