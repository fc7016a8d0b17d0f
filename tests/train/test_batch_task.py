import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor

from scgnn_tools.data import Tokens
from scgnn_tools.fm.cgc.model import MASK_VALUE
from scgnn_tools.fm.cgc.small import small_network
from scgnn_tools.train.batch_task import BatchTask, Discriminator, elastic_similarity
from scgnn_tools.train.fitting import stratified_batches


def model():
    x = sp.csr_array(np.random.default_rng(0).random((6, 12), dtype=np.float32))
    sizes = {"dim": 8, "heads": 2, "hidden": 16, "n_layers": 1, "n_graph_layers": 1, "dropout": 0.0}
    return small_network(x, None, seed=0, device="cpu", **sizes)


def tokens(of, n=6):
    rng = np.random.default_rng(0)
    cell = np.repeat(np.arange(n), 5)
    ids = np.concatenate([rng.permutation(12)[:5] for _ in range(n)]).astype(np.int32)
    bins = rng.integers(1, 50, size=len(ids)).astype(np.float32)
    return Tokens.with_cell_token(cell, of.ids[ids], bins, n, of.sizes.cls_id, of.sizes.cls_value)


def test_elastic_similarity_is_the_published_sum():
    x = np.random.default_rng(0).normal(size=(5, 4))
    total = 0.0
    for i in range(5):
        for j in range(5):
            cosine = max(x[i] @ x[j] / np.linalg.norm(x[i]) / np.linalg.norm(x[j]), 0) * (i != j)
            total += 1 - (cosine - 0.8) ** 2
    assert float(elastic_similarity(torch.as_tensor(x), 0.8)) == pytest.approx(total / 25)


def test_the_adversary_learns_and_the_cells_unlearn():
    x = torch.randn(6, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    batch = torch.tensor([0, 1] * 3)
    net = Discriminator(8, 2)
    grads: dict[float, Tensor] = {}
    for strength in (1.0, 0.5):
        loss = torch.nn.functional.cross_entropy(net(x, strength), batch)
        (grads[strength],) = torch.autograd.grad(loss, x)
    (plain,) = torch.autograd.grad(torch.nn.functional.cross_entropy(net.layers(x), batch), x)
    torch.testing.assert_close(grads[1.0], -plain)
    torch.testing.assert_close(grads[0.5], -0.5 * plain)


def test_before_training_the_widened_decoders_are_those_of_the_network_and_all_genes_count():
    of = model()
    some, batch = tokens(of), np.array([0, 1] * 3)
    task = BatchTask(of, batch, mask_value=MASK_VALUE, ecs=0, dar=0)
    at = np.flatnonzero(of.is_gene(some))[::2]
    hidden, segments = of.hidden(some)
    rows = torch.as_tensor(at)
    codes = torch.as_tensor(batch)
    ids = torch.as_tensor(some.ids, dtype=torch.long)
    torch.testing.assert_close(
        task.decoders.from_genes(of.network, hidden[rows], codes[segments.cell[rows]]), of.network.decoder(hidden[rows])
    )
    torch.testing.assert_close(
        task.decoders.from_cells(of.network, segments.first(hidden), of.network.genes(ids), segments, codes),
        of.network.cell_to_gene(segments.first(hidden), of.network.genes(ids), segments),
    )


def test_evaluation_leaves_the_adversary_and_the_similarity_out():
    of = model()
    some, batch = tokens(of), np.array([0, 1] * 3)
    full, bare = (BatchTask(of, batch, mask_value=MASK_VALUE, ecs=e, dar=e) for e in (3.0, 0.0))

    def value(task, *, training):
        return float(task.train(training).loss(of, some, np.arange(6), np.random.default_rng(0)).detach())

    assert value(full, training=False) == pytest.approx(value(bare, training=True), rel=1e-6)
    assert value(full, training=True) > value(full, training=False) + 1


def test_the_adversary_can_grow():
    of = model()
    task = BatchTask(of, np.array([0, 1]), mask_value=MASK_VALUE, ramp_steps=10)
    assert task._strength() == 0
    task.step += 10
    assert task._strength() == pytest.approx(2 / (1 + np.exp(-10)) - 1)


def test_every_batch_holds_every_stratum_in_proportion_and_every_cell_is_in_one():
    strata = np.repeat([0, 1, 2], [200, 100, 20])
    batches = stratified_batches(np.arange(320), strata, np.random.default_rng(0), 32)
    assert sorted(np.concatenate(batches)) == list(range(320))
    counts = np.array([np.bincount(strata[b], minlength=3) for b in batches])
    assert len(batches) == 10
    assert (np.abs(counts - [20, 10, 2]) <= 2).all()
