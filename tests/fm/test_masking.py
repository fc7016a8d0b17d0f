"""The loss of masked bins against sums by hand."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scgnn_tools.fm.cgc import CGCModel
from scgnn_tools.fm.cgc.graph import gene_graph
from scgnn_tools.fm.cgc.model import MASK_VALUE
from scgnn_tools.fm.masking import bin_loss, with_values

GENES = np.array([f"G{i}" for i in range(30)], dtype=object)


@pytest.fixture
def masked():
    """A small network, three cells and their hidden genes."""
    sizes = {"dim": 16, "heads": 2, "hidden": 16, "n_layers": 1, "n_graph_layers": 1, "dropout": 0.0, "device": "cpu"}
    model = CGCModel.untrained(GENES, graph=gene_graph(GENES, tf_target=None, positions=None), **sizes)
    rows = sp.csr_array(np.random.default_rng(0).poisson(1.0, size=(3, 30)).astype(np.float32))
    tokens = model.tokenize_rows(rows, "counts", None)
    return model, tokens, np.flatnonzero(model.is_gene(tokens))[::3]


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("cell_over", ["masked", "all"])
def test_the_cell_predicts_its_hidden_genes_or_all_of_them(masked, cell_over, standardised):
    model, tokens, at = masked
    with torch.no_grad():
        hidden, segments = model.hidden(with_values(tokens, at, MASK_VALUE))
        got = bin_loss(model, hidden, segments, tokens, at, cell_over=cell_over, standardised=standardised)
        truth = np.asarray(tokens.values, dtype=np.float64)
        if standardised:
            truth = (truth - np.arange(1, 51).mean()) / np.arange(1, 51).std()
        every = np.flatnonzero(tokens.ids != model.sizes.cls_id) if cell_over == "all" else at
        genes = model.network.genes(torch.as_tensor(tokens.ids, dtype=torch.long))
        from_cell = model.network.cell_to_gene(segments.first(hidden), genes, segments).numpy()
        from_gene = model.network.decoder(hidden).numpy()
    expected = np.mean((from_gene[at] - truth[at]) ** 2) + np.mean((from_cell[every] - truth[every]) ** 2)
    assert float(got) == pytest.approx(expected, rel=1e-4)


def test_cell_graph_compass_predicts_all_genes_from_the_cell(masked):
    """The published code has no mask there, and equation 11 of the paper runs over all genes."""
    model, tokens, at = masked
    with torch.no_grad():
        states = model.hidden(with_values(tokens, at, MASK_VALUE))
        own = model.masked_loss(tokens, at, np.random.default_rng(0))
        losses = {
            o: float(bin_loss(model, *states, tokens, at, standardised=True, cell_over=o)) for o in ("all", "masked")
        }
    assert float(own) == pytest.approx(losses["all"], rel=1e-5)
    assert losses["all"] != pytest.approx(losses["masked"], rel=1e-3)
