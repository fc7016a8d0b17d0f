"""The heads that are told the batch, against the recorded numbers of scGPT's and Cell-Graph Compass' code (see README.md here)."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from scgnn_tools.nn import Segments
from scgnn_tools.nn.heads import CellToGene, ExpressionDecoder
from scgnn_tools.train.batch_task import Discriminator, WithBatch, elastic_similarity
from tests.golden.test_parity import TIGHT, close, golden, tensors

DIM = 16


@pytest.fixture(scope="module")
def record():
    return golden("integration_heads")


@pytest.fixture(scope="module")
def heads(record):
    """Our heads with the recorded weights, and the network's share of them.

    The published decoders take a gene's state, or a cell's vector, and the batch side by side: one matrix is two of ours. That of the cell
    multiplies the query with both; ours moves the cell's vector before, which is the same for a matrix that has an inverse.
    """
    w = tensors(record)
    network = SimpleNamespace(decoder=ExpressionDecoder(DIM), cell_to_gene=CellToGene(DIM))
    both = WithBatch(network, DIM, 3)
    first, *rest = (m for m in network.decoder.fc if isinstance(m, torch.nn.Linear))
    with torch.no_grad():
        both.batch.weight.copy_(
            F.layer_norm(
                w["batch_encoder.embedding.weight"],
                (DIM,),
                *(w[f"batch_encoder.enc_norm.{k}"] for k in ("weight", "bias")),
            )
        )
        first.weight.copy_(w["decoder.fc.0.weight"][:, :DIM])
        first.bias.copy_(w["decoder.fc.0.bias"])
        both.first.weight.copy_(w["decoder.fc.0.weight"][:, DIM:])
        for layer, i in zip(rest, (2, 4), strict=True):
            layer.weight.copy_(w[f"decoder.fc.{i}.weight"])
            layer.bias.copy_(w[f"decoder.fc.{i}.bias"])
        network.cell_to_gene.query.weight.copy_(w["mvc_decoder.gene2query.weight"])
        network.cell_to_gene.query.bias.copy_(w["mvc_decoder.gene2query.bias"])
        of_cell, of_batch = w["mvc_decoder.W.weight"][:DIM], w["mvc_decoder.W.weight"][DIM:]
        network.cell_to_gene.bilinear.weight.copy_(of_cell)
        both.bilinear.weight.copy_(torch.linalg.solve(of_cell.T.double(), of_batch.T.double()))
    return both, network


@pytest.mark.parametrize("code", ["scgpt", "cgc"])
def test_the_decoders_that_know_the_batch(record, heads, code):
    both, network = heads
    segments = Segments(np.concatenate([[0], np.cumsum(record["lengths"])]), "cpu")
    hidden, genes, batch = (torch.from_numpy(record[k]) for k in ("hidden", "genes", "batch"))
    close(both.from_genes(network, hidden, batch[segments.cell]), record[f"{code}_from_gene"])
    ours = both.from_cells(network, segments.first(hidden), genes, segments, batch)
    close(ours, record[f"{code}_from_cell"], 10 * TIGHT, head=True)  # behind a matrix that was inverted


def test_elastic_similarity_and_the_adversary(record):
    w = {k.removeprefix("grad_reverse_discriminator."): v for k, v in tensors(record).items() if "discriminator" in k}
    ours = Discriminator(DIM, 3)
    names = {"_decoder": "layers", "out_layer": f"layers.{len(ours.layers) - 1}"}
    ours.load_state_dict({f"{names[k.split('.')[0]]}.{k.split('.', 1)[1]}": v for k, v in w.items()})
    starts = np.concatenate([[0], np.cumsum(record["lengths"])])[:-1]
    cells = torch.from_numpy(record["hidden"][starts]).requires_grad_(True)
    guess = ours(cells, 1.0)
    close(guess, record["scgpt_guess"])
    close(guess, record["cgc_guess"])
    F.cross_entropy(guess, torch.from_numpy(record["batch"])).backward()
    close(cells.grad, record["cgc_gradient"])  # turned around: the cells learn to be mistaken
    assert float(elastic_similarity(cells.detach(), 0.8)) == pytest.approx(float(record["scgpt_ecs"]), abs=TIGHT)
